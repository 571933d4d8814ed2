"""Everything measured of some runs, by what it is and how it was measured; its mean over seeds."""

from dataclasses import dataclass
from statistics import mean, stdev
from typing import NamedTuple, final

import numpy as np

from gantool.comparison.settings import Setting
from gantool.comparison.trace import Trace
from gantool.metrics.metric import Direction

UNKNOWN = "not noted by the run"


class Measure(NamedTuple):
    """A number and its protocol: two of them are comparable only where both are the same."""

    name: str  # metric/NAME of a training, evaluate/NAME
    protocol: str


class Value(NamedTuple):
    """Of a run."""

    last: float
    best: float | None  # of its curve; None = there is none, or nobody knows which direction is better


class Spread(NamedTuple):
    """Mean and sample standard deviation, with N - 1, over the runs of a setting."""

    mean: float
    std: float | None  # of one run there is none
    runs: int


@final
@dataclass(frozen=True)
class Quantity:
    """A measure of several settings.

    Attributes:
        measure: what it is.
        direction: whether less of it is better, or more; None = not known.
        values: of each setting, one for each of its runs that has it.
    """

    measure: Measure
    direction: Direction | None
    values: list[list[Value]]

    def last(self, place: int) -> Spread | None:
        return spread([it.last for it in self.values[place]])

    def best(self, place: int) -> Spread | None:
        return spread([it.best for it in self.values[place] if it.best is not None])


def spread(values: list[float]) -> Spread | None:
    if not values:
        return None
    return Spread(mean(values), stdev(values) if len(values) > 1 else None, len(values))


def quantities(settings: list[Setting]) -> list[Quantity]:
    """All measures that some run has, those of one name beside each other."""
    traces = [trace for setting in settings for trace in setting.traces]
    ways = directions(traces)
    found = {id(trace): values_of(trace, ways) for trace in traces}
    names = list(dict.fromkeys(measure.name for values in found.values() for measure in values))
    known = dict.fromkeys(measure for values in found.values() for measure in values)
    return [
        Quantity(
            measure,
            ways.get(bare(measure.name)),
            [
                [found[id(trace)][measure] for trace in setting.traces if measure in found[id(trace)]]
                for setting in settings
            ],
        )
        for measure in sorted(known, key=lambda it: names.index(it.name))
    ]


def directions(traces: list[Trace]) -> dict[str, Direction]:
    """In which direction numbers are better, by name without what comes before the slash."""
    found: dict[str, Direction] = {}
    for trace in traces:
        for column, known in trace.protocols.items():
            found[bare(column)] = "maximize" if known["direction"] == "maximize" else "minimize"
    return found


def bare(name: str) -> str:
    return name.partition("/")[2]


def values_of(trace: Trace, ways: dict[str, Direction]) -> dict[Measure, Value]:
    """Of one run: what its training measured, and the latest of each that `gantool evaluate` found."""
    found: dict[Measure, Value] = {}
    for name in trace.columns:
        if name.startswith("metric/"):
            values = trace.curve(name).values
            way = ways.get(bare(name))
            best = None if way is None else float(values.max() if way == "maximize" else values.min())
            found[Measure(name, protocol(trace, name))] = Value(float(values[-1]), best)
    for it in sorted(trace.judged, key=lambda it: it.images):
        found[Measure(it.name, it.protocol)] = Value(it.value, None)
    return found


def protocol(trace: Trace, column: str) -> str:
    """How a training measured a column; where it has not noted that, no more than how it was configured."""
    if column in trace.protocols:
        return trace.protocols[column]["protocol"]
    configured = trace.config.get("metrics")
    return f"{UNKNOWN}: metrics={configured}" if configured else UNKNOWN


def moments(settings: list[Setting], measure: Measure) -> list[int]:
    """Images that the runs had seen when this was evaluated, in order."""
    latest = [
        max(it.images for it in trace.judged if Measure(it.name, it.protocol) == measure)
        for setting in settings
        for trace in setting.traces
        if any(Measure(it.name, it.protocol) == measure for it in trace.judged)
    ]
    return sorted(set(latest))


def paces(setting: Setting) -> tuple[Spread | None, Spread | None, Spread | None]:
    """Images seen, seconds, images a second, each over the runs that tell it."""
    seen = [float(it.images) for it in setting.traces if it.images is not None]
    took = [it.took for it in setting.traces]
    speeds = [it.images / it.took for it in setting.traces if it.images is not None and it.took]
    return spread(seen), spread([it for it in took if it is not None]), spread(speeds)


def band(curves: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray] | None:
    """The mean of curves (x, y) where all of them are known, at every x of theirs; None = nowhere."""
    low, high = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    places = np.unique(np.concatenate([x for x, _ in curves]))
    places = places[(places >= low) & (places <= high)]
    if not len(places):
        return None
    return places, np.mean([np.interp(places, x, y) for x, y in curves], 0)
