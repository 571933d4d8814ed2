"""gantool compare: runs side by side, as a table, as curves, and by what they make of the same latents."""

from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gantool.build import whole
from gantool.comparison import curves, grids, table
from gantool.comparison.quantities import quantities
from gantool.comparison.settings import differences, labels, settings_of
from gantool.comparison.trace import traces
from gantool.runs import OUTPUTS
from gantool.summary import lines


def main(cfg: DictConfig) -> None:
    """Compare, print, and write compare.csv, compare.png and grids.png.

    Raises ValueError for fewer than two runs, and for columns that none of them has.
    """
    for key, least in (("count", 1), ("batch_size", 1), ("seed", 0)):
        whole(cfg, key, least)
    settings = settings_of(traces(listed(cfg.run)))
    found, measured = differences(settings), quantities(settings)
    marks = table.marks(measured)
    chosen = None if cfg.curves is None else listed(cfg.curves)
    panels = curves.panels([it for each in settings for it in each.traces], chosen, marks)
    out = Path(str(cfg.out)).expanduser() if cfg.out is not None else dated()
    out.mkdir(parents=True, exist_ok=True)

    console = Console(soft_wrap=True, highlight=False, markup=False)
    table.show(settings, table.columns(settings, found, measured, marks), Console(markup=False))
    for line in table.footnotes(settings, measured, marks):
        console.print(line)
    for line in [line for each in settings for trace in each.traces for line in trace.damaged]:
        console.print(line)
    rows = [("Table", str(out / table.FILE))]
    table.write(out / table.FILE, settings, found, measured, marks)
    if panels:
        curves.draw(out / "compare.png", settings, labels(settings, found), panels)
        rows.append(("Curves", str(out / "compare.png")))
    for complaint in grids.draw(cfg, settings, out / "grids.png"):
        console.print(complaint)
    if (out / "grids.png").exists():
        rows.append(("Grids", str(out / "grids.png")))
    Console(soft_wrap=True, highlight=False).print(lines(rows))


def listed(value: Any) -> list[str]:
    """One name, or several."""
    return [str(it) for it in value] if OmegaConf.is_list(value) else [str(value)]


def dated() -> Path:
    """A folder of its own for each comparison."""
    return OUTPUTS / f"compare-{datetime.now():%Y-%m-%d_%H-%M-%S}"
