"""Points and rows of tables in files: a CSV in the data's own units, and a picture."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path
from typing import final

import torch
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gantool import clouds, scatter
from gantool.data.image_set import ImageSet
from gantool.data.threads import bar
from gantool.finished import Finished, generate, set_of
from gantool.images import save
from gantool.outlets import finished_as


@final
@dataclass(frozen=True)
class Units:
    """What coordinates mean: mean + deviation * coordinate.

    Attributes:
        columns: names of the coordinates.
        mean: (F,), float64.
        deviation: likewise.
        named: whether these are a table's; otherwise they are x and y.
    """

    columns: tuple[str, ...]
    mean: Tensor
    deviation: Tensor
    named: bool

    @staticmethod
    def of(config: DictConfig) -> "Units":
        """Those of the data that a run was trained on."""
        if config.data.get("columns"):
            mean, deviation = (
                torch.tensor(list(config.data[key]), dtype=torch.float64) for key in ("mean", "deviation")
            )
            return Units(tuple(config.data.columns), mean, deviation, named=True)
        scale = float(OmegaConf.select(config, "data.scale", default=1))
        one = torch.ones(2, dtype=torch.float64)
        return Units(("x", "y"), 0 * one, scale * one, named=False)

    def __call__(self, points: Tensor) -> Tensor:
        """(N, F, 1, 1) to (N, F), float64."""
        return self.mean + self.deviation * points.flatten(1).double()

    def written(self, values: Sequence[float]) -> list[str]:
        """A row, to a millionth of each column's deviation."""
        places = (max(0, 6 - floor(log10(spread))) for spread in self.deviation.tolist())
        return [f"{value:.{place}f}" for value, place in zip(values, places, strict=True)]


def write(cfg: DictConfig, run: Finished) -> str:
    """One FILE.csv; or a folder with points.csv, for tables table.csv, and cloud.png. Answers what is where.

    On the picture there are COUNT points where fewer are asked for, and the reals that they are to be like.
    """
    units = Units.of(run.config)
    what = f"{cfg.count} {'rows' if units.named else 'points'} of {run.moment}"
    if single(cfg):
        file = Path(str(cfg.out)).expanduser()
        with bar("Sampling", cfg.count) as advance, table(file, units) as add:
            for points in made(cfg, run, cfg.count):
                add(points)
                advance(len(points))
        return f"{what}: {file}"
    out = folder(cfg, run)
    drawn = max(cfg.count, clouds.COUNT) if cfg.grid else cfg.count
    fake = torch.cat(list(made(cfg, run, drawn)))  # (N, F, 1, 1)
    if cfg.singles:
        with table(out / ("table.csv" if units.named else "points.csv"), units) as add:
            add(fake[: cfg.count])
    if cfg.grid:
        images = reals(cfg, run)
        real = images[range(min(len(fake), len(images)))]["image"]
        logits = None if units.named else clouds.landscape(run.gan)
        columns = units.columns if units.named else ()
        save(scatter.picture(fake, real, logits, columns), out / "cloud.png")
    return f"{what}: {out}"


def made(cfg: DictConfig, run: Finished, count: int) -> Iterator[Tensor]:
    labels = torch.zeros(count, dtype=torch.long)
    return generate(run.gan, labels, cfg.seed, cfg.batch_size, False)


def reals(cfg: DictConfig, run: Finished) -> ImageSet:
    """What the picture compares with. Raises ValueError where that is gone."""
    try:
        return set_of(run.config, cfg.trust)
    except (ValueError, HydraException) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ValueError(
            f"cloud.png shows the data of the training too: {reason} Or leave it out: grid=false, or "
            "out=FILE.csv."
        ) from error


def single(cfg: DictConfig) -> bool:
    """Whether a table alone is wanted. It replaces one of that name, as single images do."""
    return Path(str(cfg.out)).suffix == ".csv"


def folder(cfg: DictConfig, run: Finished) -> Path:
    """That for points. Raises ValueError for archives: their table is one file."""
    if cfg.dataset or Path(str(cfg.out)).suffix in (".zip", ".tar"):
        raise ValueError(
            f"out={cfg.out}: points are no data set of images; name a FILE.csv, or a folder for points.csv."
        )
    return run.out(cfg.out, "samples", f"seed{cfg.seed}")


@contextmanager
def table(file: Path, units: Units) -> Iterator[Callable[[Tensor], None]]:
    """Takes points (N, F, 1, 1) as rows of a CSV, which is there when all are."""
    with finished_as([file]) as (beside,), beside.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened, lineterminator="\n")
        rows.writerow(units.columns)

        def add(points: Tensor) -> None:
            rows.writerows(units.written(row) for row in units(points).tolist())

        yield add
