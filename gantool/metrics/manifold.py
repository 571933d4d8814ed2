"""How much of the fakes lies among the reals, and the reverse, by balls that reach to the k-th neighbour."""

from collections.abc import Callable, Iterator
from typing import final

import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic

NUMBERS = 1 << 23  # of a block of distances: 64 MB in float64


@final
class PrecisionRecall(Statistic):
    """Precision: fakes in some real's ball; recall: reals in some fake's ball.

    Kynkäänniemi et al. (2019), arXiv:1904.06991, equations 1 and 2: a ball reaches to the k-th nearest other
    point of its own cloud, and what lies on its surface (`<=`) lies in it.

    Args:
        k: 3 in the paper.
    """

    directions = {"precision": "maximize", "recall": "maximize"}

    def __init__(self, k: int = 3):
        self.k = neighbours(k)
        self.least = k + 1

    def against(self, real: Tensor) -> Callable[[Tensor], Numbers]:
        real_radii = radii(real, self.k)  # (M,)

        def numbers(fake: Tensor) -> Numbers:
            precision = count_balls(fake, real, real_radii) > 0  # (N,)
            recall = count_balls(real, fake, radii(fake, self.k)) > 0  # (M,)
            return {"precision": share(precision), "recall": share(recall)}

        return numbers

    def doubt(self, fakes: int, reals: int, width: int) -> str | None:
        return unlike(fakes, reals)

    @property
    def protocol(self) -> str:
        return f"balls to the {self.k}rd neighbour" if self.k == 3 else f"balls to neighbour {self.k}"


@final
class DensityCoverage(Statistic):
    """Density: real balls around a fake, over k; coverage: reals with some fake in their ball.

    Naeem et al. (2020), arXiv:2002.09797, equations 4 and 5. Of equal distributions, density is 1 and
    coverage about 1 - 2^-k. Differs from their code: the surface of a ball (`<=`) belongs to it, as in their
    equations.

    Args:
        k: 5 in the paper.
    """

    directions = {"density": "maximize", "coverage": "maximize"}

    def __init__(self, k: int = 5):
        self.k = neighbours(k)
        self.least = k + 1

    def against(self, real: Tensor) -> Callable[[Tensor], Numbers]:
        real_radii = radii(real, self.k)  # (M,)

        def numbers(fake: Tensor) -> Numbers:
            around = count_balls(fake, real, real_radii)  # (N,)
            covered = nearest(real, fake, 1) <= real_radii  # (M,)
            return {"density": float(around.double().mean()) / self.k, "coverage": share(covered)}

        return numbers

    def doubt(self, fakes: int, reals: int, width: int) -> str | None:
        return unlike(fakes, reals)

    @property
    def protocol(self) -> str:
        return f"balls to neighbour {self.k}"


def neighbours(k: int) -> int:
    """Raises ValueError where there is none."""
    if k < 1:
        raise ValueError(f"k={k}: give the number of a neighbour, 1 or more.")
    return k


def unlike(fakes: int, reals: int) -> str | None:
    """Balls shrink as a cloud grows."""
    if max(fakes, reals) < 10 * min(fakes, reals):
        return None
    return f"{fakes:,} fakes against {reals:,} reals: both clouds should be of about the same size"


def radii(points: Tensor, k: int) -> Tensor:
    """Squared distance of each of (N, F) to its k-th nearest other one: (N,)."""
    return nearest(points, points, k, others=True)


def nearest(queries: Tensor, points: Tensor, k: int, others: bool = False) -> Tensor:
    """Squared distance of each of (N, F) to the k-th nearest of (M, F): (N,).

    Args:
        others: both are the same cloud, of which no point is its own neighbour.
    """
    found: list[Tensor] = []
    for begin, block in distances(queries, points):
        if others:
            block[torch.arange(len(block)), torch.arange(begin, begin + len(block))] = torch.inf
        found.append(block.kthvalue(k, 1).values if k > 1 else block.amin(1))
    return torch.cat(found)


def count_balls(queries: Tensor, centres: Tensor, squared_radii: Tensor) -> Tensor:
    """How many of the balls around (M, F) hold each of (N, F): (N,), int64."""
    return torch.cat([(block <= squared_radii).sum(1) for _, block in distances(queries, centres)])


def distances(x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Squared distances of (N, F) and (M, F), some rows at a time: their first row, and (n, M) in float64.

    |x|^2 - 2 x.y + |y|^2 cancels where both are far from 0, so 0 is moved between them; what float64 loses
    then is far below what float32 features hold.
    """
    centre = y.sum(0, dtype=torch.float64) / len(y)
    y = y.double() - centre
    lengths = y.square().sum(1)  # (M,)
    rows = max(1, NUMBERS // len(y))
    for begin in range(0, len(x), rows):
        some = x[begin : begin + rows].double() - centre
        block = (some @ y.T).mul_(-2).add_(lengths).add_(some.square().sum(1)[:, None])  # (n, M)
        yield begin, block.clamp_(min=0)


def share(those: Tensor) -> float:
    return float(those.double().mean())
