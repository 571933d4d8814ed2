"""The page of a folder of runs, such as a sweep's: what became of each, and which were best."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

from markupsafe import Markup

from gantool.callbacks.progress import duration
from gantool.comparison.quantities import bare, directions, protocol
from gantool.comparison.settings import Setting, differences
from gantool.comparison.trace import Trace, number, sound, trace_of
from gantool.metrics.metric import Direction
from gantool.mistakes import suggestion
from gantool.reports import charts
from gantool.reports.page import rendered
from gantool.reports.pictures import Album, Picture, grids
from gantool.reports.run_page import COMMAND, log_of, made, state
from gantool.surroundings import noted
from gantool.sweeps import job
from gantool.sweeps.table import gone, shown

UNSOUND = {  # jobs whose numbers say nothing of their settings
    "diverged": "diverged",
    "failed": "failed",
    "refused": "were refused",
}
WORDS: dict[Direction, str] = {"maximize": "more is better", "minimize": "less is better"}


@final
@dataclass(frozen=True)
class Entry:
    """A run, or a job of which no run came.

    Attributes:
        name: of its folder.
        chosen: key -> value, of what differs between them.
        state: what became of it.
        error: why, where it is no good.
        trace: what it left; None = nothing.
    """

    name: str
    chosen: dict[str, str]
    state: str
    error: str
    trace: Trace | None

    def last(self, metric: str | None) -> float | None:
        """The last value of a column."""
        if self.trace is None or metric not in self.trace.columns:
            return None
        return float(self.trace.curve(str(metric)).values[-1])


class Effect(NamedTuple):
    """What a key does to the metric."""

    key: str
    svg: Markup
    values: list[str]  # of the bars; none where the key is a number


class Best(NamedTuple):
    name: str
    value: str
    chosen: str
    picture: Picture


def page(folder: Path, names: list[str], metric: str | None, best: int, album: Album) -> str:
    """Raises ValueError for a metric that no run has."""
    traces = {Path(name).name: trace_of(name) for name in names}
    entries = entries_of(folder, traces)
    metric = metric_of(list(traces.values()), metric)
    direction = direction_of(list(traces.values()), metric)
    told = [it for it in entries if it.last(metric) is not None and it.state.partition(",")[0] not in UNSOUND]
    sign = -1 if direction == "maximize" else 1
    ranked = sorted(told, key=lambda it: (it.last(metric) or 0.0) * sign) if direction else []
    machines, broken = surroundings(entries)
    album.notes += [*(line for trace in traces.values() for line in trace.damaged), *broken]
    keys = list(dict.fromkeys(key for it in entries for key in it.chosen))
    content: dict[str, Any] = {
        "title": f"{len(entries)} runs of {folder.resolve().name}",
        "folder": str(folder),
        "metric": metric,
        "direction": WORDS[direction] if direction else None,
        "unsound": unsound(entries),
        "ways": ways_of(told, metric),
        "keys": keys,
        "rows": [row(it, keys, metric) for it in entries],
        "first": ranked[0].name if ranked else None,
        "effects": effects(told, keys, metric),
        "best": [],
        "ranked": bool(ranked),
        "errors": [it for it in entries if it.error],
        "commands": [(it.name, command) for it in entries if (command := command_of(it))],
        "surroundings": machines,
        "notes": album.notes,
        "made": made(),
    }
    album.leave(rendered("sweep.html", content))
    return rendered("sweep.html", content | {"best": pictures(ranked or entries, metric, best, album)})


def surroundings(entries: list[Entry]) -> tuple[dict[str, str], list[str]]:
    """Versions and machines, where the runs differ all of them; and sentences about damaged files."""
    found = [sound(lambda at=it.trace.folder: noted(at), None) for it in entries if it.trace is not None]
    known = [one for one, _ in found if one]
    names = dict.fromkeys(name for one in known for name in one)
    rows = {name: "; ".join(dict.fromkeys(it[name] for it in known if name in it)) for name in names}
    return rows, [line for _, lines in found for line in lines]


def entries_of(folder: Path, traces: dict[str, Trace]) -> list[Entry]:
    """Of the records of a sweep, in which there are also jobs that came to nothing; or else of the runs."""
    records = job.read(folder)
    if not records:
        alone = [Setting(name, [trace]) for name, trace in traces.items()]
        found = {it.title: it.values for it in differences(alone)} | {
            "seed": [trace.seed for trace in traces.values()]
        }
        varied = {key: values for key, values in found.items() if len(set(values)) > 1}
        return [
            Entry(name, {key: values[i] for key, values in varied.items()}, state_of(trace), "", trace)
            for i, (name, trace) in enumerate(traces.items())
        ]
    choices = [job.choices(record.overrides) for record in records]
    keys = dict.fromkeys(key for it in choices for key in it)
    varied = [key for key in keys if len({str(it.get(key)) for it in choices}) > 1]
    return [
        Entry(
            Path(record.folder).name,
            {key: str(chosen.get(key, "")) for key in varied},
            "died" if record.status == "running" and gone(record) else record.status,
            record.error,
            traces.get(Path(record.folder).name),
        )
        for record, chosen in zip(records, choices, strict=True)
    ]


def state_of(trace: Trace) -> str:
    return state(trace, log_of(trace.folder))


def metric_of(traces: list[Trace], metric: str | None) -> str | None:
    """The column that ranks the runs; None = nothing was measured."""
    columns = list(dict.fromkeys(name for trace in traces for name in trace.columns if name != "images"))
    if metric is not None:
        if metric not in columns:
            cure = suggestion(metric, columns) if columns else "None of these runs has logged anything."
            raise ValueError(f"metric={metric}: no metrics.csv of these runs has such a column. {cure}")
        return metric
    asked = [(trace.config.get("sweep") or {}).get("metric") for trace in traces]
    measured = [it for it in asked if it in columns] + [it for it in columns if it.startswith("metric/")]
    return measured[0] if measured else None


def direction_of(traces: list[Trace], metric: str | None) -> Direction | None:
    """As the sweep was told; or else as the runs have noted it of what they measured; None = not known."""
    if metric is None:
        return None
    for it in [trace.config.get("sweep") or {} for trace in traces]:
        if it.get("metric") == metric:
            return "maximize" if it.get("direction") == "maximize" else "minimize"
    if metric.startswith("metric/"):
        return directions(traces).get(bare(metric))
    return "maximize" if metric.startswith("speed/") else None


def unsound(entries: list[Entry]) -> str:
    """What became of those that take no part."""
    states = {it.state.partition(",")[0] for it in entries}
    return " or ".join(word for state, word in UNSOUND.items() if state in states)


def ways_of(told: list[Entry], metric: str | None) -> list[str]:
    """The protocols of what was measured: numbers of more than one are not comparable."""
    if metric is None or not metric.startswith("metric/"):
        return []
    return list(dict.fromkeys(protocol(it.trace, metric) for it in told if it.trace is not None))


def row(entry: Entry, keys: list[str], metric: str | None) -> list[str]:
    value, trace = entry.last(metric), entry.trace
    seen = None if trace is None else trace.images
    took = None if trace is None else trace.took
    return [
        entry.name,
        *(shown(key, entry.chosen.get(key, "")) for key in keys),
        entry.state,
        *(["" if value is None else f"{value:,.4g}"] if metric else []),
        "" if seen is None else f"{seen:,}",
        "" if not took else duration(took),
        "" if not took or not seen else f"{seen / took:,.0f}",
    ]


def effects(told: list[Entry], keys: list[str], metric: str | None) -> list[Effect]:
    """For each key a scatter of numbers, or a bar for every other value."""
    found: list[Effect] = []
    ys = {it.name: it.last(metric) or 0.0 for it in told}
    for key in keys:
        texts = [it.chosen.get(key, "") for it in told]
        xs = [x for text in texts if (x := number(text)) is not None]
        if key == "seed" or len(set(texts)) < 2:
            continue
        if len(xs) == len(texts):
            found.append(Effect(key, charts.scatter(xs, list(ys.values())), []))
        else:
            values = list(dict.fromkeys(texts))
            groups = [[ys[it.name] for it in told if it.chosen.get(key, "") == one] for one in values]
            found.append(Effect(key, charts.bars(groups), values))
    return found


def pictures(entries: list[Entry], metric: str | None, best: int, album: Album) -> list[Best]:
    """The last images of the best runs, or of the first where none is known to be better."""
    found: list[Best] = []
    for it in [it for it in entries if it.trace is not None][:best]:
        assert it.trace is not None
        kinds = list(grids(it.trace.folder).values())
        picture = album.single(kinds[0][-1], of=best) if kinds else None
        value = it.last(metric)
        if picture is not None:
            chosen = ", ".join(f"{key}={text}" for key, text in it.chosen.items())
            found.append(Best(it.name, "" if value is None else f"{value:,.4g}", chosen, picture))
    return found


def command_of(entry: Entry) -> str | None:
    said = [] if entry.trace is None else log_of(entry.trace.folder)
    return next((it.text for it in said if it.text.startswith(COMMAND)), None)
