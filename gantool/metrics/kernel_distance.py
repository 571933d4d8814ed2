"""Kernel distance: Bińkowski, Sutherland, Arbel & Gretton (2018), arXiv:1801.01401."""

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic


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
            chance = np.random.RandomState(self.seed)
            found: list[float] = []
            for _ in range(self.subsets):
                mine, theirs = (
                    cloud[torch.from_numpy(chance.choice(len(cloud), size, replace=False)).to(cloud.device)]
                    for cloud in (fake, real)
                )
                found.append(discrepancy(mine.double(), theirs.double()))
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
    """Squared MMD of (N, F) and (M, F), without the diagonals: Gretton et al. (2012), JMLR 13, lemma 6."""
    n, m = len(x), len(y)
    return (off_diagonal(x) / (n * (n - 1)) + off_diagonal(y) / (m * (m - 1))) - 2 * kernels(x, y) / (n * m)


def kernels(x: Tensor, y: Tensor) -> float:
    """The sum of the kernel over all of (N, F) and (M, F)."""
    root = (x @ y.T).mul_(1 / x.shape[1]).add_(1).flatten()  # (N * M,)
    return float(root.square() @ root)


def off_diagonal(x: Tensor) -> float:
    """The sum of the kernel over all of (N, F) and all others of the same."""
    return kernels(x, x) - float((x.square().mean(1) + 1).pow(3).sum())
