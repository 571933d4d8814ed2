"""Kernel distance: Bińkowski, Sutherland, Arbel & Gretton (2018), arXiv:1801.01401."""

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic

STRIP = 128  # rows of a symmetric matrix at a time


@final
class KernelDistance(Statistic):
    """The unbiased squared maximum mean discrepancy, kernel (x.y / F + 1)^3, a mean over random subsets.

    It may be negative. Not multiplied by 1000, as some papers do. `std` is of the subsets.

    Args:
        subsets: to be drawn.
        size: images of a subset, of each cloud; fewer where there are fewer.
        seed: of the draw; 2020 is torch-fidelity's, whose very subsets these are.
    """

    deciding = True
    directions = {"": "minimize"}

    def __init__(self, subsets: int = 100, size: int = 1000, seed: int = 2020):
        if subsets < 1 or size < 2:
            raise ValueError(
                f"subsets={subsets}, size={size}: give 1 subset or more, of 2 images or more each."
            )
        self.subsets, self.size, self.seed = subsets, size, seed

    def against(self, real: Tensor) -> Callable[[Tensor], Numbers]:
        def distance(fake: Tensor) -> Numbers:
            size = min(self.size, len(real), len(fake))
            exact = torch.float64 if fake.is_cuda else torch.promote_types(fake.dtype, real.dtype)
            chance = np.random.RandomState(self.seed)
            found: list[float] = []
            for _ in range(self.subsets):
                mine, theirs = (
                    cloud[torch.from_numpy(chance.choice(len(cloud), size, replace=False)).to(cloud.device)]
                    for cloud in (fake, real)
                )
                found.append(discrepancy(mine.to(exact), theirs.to(exact)))
            return {"": float(np.mean(found)), "std": float(np.std(found))}

        return distance

    def doubt(self, fakes: int, reals: int, width: int) -> str | None:
        if min(fakes, reals) >= self.size:
            return None
        return f"subsets are of {min(fakes, reals):,} images, not of {self.size:,}: take more images"

    @property
    def protocol(self) -> str:
        return (
            f"kernel distance (x.y/F + 1)^3, unbiased, mean of {self.subsets} subsets of {self.size:,} "
            f"(seed {self.seed}), not times 1000"
        )


def discrepancy(x: Tensor, y: Tensor) -> float:
    """Squared MMD of (N, F) and (M, F), without the diagonals: Gretton et al. (2012), JMLR 13, lemma 6.

    Products are of the type of the features, sums in float64: what float32 gets wrong is of either sign, and
    the mean over a million pairs is right to about 1e-10.
    """
    n, m = len(x), len(y)
    return (off_diagonal(x) / (n * (n - 1)) + off_diagonal(y) / (m * (m - 1))) - 2 * total(x, y) / (n * m)


def total(x: Tensor, y: Tensor) -> float:
    """The sum of the kernel over all of (N, F) and (M, F)."""
    return float(kernels(x, y).sum(dtype=torch.float64))


def off_diagonal(x: Tensor) -> float:
    """The sum of the kernel over all of (N, F) and all others of the same, most pairs computed once."""
    found = 0.0
    for begin in range(0, len(x), STRIP):
        some, rest = x[begin : begin + STRIP], x[begin + STRIP :]
        found += float(kernels(some, some).triu_(1).sum(dtype=torch.float64)) + total(some, rest)
    return 2 * found


def kernels(x: Tensor, y: Tensor) -> Tensor:
    """Of (N, F) and (M, F): (N, M)."""
    return (x @ y.T).mul_(1 / x.shape[1]).add_(1).pow_(3)
