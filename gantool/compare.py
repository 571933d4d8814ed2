"""gantool compare: runs side by side, as a table, as curves, and by what they make of the same latents."""

from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gantool import compare_curves, compare_grids, compare_table
from gantool.build import whole
from gantool.quantities import quantities
from gantool.runs import OUTPUTS
from gantool.settings import differences, labels, settings_of
from gantool.summary import lines
from gantool.trace import traces


def main(cfg: DictConfig) -> None:
    """Compare, print, and write compare.csv, compare.png and grids.png.

    Raises ValueError for fewer than two runs, and for columns that none of them has.
    """
    for key, least in (("count", 1), ("batch_size", 1), ("seed", 0)):
        whole(cfg, key, least)
    settings = settings_of(traces(listed(cfg.run)))
    found, measured = differences(settings), quantities(settings)
    marks = compare_table.marks(measured)
    chosen = None if cfg.curves is None else listed(cfg.curves)
    panels = compare_curves.panels([it for each in settings for it in each.traces], chosen, marks)
    out = Path(str(cfg.out)).expanduser() if cfg.out is not None else dated()
    out.mkdir(parents=True, exist_ok=True)

    console = Console(soft_wrap=True, highlight=False, markup=False)
    compare_table.show(
        settings, compare_table.columns(settings, found, measured, marks), Console(markup=False)
    )
    for line in compare_table.footnotes(settings, measured, marks):
        console.print(line)
    rows = [("Table", str(out / compare_table.FILE))]
    compare_table.write(out / compare_table.FILE, settings, found, measured, marks)
    if panels:
        compare_curves.draw(out / "compare.png", settings, labels(settings, found), panels)
        rows.append(("Curves", str(out / "compare.png")))
    for complaint in compare_grids.draw(cfg, settings, out / "grids.png"):
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
