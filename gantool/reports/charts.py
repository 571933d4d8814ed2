"""Charts inside a page: SVG that takes the colour of its text, and asks for no file and no font."""

import io
import re
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from gantool.comparison.trace import Trace

COLOURS = ("#3987e5", "#e0803a", "#2f9e6e", "#c65fb0")  # readable on white and on black
INK = "#808182"  # stands for the colour of the text
WIDTH, HEIGHT = 5.4, 2.5  # inches
STARTS = {"metric/": "Measured", "D/": "Losses", "G/": "Losses", "health/": "Health", "speed/": "Speed"}
SIDES = re.compile(r"^(?:D|G)/|(?<=/)(?:D|G|real|fake)_")  # of one thing, on one chart
POINTS = (1000, 300, 100, 30)  # of a line, at most: tried one after the other until a page has room


class Line(NamedTuple):
    name: str
    colour: str
    last: str


class Chart(NamedTuple):
    lines: list[Line]
    svg: Markup


class Section(NamedTuple):
    title: str
    charts: list[Chart]


def curves(trace: Trace, points: int = POINTS[0]) -> list[Section]:
    """Every column against images, those of the same thing on one chart; so many points of a line."""
    groups: dict[str, dict[str, list[str]]] = {title: {} for title in (*STARTS.values(), "More")}
    for name in trace.columns:
        if name != "images":
            title = next((title for start, title in STARTS.items() if name.startswith(start)), "More")
            groups[title].setdefault(SIDES.sub("", name), []).append(name)
    return [
        Section(title, [chart_of(trace, names, points) for names in found.values()])
        for title, found in groups.items()
        if found
    ]


def chart_of(trace: Trace, names: list[str], points: int) -> Chart:
    figure, axes = drawn()
    lines: list[Line] = []
    for place, name in enumerate(names):
        images, values = trace.curve(name)
        some = np.unique(np.linspace(0, len(images) - 1, min(len(images), points)).round().astype(int))
        colour = COLOURS[place % len(COLOURS)]
        marker = "o" if len(some) < 3 else None  # of one point there is no line
        axes.plot(images[some], values[some], color=colour, lw=1.2, marker=marker, ms=5)
        lines.append(Line(name, colour, f"{values[-1]:,.4g}"))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("images seen")
    return Chart(lines, svg(figure))


def scatter(xs: list[float], ys: list[float]) -> Markup:
    """A dot for each run."""
    figure, axes = drawn()
    positive = [x for x in xs if x > 0]
    if len(positive) == len(xs) and max(xs) >= 50 * min(xs):
        axes.set_xscale("log")
    axes.plot(xs, ys, "o", color=COLOURS[0], ms=5, alpha=0.8)
    return svg(figure)


def bars(groups: list[list[float]]) -> Markup:
    """A bar for the mean of each group, numbered from 1, and a dot for each run in it."""
    figure, axes = drawn()
    for place, values in enumerate(groups):
        axes.bar(place, float(np.mean(values)), width=0.6, color=COLOURS[0], alpha=0.5)
        axes.plot([place] * len(values), values, "o", color=COLOURS[1], ms=4)
    axes.set_xticks(range(len(groups)), [str(place + 1) for place in range(len(groups))])
    return svg(figure)


def drawn() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.25, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.tick_params(colors=INK, labelcolor=INK, labelsize="small")
    axes.xaxis.label.set_color(INK)
    return figure, axes


def svg(figure: Figure) -> Markup:
    """Without its preamble, as wide as there is room. No text of files is in it."""
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "gantool"}):
        file = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"<style.*?</style>|<metadata.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r" font-family: [^;]*;", "", text)  # that of the page
    text = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    text = re.sub(r"\n\s+", "\n", text)
    return Markup(re.sub(r' id="(?:figure|axes|patch|text|line2d|xtick|ytick|matplotlib)[^"]*"', "", text))
