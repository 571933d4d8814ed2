"""The page of a run: whatever its folder holds."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from gantool import __version__
from gantool.callbacks.progress import duration
from gantool.comparison.quantities import bare, directions, values_of
from gantool.comparison.trace import Trace, judged, number, sound
from gantool.reports import charts, defaults
from gantool.reports.page import rendered
from gantool.reports.pictures import Album, Picture, grids
from gantool.resume import flat
from gantool.surroundings import noted
from gantool.sweeps.job import LOG

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ (\w+) (.*)")  # of train.log
COMMAND = "gantool train "
CURES = "What usually helps"  # with which the doctor ends
DRAWN = 0.5  # of the page that all but its pictures may take before curves lose points


class Said(NamedTuple):
    """A line of train.log."""

    time: str
    level: str
    text: str

    @property
    def serious(self) -> bool:
        return self.level not in ("INFO", "DEBUG") or CURES in self.text


class Film(NamedTuple):
    """The samples of a run, of one kind."""

    kind: str  # such as -ab; of most runs nothing
    frames: list[Picture]
    last: Picture | None


class Measured(NamedTuple):
    name: str
    last: float
    best: float | None
    real: float | None  # the same number of real images
    images: int | None  # when
    protocol: str


def page(trace: Trace, album: Album) -> str:
    said, default = log_of(trace.folder), defaults.default_of(trace.config)
    surroundings, broken = sound(lambda: noted(trace.folder), None)
    album.notes += [*trace.damaged, *broken]
    content: dict[str, Any] = {
        "title": f"{named(trace, said, 'model')} on {named(trace, said, 'data')}",
        "summary": f"{trace.images or 0:,} images, {begun(trace, said)[:10]}, {state(trace, said)}",
        "facts": facts(trace, said),
        "command": next((it.text for it in said if it.text.startswith(COMMAND)), None),
        "continued": sum(it.text.startswith(COMMAND) for it in said) > 1,
        "changes": None if default is None else defaults.changes(trace, default),
        "entries": defaults.entries(trace.config, default),
        "films": [],
        "real": None,
        "neighbours": [],
        "training": in_training(trace),
        "evaluated": evaluated(trace),
        "warnings": [it for it in said if it.serious],
        "said": [it for it in said if not it.serious],
        "examined": bool(trace.config.get("health_every")),
        "surroundings": surroundings,
        "notes": album.notes,
        "made": made(),
    }
    bare_page = ""
    for points in charts.POINTS:
        content["sections"] = charts.curves(trace, points)
        bare_page = rendered("run.html", content)
        if len(bare_page.encode()) <= album.limit * DRAWN:
            break
    album.leave(bare_page)
    return rendered("run.html", content | pictures(trace.folder, album))


def pictures(folder: Path, album: Album) -> dict[str, Any]:
    """Films of the samples, real images, and fakes beside their nearest training images."""
    kinds, near = grids(folder), sorted(folder.glob("neighbours*/neighbours.png"))
    singles = len(kinds) + len(near) + 1
    films: list[Film] = []
    for kind, files in kinds.items():
        frames = album.film(files, of=len(kinds))
        last = folder / "samples" / f"{frames[-1].name}.png" if frames else files[-1]
        films.append(Film(kind, frames, album.single(last, of=singles)))
    neighbours = [(file.parent.name, album.single(file, of=singles)) for file in near]
    return {
        "films": films,
        "real": album.single(folder / "samples" / "real.png", of=singles),
        "neighbours": [(name, picture) for name, picture in neighbours if picture is not None],
    }


def made() -> str:
    return f"gantool {__version__}, {datetime.now():%Y-%m-%d %H:%M}"


def named(trace: Trace, said: list[Said], group: str) -> str:
    """The option of a group: as the run has noted it, or as it was typed; else the class that it led to."""
    noted = (trace.config.get("groups") or {}).get(group)
    typed = [word for it in said for word in it.text.split() if it.text.startswith(COMMAND)]
    asked = [word.partition("=")[2] for word in typed if word.startswith(f"{group}=")]
    places = {"model": ("task.G._target_", "model.G._target_"), "data": ("data.set._target_",)}[group]
    leaves = flat(trace.config)
    built = [".".join(str(leaves[place]).split(".")[-2:]) for place in places if place in leaves]
    return next((str(name) for name in (noted, *asked, *built) if name), f"unknown {group}")


def begun(trace: Trace, said: list[Said]) -> str:
    return said[0].time if said else f"{changed(trace.folder / 'config.yaml'):%Y-%m-%d %H:%M:%S}"


def log_of(folder: Path) -> list[Said]:
    """What the training said; a line without a time belongs to the one before."""
    file = folder / LOG
    found: list[Said] = []
    for line in file.read_text(errors="replace").splitlines() if file.exists() else []:
        if match := LINE.match(line):
            found.append(Said(*match.groups()))
        elif found:
            found[-1] = found[-1]._replace(text=f"{found[-1].text}\n{line}")
    return found


def state(trace: Trace, said: list[Said]) -> str:
    """Whether it is done, as the log tells."""
    planned, seen = trace.config.get("images"), trace.images or 0
    whole = planned if isinstance(planned, int) else 0
    share = f"{seen / whole:.0%} of {whole:,} images" if whole else f"{seen:,} images"
    starts = [place for place, it in enumerate(said) if it.text.startswith(COMMAND)]
    now = said[starts[-1] :] if starts else said
    if any(it.level == "ERROR" and it.text.startswith("training diverged") for it in now):
        return f"diverged, at {share}"
    if any(it.text.startswith("training ends at") for it in now):
        return "finished" if seen >= whole else f"ended early, at {share}"
    if not said and not trace.rows:
        return "not begun, or its log is gone"
    return f"unfinished: still training, or cut off, at {share}"


def facts(trace: Trace, said: list[Said]) -> list[tuple[str, str]]:
    """What stands below the title."""
    config, data = trace.config, trace.config.get("data") or {}
    names, metrics = data.get("names"), config.get("metrics")
    rows = [("Begun", begun(trace, said)), ("Folder", str(trace.folder)), ("Seed", trace.seed)]
    if trace.images is not None:
        rows.append(("Images seen", f"{trace.images:,}"))
    if trace.took:
        rows.append(("Time", duration(trace.took)))
        rows.append(("Speed", f"{(trace.images or 0) / trace.took:,.0f} images a second"))
    if {"channels", "resolution"} <= data.keys():
        classes = f", {data['classes']} classes" if data.get("classes") else ""
        channels = f"{data['channels']} channel{'s' * (data['channels'] != 1)}"
        rows.append(("Data", f"resolution {data['resolution']}, {channels}{classes}"))
    if names and isinstance(names, list):
        rows.append(("Classes", ", ".join(map(str, names[:20]))))
    if metrics and isinstance(metrics, list | dict):
        rows.append(("Metrics", ", ".join(map(str, metrics))))
    kept = sorted(file.name for file in (trace.folder / "checkpoints").glob("*.ckpt"))
    return [*rows, ("Checkpoints", ", ".join(kept) if kept else "none")]


def changed(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime)


def in_training(trace: Trace) -> list[Measured]:
    """Columns metric/NAME: the last value and the best."""
    found = values_of(trace, directions([trace]))
    lasts = {name: values[-1] for name in trace.columns if len(values := trace.curve(name).values)}
    return [
        Measured(
            it.name, value.last, value.best, lasts.get(f"metric/real_{bare(it.name)}"), None, it.protocol
        )
        for it, value in found.items()
        if it.name.startswith("metric/") and not it.name.startswith("metric/real_")
    ]


def evaluated(trace: Trace) -> list[Measured]:
    """Results of `gantool evaluate`, each beside what real images score where that is known."""
    rows: list[Measured] = []
    for file in sorted((trace.folder / "metrics").glob("*.json")):
        for it in judged(file):
            name = bare(it.name)
            rows.append(Measured(name, it.value, None, of_reals(file, name), it.images, it.protocol))
    return rows


def of_reals(file: Path, name: str) -> float | None:
    record: dict[str, Any] = json.loads(file.read_text())
    beside = record.get("real")
    found = beside.get(name) if isinstance(beside, dict) else record.get(f"real_{name}")
    return number(str(found))
