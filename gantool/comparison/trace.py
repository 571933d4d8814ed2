"""What a run has left in its folder: its configuration, its curves, and what was measured of it."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, final

import numpy as np
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gantool import hub, protocols, runs
from gantool.loggers.metrics_csv import read
from gantool.protocols import Protocols
from gantool.sweeps.table import SPEED, images

COUNTS = ("images", "seed", "truncation", "fakes", "reals", "samples", "of", "floor")  # no results

SECTIONS = ("data", "groups", "sweep")  # of a configuration, that a page reads

Row = dict[str, float]
Found = TypeVar("Found")


class Judged(NamedTuple):
    """A number that `gantool evaluate` found."""

    name: str  # evaluate/NAME
    value: float
    images: int  # when
    protocol: str


class Curve(NamedTuple):
    """A column of metrics.csv where it has a value: (T,) each."""

    images: np.ndarray
    values: np.ndarray


@final
@dataclass(frozen=True)
class Trace:
    """A run as its folder tells it; whatever is missing there is empty here.

    Attributes:
        folder: of the run.
        checkpoint: that was named, or the last one; it may not exist.
        config: of the training, plain containers.
        rows: of metrics.csv, without what is no finite number.
        protocols: of its columns, where the run has noted them.
        judged: what `gantool evaluate` found.
        damaged: sentences about files, or parts of them, that cannot be read.
    """

    folder: Path
    checkpoint: Path
    config: dict[str, Any]
    rows: list[Row]
    protocols: Protocols
    judged: list[Judged]
    damaged: tuple[str, ...] = ()

    @property
    def seed(self) -> str:
        return str(self.config.get("seed", "?"))

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def images(self) -> int | None:
        """Seen so far, as its curves and its log say; None = they do not."""
        ended = images(self.folder)
        known = [int(row["images"]) for row in self.rows] + ([int(ended)] if ended else [])
        return max(known, default=None)

    @cached_property
    def clock(self) -> Curve:
        """Seconds of training up to each row that tells the speed since the one before, from 0 images on.

        The time between two starts of a run that was continued does not count.
        """
        seen, seconds = [0.0], [0.0]
        for row in self.rows:
            if row.get(SPEED, 0) > 0 and row["images"] > seen[-1]:
                seconds.append(seconds[-1] + (row["images"] - seen[-1]) / row[SPEED])
                seen.append(row["images"])
        return Curve(np.array(seen), np.array(seconds))

    def seconds(self, images: np.ndarray) -> np.ndarray | None:
        """Of training up to so many images, after the last row at its speed; None = no row tells one."""
        seen, seconds = self.clock
        if len(seen) == 1:
            return None
        pace = (seconds[-1] - seconds[-2]) / (seen[-1] - seen[-2])
        return np.interp(images, seen, seconds) + np.maximum(images - seen[-1], 0) * pace

    @property
    def took(self) -> float | None:
        """Seconds of the whole training; None = not known."""
        known = None if self.images is None else self.seconds(np.array([self.images], float))
        return None if known is None else float(known[0])

    def curve(self, name: str) -> Curve:
        found = np.array([(row["images"], row[name]) for row in self.rows if name in row]).reshape(-1, 2)
        return Curve(found[:, 0], found[:, 1])


def traces(names: list[str]) -> list[Trace]:
    """The runs of these names, each of which may be that of a folder with runs in it.

    Raises ValueError for a name of no run, for a run named twice, and for fewer than two.
    """
    found: dict[Path, Trace] = {}
    for name in names:
        for one in expanded(name):
            trace = trace_of(one)
            place = trace.folder.resolve()
            if place in found:
                raise ValueError(f"run={name}: {trace.folder} is named twice; name each run once.")
            found[place] = trace
    if len(found) < 2:
        raise ValueError(
            f"run={', '.join(names)}: that is {len(found)} run, and a comparison takes two or more: "
            "run=A run=B, or a folder of runs."
        )
    return list(found.values())


def expanded(name: str) -> list[str]:
    """The runs in a folder of runs, such as a sweep's, 2 before 10; otherwise the name itself."""
    folder = Path(name).expanduser()
    if name == "latest" or (folder / "config.yaml").is_file() or not folder.is_dir():
        return [name]
    inside = [file.parent for file in folder.glob("*/config.yaml")]
    ordered = sorted(inside, key=lambda it: it.name.zfill(9) if it.name.isdigit() else it.name)
    return [str(one) for one in ordered] or [name]


