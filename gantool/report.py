"""gantool report: a run, or a folder of runs, as one HTML file that opens without a network."""

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from gantool.build import whole
from gantool.comparison.trace import expanded, trace_of
from gantool.reports import run_page, sweep_page
from gantool.reports.page import write
from gantool.reports.pictures import Album
from gantool.runs import EXPORTED
from gantool.summary import lines

MEGABYTE = 1_000_000


def main(cfg: DictConfig) -> None:
    """Write the page and say where it is.

    Raises ValueError for what is no run, and for numbers that mean nothing.
    """
    for key in ("best", "frames", "megabytes"):
        whole(cfg, key, least=1)
    name = str(cfg.run)
    if Path(name).suffix == EXPORTED:
        raise ValueError(f"run={name} is an exported file; a report is of a run folder.")
    album = Album(cfg.megabytes * MEGABYTE, cfg.frames)
    inside = expanded(name)
    if inside == [name]:
        trace = trace_of(name)
        folder, html = trace.folder, run_page.page(trace, album)
    else:
        folder = Path(name).expanduser()
        html = sweep_page.page(folder, inside, cfg.metric, cfg.best, album)
    out = Path(str(cfg.out)).expanduser() if cfg.out is not None else folder
    file = out / "report.html" if out.is_dir() else out
    write(file, html)
    size = f"{file.stat().st_size / MEGABYTE:.1f} MB, one file"
    console = Console(soft_wrap=True, highlight=False)
    console.print(lines([("Report", str(file)), ("Size", size), *(("Note", it) for it in album.notes)]))
