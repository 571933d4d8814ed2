"""metrics.csv: every logged number, one row per log, in the run folder."""

import csv
from pathlib import Path
from typing import Any, final

from pytorch_lightning.loggers.logger import Logger


@final
class MetricsCSV(Logger):
    """One column per name, in the order of first appearance, after the column `images`.

    Differs from Lightning's CSVLogger: a resumed run keeps the rows up to its checkpoint and drops the later
    ones, a name that appears late gets a column of its own, and every row is on disk at once.

    Args:
        folder: of the run.
        images: where the run goes on; 0 = from the start.
    """

    def __init__(self, folder: Path, images: int):
        super().__init__()
        self.path = folder / "metrics.csv"
        self.columns: list[str] = ["images"]
        rows = read(self.path) if images and self.path.exists() else []
        if rows:
            self.columns = list(rows[0])
        self.rewrite([row for row in rows if int(row["images"]) <= images])

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The configuration is in config.yaml."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        new = [name for name in metrics if name not in self.columns]
        if new:
            rows = read(self.path)
            self.columns += new
            self.rewrite(rows)
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow({"images": step, **metrics})

    def rewrite(self, rows: list[dict[str, str]]) -> None:
        """Written beside and moved into place, so that no row is ever lost."""
        beside = self.path.with_suffix(".part")
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)
        beside.replace(self.path)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
