"""gantool report: a run, or a folder of runs, as one HTML file that opens without a network."""

import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.console import Console

from gantool import runs
from gantool.build import whole
from gantool.comparison.trace import expanded, trace_of
from gantool.reports import run_page, sweep_page
from gantool.reports.page import write
from gantool.reports.pictures import Album
from gantool.summary import lines
from gantool.sweeps import job

MEGABYTE = 1_000_000
FILE = "report.html"


def main(cfg: DictConfig) -> None:
    """Write the page and say where it is.

    Raises ValueError for what is no run, and for numbers that mean nothing.
    """
    for key in ("best", "frames", "megabytes"):
        whole(cfg, key, least=1)
    name = runs.one(cfg.run)
    album = Album(cfg.megabytes * MEGABYTE, cfg.frames)
    if is_single(name):
        if cfg.metric is not None:
            raise ValueError(
                f"metric={cfg.metric} ranks the runs of a folder, and {name} is one run: drop it."
            )
        trace = trace_of(name)
        file = place(cfg.out, trace.folder)
        html = run_page.page(trace, album)
    else:
        folder = Path(name).expanduser()
        file = place(cfg.out, folder)
        inside = [one for one in expanded(name) if one != name]
        html = sweep_page.page(folder, inside, cfg.metric, cfg.best, album)
    write(file, html)
    size = f"{file.stat().st_size / MEGABYTE:.1f} MB, one file"
    console = Console(soft_wrap=True, highlight=False)
    console.print(lines([("Report", str(file)), ("Size", size), *(("Note", it) for it in album.notes)]))


def is_single(name: str) -> bool:
    """Whether this is one run; no folder of runs, nor of a sweep whose jobs all came to nothing."""
    folder = Path(name).expanduser()
    if expanded(name) != [name]:
        return False
    return name == "latest" or (folder / "config.yaml").is_file() or not job.read(folder)


def place(out: Any, folder: Path) -> Path:
    """The file to write: of a folder, and of a name that ends like one, the page inside it.

    Raises ValueError for what lies below a file.
    """
    path = folder if out is None else Path(str(out)).expanduser()
    is_folder = path.is_dir() or str(out).endswith(("/", os.sep))
    file = path / FILE if is_folder else path
    for above in file.parents:
        if above.exists() and not above.is_dir():
            raise ValueError(f"out={out}: {above} is a file, and nothing can lie below it; give another out.")
    return file
