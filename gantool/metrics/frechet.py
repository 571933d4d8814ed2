"""The distance between two Gaussians: Fréchet (1957); of features, Heusel et al. (2017), arXiv:1706.08500."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic

ROWS = 1024  # features in float64 at a time: 16 MB of 2,048 each
STRIP = 256  # rows of a covariance at a time, from the diagonal on: half of the products
LOST = 1e-12  # of the largest eigenvalue: smaller ones have too few digits for a square root


@final
class Frechet(Statistic):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of means m and covariances S, these with N - 1."""

    deciding = True
    directions = {"": "minimize"}

    def against(self, real: Tensor) -> Callable[[Tensor], Numbers]:
        mean, covariance = moments(real)
        root = factor(covariance)

        def distance(fake: Tensor) -> Numbers:
            other, spread = moments(fake)
            return {"": gap(mean, root, other, spread)}

        return distance

    def doubt(self, fakes: int, reals: int, width: int) -> str | None:
        if min(fakes, reals) > width:
            return None
        return (
            f"{min(fakes, reals):,} images are too few for a covariance of {width:,} features: it is "
            "singular, and the distance comes out too large; take more images"
        )

    @property
    def protocol(self) -> str:
        return "Fréchet distance of Gaussians, covariances with N - 1"


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and covariance (F, F) with N - 1 of features (N, F), in float64."""
    count, width = features.shape
    mean = torch.zeros(width, dtype=torch.float64, device=features.device)
    for some in features.split(ROWS):
        mean += some.sum(0, dtype=torch.float64) / count
    upper = torch.zeros(width, width, dtype=torch.float64, device=features.device)
    for some in features.split(ROWS):
        centred = some.double() - mean
        for i in range(0, width, STRIP):
            upper[i : i + STRIP, i:] += centred[:, i : i + STRIP].T @ centred[:, i:]
    return mean, (upper.triu() + upper.triu(1).T) / (count - 1)


def frechet(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Dowson & Landau (1982), equation 4, of means (F,) and covariances (F, F) in float64."""
    return gap(mean, factor(covariance), other_mean, other_covariance)


def factor(covariance: Tensor) -> Tensor:
    """L (F, F) with L L^T = S; also of a singular S, whose smallest eigenvalues may come out negative."""
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return lower
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()


def gap(mean: Tensor, root: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """The distance, of means (F,), a factor L (F, F) of one covariance, and the other covariance (F, F)."""
    spreads = root.square().sum() + other_covariance.trace()  # tr S = |L|^2
    shift = (mean - other_mean).square().sum()
    return max(0.0, float(shift + spreads - 2 * cross(root, other_covariance)))


def cross(root: Tensor, covariance: Tensor) -> Tensor:
    """tr (S1 S2)^(1/2), of a factor L1 (F, F) of S1, and S2 (F, F).

    S1 S2 = L1 L1^T S2 has the eigenvalues of the symmetric L1^T S2 L1. Where some are lost in rounding, their
    square roots come as the singular values of L1^T L2: slower, and without the error of the square root of
    a rounded 0.
    """
    values = torch.linalg.eigvalsh(root.T @ covariance @ root)  # (F,), rising
    if values[0] > LOST * values[-1]:
        return values.sqrt().sum()
    return torch.linalg.svdvals(root.T @ factor(covariance)).sum()
