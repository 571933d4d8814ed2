"""The jobs of a sweep as rows: for people on the terminal, for programs in sweep.csv."""

import csv
import os
import re
import socket
from datetime import timedelta
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gantool.sweeps import job
from gantool.sweeps.job import Record
from gantool.sweeps.metric import last_row

LOSSES = ("D/adversarial", "G/adversarial")
SPEED = "speed/images_per_second"


def row(record: Record, swept: list[str], metric: str | None) -> dict[str, str]:
    """All about a job, as text by column.

    Args:
        record: of the job.
        swept: keys that differ between jobs.
        metric: the number that the sweep is about.
    """
    folder = Path(record.folder)
    numbers, chosen = last_row(folder), job.choices(record.overrides)
    names = [*LOSSES, *([metric] if metric and metric not in LOSSES else []), SPEED]
    return {
        "job": str(record.number),
        **{name: str(chosen.get(name, "")) for name in swept},
        "status": record.status,
        **{name: numbers.get(name, "") for name in names},
        "images": images(folder) or numbers.get("images", ""),
        "seconds": "" if record.ended is None else f"{record.ended - record.began:.1f}",
        "folder": record.folder,
        "error": record.error,
    }


def images(folder: Path) -> str:
    """Images that a run has seen at its end, as its log says."""
    log = folder / job.LOG
    found = (
        re.findall(r"training ends at (\d+) images", log.read_text(errors="replace")) if log.exists() else []
    )
    return found[-1] if found else ""


def gone(record: Record) -> bool:
    """Whether the process of a job is no more, as far as can be seen from this machine."""
    if record.host != socket.gethostname():
        return False
    try:
        os.kill(record.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is somebody else's
        return False
    return False


def time_of(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def write(file: Path, rows: list[dict[str, str]]) -> None:
    """Beside and moved into place: a sweep that is killed leaves a whole table."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with file.with_suffix(".part").open("w", newline="") as part:
        writer = csv.DictWriter(part, columns)
        writer.writeheader()
        writer.writerows(rows)
    file.with_suffix(".part").replace(file)


def show(rows: list[dict[str, str]], swept: list[str], console: Console) -> None:
    """The table for people: numbers are rounded, what is empty or obvious is left out."""
    numbered = all(Path(row["folder"]).name == row["job"] for row in rows)
    left_out = ("error", *(["folder"] if numbered else []))
    names = [name for name in rows[0] if name not in left_out and any(row[name] for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        words = name in swept or name in ("status", "folder")
        title = {SPEED: "images/s", "seconds": "time"}.get(name, name)
        table.add_column(title, justify="left" if words else "right")
    for row in rows:
        table.add_row(*(Text(shown(name, row[name])) for name in names))
    if not console.is_terminal:  # no line is broken in a file
        console = Console(file=console.file, width=1000)
    console.print(table)


def shown(name: str, value: str) -> str:
    """A value of the table as people read it."""
    if not value:
        return ""
    if name == "seconds":
        return time_of(float(value))
    if name in ("images", SPEED):
        return f"{float(value):,.0f}"
    return rounded(float(value)) if re.fullmatch(r"-?\d+\.\d+(e-?\d+)?|-?\d+e-?\d+", value) else value


def rounded(value: object) -> str:
    """Four digits of a number that has more."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
