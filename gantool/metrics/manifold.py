"""How much of the fakes lies among the reals, and the reverse, by balls that reach to the k-th neighbour."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic

SIDE = 1024  # of a tile of distances: 4 MB in float32
SLACK = 1e-5  # of squared lengths: more than float32 gets wrong
SPARE = 2  # neighbours more than asked for, as float32 may have them in another order
PAIRS = 512  # that are compared in float64 at a time


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
            fake_radii = radii(fake, self.k)[:, None]  # (N, 1)
            precise, recalled = none_of(fake), none_of(real)  # (N,), (M,)
            for tile in tiles(fake, real):
                precise[tile.rows] |= tile.inside(real_radii[tile.columns]).any(1)
                recalled[tile.columns] |= tile.inside(fake_radii[tile.rows]).any(0)
            return {"precision": share(precise), "recall": share(recalled)}

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
            around, covered = 0, none_of(real)  # (M,)
            for tile in tiles(fake, real):
                inside = tile.inside(real_radii[tile.columns])  # (n, m)
                around += int(inside.count_nonzero())
                covered[tile.columns] |= inside.any(0)
            return {"density": around / len(fake) / self.k, "coverage": share(covered)}

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


@final
@dataclass(frozen=True)
class Tile:
    """Squared distances of x (n, F) and y (m, F): roughly, and in float64 where that decides.

    Args:
        rows: where x lies in its cloud.
        columns: where y lies in its cloud.
        rough: (n, m).
        slack: by how much they may be wrong at most, (n, m).
    """

    rows: slice
    columns: slice
    x: Tensor
    y: Tensor
    rough: Tensor
    slack: Tensor

    def inside(self, squared_radii: Tensor) -> Tensor:
        """Whether each pair is no farther apart than this, (m,) around y or (n, 1) around x: (n, m)."""
        surely = self.rough + self.slack <= squared_radii
        doubtful = (self.rough - self.slack <= squared_radii) ^ surely
        reach = squared_radii.expand_as(surely)
        for pairs in doubtful.nonzero().split(PAIRS):
            i, j = pairs.unbind(1)
            surely[i, j] = exact(self.x[i], self.y[j]) <= reach[i, j]
        return surely


def exact(x: Tensor, y: Tensor) -> Tensor:
    """Squared distance of each of (N, F) to its own of (N, F): (N,)."""
    return (x.double() - y.double()).square().sum(1)


def radii(points: Tensor, k: int) -> Tensor:
    """Squared distance of each of (N, F) to its k-th nearest other one: (N,)."""
    some = min(k + SPARE, len(points) - 1)
    near = torch.full((len(points), some), torch.inf, device=points.device)  # (N, k + spare), rough
    whose = torch.zeros_like(near, dtype=torch.int64)  # (N, k + spare), places of these

    def learn(rows: slice, columns: slice, rough: Tensor) -> None:
        places = torch.arange(columns.start, columns.stop, device=points.device).expand_as(rough)
        near[rows], best = torch.cat([near[rows], rough], 1).topk(some, largest=False)
        whose[rows] = torch.cat([whose[rows], places], 1).gather(1, best)

    for tile in tiles(points, points, upper=True):
        if tile.rows == tile.columns:
            tile.rough.fill_diagonal_(torch.inf)
        else:
            learn(tile.columns, tile.rows, tile.rough.T)
        learn(tile.rows, tile.columns, tile.rough)
    found = torch.empty(whose.shape, dtype=torch.float64, device=points.device)  # (N, k + spare)
    for begin in range(0, len(points), PAIRS):
        those = slice(begin, begin + PAIRS)
        for n in range(some):
            found[those, n] = exact(points[those], points[whose[those, n]])
    return found.kthvalue(k, 1).values


def tiles(x: Tensor, y: Tensor, upper: bool = False) -> Iterator[Tile]:
    """Of all pairs of (N, F) and (M, F), some at a time.

    |x|^2 + |y|^2 - 2 x.y cancels where both are far from 0, so 0 is moved between them. Products are in
    float32, twice as fast as in float64; in float64 on GPUs, whose float32 may have the 10 bits of TF32.

    Args:
        upper: both are the same cloud, of which each pair is needed once.
    """
    kind = torch.float64 if y.is_cuda else torch.float32
    centre = y.mean(0)  # (F,), roughly
    for rows in parts(len(x)):
        mine = (x[rows] - centre).to(kind)  # (n, F)
        for columns in parts(len(y)):
            if upper and columns.start < rows.start:
                continue
            theirs = (y[columns] - centre).to(kind)  # (m, F)
            lengths = mine.square().sum(1)[:, None] + theirs.square().sum(1)  # (n, m)
            rough = torch.addmm(lengths, mine, theirs.T, alpha=-2)
            yield Tile(rows, columns, x[rows], y[columns], rough, lengths.mul_(SLACK))


def parts(count: int) -> list[slice]:
    return [slice(begin, min(begin + SIDE, count)) for begin in range(0, count, SIDE)]


def none_of(points: Tensor) -> Tensor:
    """(N,), bool."""
    return torch.zeros(len(points), dtype=torch.bool, device=points.device)


def share(those: Tensor) -> float:
    return float(those.double().mean())
