"""Which points of a large cloud are nearest, and how near they are, a block of distances at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

POINTS = 4096  # of the cloud, in float64 at a time
NUMBERS = 1 << 22  # of a block of distances: 32 MB in float64


def ranked(queries: Tensor, points: Tensor, k: int, apart: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Squared distances (N, k) of (N, F) to their k nearest of (M, F), rising, and where these are.

    The k that are found are measured once more by their differences, so that an equal point is exactly 0
    away; the rest may be wrong in the last digits of float64. Where nothing is left, it is infinitely far.

    Args:
        apart: (N, E), the places of points that are no neighbours of each query, such as itself; None = all
            may be.
    """
    squared = torch.full((len(queries), k), torch.inf, dtype=torch.float64, device=points.device)
    places = torch.zeros_like(squared, dtype=torch.long)
    for first in range(0, len(points), POINTS):
        for rows, block in blocks(queries, points[first : first + POINTS]):
            if apart is not None:
                columns = apart[rows] - first  # (n, E)
                inside = (columns >= 0) & (columns < block.shape[1])
                block[inside.nonzero()[:, 0], columns[inside]] = torch.inf
            near, where = block.topk(min(k, block.shape[1]), 1, largest=False)  # (n, k)
            all_near = torch.cat([squared[rows], near], 1)
            squared[rows], order = all_near.topk(k, 1, largest=False)
            places[rows] = torch.cat([places[rows], where + first], 1).gather(1, order)
    exact = measured(queries, points, places).masked_fill(squared.isinf(), torch.inf)
    squared, order = exact.sort(dim=1, stable=True)
    return squared, places.gather(1, order)


def blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared distances of (N, F) and (M, F), some of N at a time: (n, M) in float64.

    |x|^2 - 2 x.y + |y|^2 cancels where both are far from 0, so 0 is moved between them.
    """
    centre = y.mean(0, dtype=torch.float64)
    y = y.double() - centre
    lengths = y.square().sum(1)  # (M,)
    rows = max(1, NUMBERS // len(y))
    for begin in range(0, len(x), rows):
        those = slice(begin, begin + rows)
        some = x[those].double() - centre  # (n, F)
        both = some.square().sum(1)[:, None] + lengths  # (n, M)
        yield those, both.addmm_(some, y.T, alpha=-2)


def measured(queries: Tensor, points: Tensor, places: Tensor) -> Tensor:
    """Squared distances (N, k) of (N, F) to these of (M, F): (N, k)."""
    together = max(1, NUMBERS // (places.shape[1] * points.shape[1]))
    parts = [
        (points[some].double() - mine[:, None].double()).square().sum(2)
        for mine, some in zip(queries.split(together), places.split(together), strict=True)
    ]
    return torch.cat(parts)


def own_nearest(points: Tensor, places: Tensor) -> Tensor:
    """Squared distances of the points at these places, of any shape, to their nearest other point."""
    met, where = places.unique(return_inverse=True)
    squared, _ = ranked(points[met], points, 1, met[:, None])
    return squared[:, 0][where]