def trace_of(name: str) -> Trace:
    """Raises ValueError for what is no run, such as an exported file; a damaged file is told and left out."""
    refuse_exported(name)
    folder = runs.find(name)
    named = Path(name).expanduser()
    last = folder / "checkpoints" / "last.ckpt"
    config, wrong = sound(lambda: config_of(folder / "config.yaml"), {})
    rows, torn = sound(lambda: rows_of(folder / "metrics.csv"), [])
    ways, broken = sound(lambda: protocols.noted(folder), {})
    strange = [key for key in SECTIONS if not isinstance(config.get(key) or {}, dict)]
    odd = [f"{folder / 'config.yaml'} is damaged ({key}={config.pop(key)} is no section)." for key in strange]
    return Trace(
        folder,
        named if named.suffix == ".ckpt" else last,
        config,
        rows,
        ways,
        [number for file in sorted((folder / "metrics").glob("*.json")) for number in judged(file)],
        (*wrong, *odd, *torn, *broken),
    )


def refuse_exported(name: str) -> None:
    """Raise ValueError for a generator alone, which has neither curves nor a log."""
    path = Path(name).expanduser()
    if name.startswith(hub.SCHEME) or (path.suffix == runs.EXPORTED and not path.is_dir()):
        beside = (path.parent / "config.yaml").is_file()
        where = f", {path.parent}" if beside else ""
        raise ValueError(
            f"run={name} is an exported generator, without curves and log; name the run folder that it comes "
            f"from{where}."
        )


def sound(look: Callable[[], Found], otherwise: Found) -> tuple[Found, list[str]]:
    """What is found; of a damaged file something else, and the sentence about it."""
    try:
        return look(), []
    except ValueError as error:
        return otherwise, [str(error)]


def config_of(file: Path) -> dict[str, Any]:
    """Raises ValueError where the file is damaged."""
    try:
        found: Any = OmegaConf.to_container(OmegaConf.load(file)) or {}
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, OSError) as error:
        raise ValueError(f"{file} cannot be read ({' '.join(str(error).split())}).") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file} is damaged (it holds no keys).")
    return {str(key): value for key, value in found.items()}


def rows_of(file: Path) -> list[Row]:
    """Nothing of a run that has logged nothing; a row that is being written just now may be cut off.

    Raises ValueError where the file is no table.
    """
    try:
        rows = read(file) if file.exists() else []
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{file} is damaged ({error}).") from error
    numbers = [{name: number(text) for name, text in row.items() if isinstance(text, str)} for row in rows]
    finite = [{name: value for name, value in row.items() if value is not None} for row in numbers]
    return [row for row in finite if "images" in row]


def number(text: str | None) -> float | None:
    """None for what is no finite number."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if isfinite(value) else None


def judged(file: Path) -> list[Judged]:
    """The results in a file of `gantool evaluate`; none where it is something else."""
    try:
        record = json.loads(file.read_text())
    except ValueError:
        return []
    if not isinstance(record, dict) or not {"metric", "images", "protocol"} <= record.keys():
        return []
    results = record.get("fake", record)  # beside which some tell the same of reals
    if not isinstance(results, dict) or not isinstance(record["images"], int):
        return []
    return [
        Judged(f"evaluate/{name}", value, record["images"], record["protocol"])
        for name, value in results.items()
        if isinstance(value, int | float) and name not in COUNTS and not name.startswith("real_")
    ]
