"""The number that a sweep is about: `sweep.metric`, a column of metrics.csv."""

import csv
import math
from pathlib import Path

from omegaconf import DictConfig

from gantool.mistakes import Mistake, suggestion

FIXED = ("health/real_logits", "health/fake_logits", "speed/images_per_second")
LATER = ("metric/", "optimizer/")  # columns that only training knows


def refuse_unknown(cfg: DictConfig) -> None:
    """Raise Mistake for a `sweep.metric` that no run logs, as far as the configuration can tell."""
    metric = cfg.sweep.metric
    names = columns(cfg)
    if metric is not None and metric not in names and not str(metric).startswith(LATER):
        raise Mistake(f"sweep.metric={metric}: metrics.csv has no such column. {suggestion(metric, names)}")


def columns(cfg: DictConfig) -> list[str]:
    """Names that runs of this configuration log."""
    losses = [f"{player}/{name}" for player in "DG" for name in ("adversarial", *(cfg.loss[player] or ()))]
    return [*losses, *FIXED]


def objective(metric: str | None, folder: Path) -> float | None:
    """The last value of a column of metrics.csv; None if none is asked for.

    Raises Mistake where there is no such number.
    """
    if metric is None:
        return None
    found = last_row(folder)
    if metric not in found:
        known = [name for name in found if name != "images"]
        cure = suggestion(metric, known) if known else "Nothing was logged: lower log_every."
        raise Mistake(f"sweep.metric={metric}: {folder}/metrics.csv has no value of it. {cure}")
    if not math.isfinite(float(found[metric])):
        raise Mistake(f"sweep.metric={metric}: its last value in {folder}/metrics.csv is {found[metric]}.")
    return float(found[metric])


def last_row(folder: Path) -> dict[str, str]:
    """The last value of every column of a run's metrics.csv."""
    if not (folder / "metrics.csv").exists():
        return {}
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: value for row in rows for name, value in row.items() if value}
