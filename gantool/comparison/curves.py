"""compare.png: curves of several settings, against images seen and against the time that it took."""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gantool.comparison.quantities import band, protocol
from gantool.comparison.settings import Setting
from gantool.comparison.trace import Trace
from gantool.mistakes import suggestion

Style = Literal["-", "--", ":", "-."]

WIDTH, HEIGHT, HEAD = 12.0, 2.6, 0.3  # inches: of the picture, of a row, of a line of the legend
STYLES: tuple[Style, ...] = ("-", "--", ":", "-.")
UNITS = ((2 * 3600, 3600, "hours"), (120, 60, "minutes"), (0, 1, "seconds"))  # from so many seconds on


class Panel(NamedTuple):
    """What has axes of its own: a column, and where it is measured by several protocols, one of them."""

    name: str
    protocol: str
    title: str


def panels(traces: list[Trace], chosen: list[str] | None, numbers: dict[str, int]) -> list[Panel]:
    """Those of the chosen columns; None = everything measured, and all losses.

    Raises ValueError for a column that no run has.
    """
    columns = list(dict.fromkeys(name for trace in traces for name in trace.columns if name != "images"))
    for name in chosen or []:
        if name not in columns:
            cure = suggestion(name, columns) if columns else "None of these runs has logged anything."
            raise ValueError(f"curves=[{name}]: no metrics.csv of these runs has such a column. {cure}")
    names = chosen
    if names is None:
        names = [name for start in ("metric/", "D/", "G/") for name in columns if name.startswith(start)]
    found: list[Panel] = []
    for name in names:
        ways = dict.fromkeys(protocol_of(trace, name) for trace in traces if name in trace.columns)
        for way in ways:
            found.append(Panel(name, way, f"{name} [{numbers[way]}]" if len(ways) > 1 else name))
    return found


def protocol_of(trace: Trace, name: str) -> str:
    return protocol(trace, name) if name.startswith("metric/") else ""


def draw(file: Path, settings: list[Setting], labels: list[str], found: list[Panel]) -> None:
    """A row of two axes for each panel; a thin line is a run, the thick one the mean of its setting."""
    colours = [colormaps["tab10"](place % 10) for place in range(len(settings))]
    styles: list[Style] = [STYLES[place // 10 % len(STYLES)] for place in range(len(settings))]
    length = max((it.took or 0 for setting in settings for it in setting.traces), default=0)
    _, second, unit = next(it for it in UNITS if length >= it[0])
    figure = Figure(figsize=(WIDTH, HEIGHT * len(found) + HEAD * len(settings)), layout="constrained")
    axes = figure.subplots(len(found), 2, squeeze=False, sharex="col", sharey="row")
    for panel, (by_images, by_time) in zip(found, axes, strict=True):
        for setting, colour, style in zip(settings, colours, styles, strict=True):
            curves, timed = curves_of(setting.traces, panel, second)
            lines(by_images, curves, colour, style)
            lines(by_time, timed, colour, style)
        by_images.set_title(panel.title, loc="left", fontsize="medium")
        for one in (by_images, by_time):
            one.grid(alpha=0.3)
            one.spines[["top", "right"]].set_visible(False)
    axes[-1][0].set_xlabel("images seen")
    axes[-1][1].set_xlabel(f"{unit} of training")
    axes[-1][0].xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    handles = [Line2D([], [], color=c, linestyle=s, lw=2) for c, s in zip(colours, styles, strict=True)]
    figure.legend(handles, labels, loc="outside upper left", frameon=False, fontsize="medium")
    figure.savefig(file, dpi=100)


Lines = list[tuple[np.ndarray, np.ndarray]]  # x and y of each run


def curves_of(traces: list[Trace], panel: Panel, second: float) -> tuple[Lines, Lines]:
    """Of the runs that have it, against images seen; and of those that tell the time, against that."""
    curves: Lines = []
    timed: Lines = []
    for trace in traces:
        images, values = trace.curve(panel.name)
        if not len(images) or protocol_of(trace, panel.name) != panel.protocol:
            continue
        curves.append((images, values))
        seconds = trace.seconds(images)
        if seconds is not None:
            timed.append((seconds / second, values))
    return curves, timed


def lines(axes: Axes, curves: Lines, colour: tuple[float, ...], style: Style) -> None:
    several = len(curves) > 1
    for x, y in curves:
        marker = "o" if len(x) == 1 else None
        axes.plot(
            x,
            y,
            color=colour,
            ls=style,
            lw=0.8 if several else 1.6,
            alpha=0.35 if several else 1,
            marker=marker,
        )
    middle = band(curves) if several else None
    if middle is not None:
        axes.plot(*middle, color=colour, ls=style, lw=2)
