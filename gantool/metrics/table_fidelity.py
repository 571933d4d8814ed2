"""Whether made rows are distributed as real ones: column by column, and in how columns go together."""

import logging
from collections.abc import Callable
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool import clouds
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.layers.resolution import height_and_width
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Fakes, Shown
from gantool.tasks.task import Task

LEAST, MOST = 4, 20_000  # reals that are looked at, both halves together
NAMES = {
    "table_ks": "Kolmogorov-Smirnov",
    "table_wasserstein": "Wasserstein",
    "table_correlation": "Correlations",
}
log = logging.getLogger(__name__)


@final
class TableFidelity(Metric):
    """Distances between fakes and one half of the reals, beside those of the other half of the reals.

    As many fakes as there are reals in a half: what a perfect generator scores is what the other half scores,
    but for chance. Per column Kolmogorov and Smirnov's distance between the distributions, and Wasserstein's,
    in deviations of the column; both as a mean over columns. Of correlations the mean over pairs of columns
    of |r of fakes - r of reals|; a column of one value only is correlated with nothing.

    These see single columns and straight lines between two, as the column shapes and pair trends of the
    tabular literature do: Patki, Wedge & Veeramachaneni (2016), doi:10.1109/DSAA.2016.49. They say nothing
    about three columns at a time, nor whether rows are copies.

    Args:
        count: fakes; None = as many as half of the reals, of which no more than 20,000 are looked at.
    """

    sight = Fakes()
    deciding = "table_ks"

    def __init__(self, count: int | None = None):
        if count is not None and count < 2:
            raise ValueError(f"metrics.table_fidelity.count={count}: give 2 rows or more.")
        self.count, self.asked = count, 0
        self.columns_of: list[str] = []
        self.real, self.other = torch.empty(0), torch.empty(0)  # (M, F) each

    def check(self, task: Task, data: DictConfig) -> None:
        if task.translates or not clouds.is_point((0, *height_and_width(data.resolution))):
            raise ValueError(
                "metrics=table_fidelity measures models of data=table, or of points; for images choose "
                "metrics=fd_classifier or another."
            )

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        if len(images) < LEAST:
            raise ValueError(f"metrics=table_fidelity needs {LEAST} rows or more, not {len(images)}.")
        chosen = Order(len(images), seed=0)(0, min(len(images), MOST))
        rows = to_range(images[chosen]["image"], torch.float64).flatten(1)  # (M, F)
        self.real, self.other = rows[: len(rows) // 2], rows[len(rows) // 2 :][: len(rows) // 2]
        self.columns_of = list(data.get("columns") or [f"{place}" for place in range(rows.shape[1])])
        self.asked = count or self.count or len(self.real)
        return self.asked

    def columns(self, task: Task) -> dict[str, Direction]:
        pairs = len(self.columns_of) > 1
        return {name: "minimize" for name in NAMES if pairs or name != "table_correlation"}

    @property
    def glance(self) -> None:
        return None

    @torch.no_grad()
    def look(self, shown: Shown) -> Seen:
        [fake] = shown.images[""]
        return {"fake": fake.flatten(1).double().cpu()}

    def judge(self, seen: Seen) -> Found:
        fake = seen["fake"]  # (N, F)
        floor = distances(self.other, self.real)
        if not fake.isfinite().all():
            log.warning("table_fidelity is undefined: the generator makes rows that are not finite")
            return Found({}, {f"real_{name}": value for name, value in floor.items()}, [])
        found = distances(fake, self.real)
        each = {
            name: {"ks": ks, "wasserstein": wasserstein}
            for name, ks, wasserstein in zip(
                self.columns_of,
                kolmogorov(fake, self.real).tolist(),
                earth(fake, self.real).tolist(),
                strict=True,
            )
        }
        record: dict[str, Any] = {**found, **{f"real_{name}": value for name, value in floor.items()}}
        record |= {"fakes": len(fake), "reals": len(self.real), "columns": each}
        rows = [(NAMES[name], f"{value:.4f} (real data {floor[name]:.4f})") for name, value in found.items()]
        worst = max(each, key=lambda name: each[name]["ks"])
        rows.append(("Worst column", f"{worst}, Kolmogorov-Smirnov {each[worst]['ks']:.4f}"))
        return Found(found, record, rows)

    @property
    def protocol(self) -> str:
        return (
            f"{self.asked:,} fakes against {len(self.real):,} reals, one half; the other half is what real "
            "data score; means over columns of the Kolmogorov-Smirnov and the 1-Wasserstein distance (in "
            "deviations), mean over pairs of the difference of correlations"
        )


def distances(some: Tensor, others: Tensor) -> dict[str, float]:
    """Between rows (N, F) and (M, F), by the name of the number."""
    found = {
        "table_ks": float(kolmogorov(some, others).mean()),
        "table_wasserstein": float(earth(some, others).mean()),
    }
    if some.shape[1] > 1:
        found["table_correlation"] = correlation(some, others)
    return found


def steps(some: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """All values of each column in rising order and the distance |F_N - G_M| there: (F, N + M) each."""
    one, other = (rows.T.contiguous().sort(1).values for rows in (some, others))  # (F, N), (F, M)
    every = torch.cat([one, other], 1).sort(1).values
    below = torch.searchsorted(one, every, right=True).double() / one.shape[1]
    return every, (below - torch.searchsorted(other, every, right=True).double() / other.shape[1]).abs()


def kolmogorov(some: Tensor, others: Tensor) -> Tensor:
    """sup |F_N - G_M| of each column: (F,)."""
    return steps(some, others)[1].amax(1)


def earth(some: Tensor, others: Tensor) -> Tensor:
    """The integral of |F_N - G_M| of each column: (F,), 1-Wasserstein."""
    every, apart = steps(some, others)
    return (apart[:, :-1] * every.diff(dim=1)).sum(1)


def correlation(some: Tensor, others: Tensor) -> float:
    """The mean over pairs of columns of the absolute difference of their correlations."""
    one, other = (correlations(rows) for rows in (some, others))
    above = torch.triu_indices(*one.shape, offset=1)
    return float((one - other)[above[0], above[1]].abs().mean())


def correlations(rows: Tensor) -> Tensor:
    """Pearson's, of all columns of (N, F): (F, F); 0 where one does not vary."""
    centred = rows - rows.mean(0)
    lengths = centred.norm(dim=0)
    unit = torch.where(lengths > 1e-12, centred / lengths, 0)
    return unit.T @ unit
