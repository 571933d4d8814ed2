"""The distance between two Gaussians: Fréchet (1957); of features, Heusel et al. (2017), arXiv:1706.08500."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic

ROWS = 8192  # features in float64 at a time


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
            return {"": gap(mean, root, other, factor(spread))}

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
    mean = features.sum(0, dtype=torch.float64) / count  # (F,)
    covariance = torch.zeros(width, width, dtype=torch.float64, device=features.device)
    for some in features.split(ROWS):
        centred = some.double() - mean
        covariance += centred.T @ centred
    return mean, covariance / (count - 1)


def frechet(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Dowson & Landau (1982), equation 4, of means (F,) and covariances (F, F) in float64."""
    return gap(mean, factor(covariance), other_mean, factor(other_covariance))


def factor(covariance: Tensor) -> Tensor:
    """L (F, F) with L L^T = S; also of a singular S, whose smallest eigenvalues may come out negative."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()


def gap(mean: Tensor, root: Tensor, other_mean: Tensor, other_root: Tensor) -> float:
    """The distance, of means (F,) and factors L (F, F) of covariances.

    S1 S2 = L1 L1^T L2 L2^T has the eigenvalues of (L1^T L2)(L1^T L2)^T, whose square roots are the singular
    values of L1^T L2: real, and without the error of the square root of a rounded 0.
    """
    cross = torch.linalg.svdvals(root.T @ other_root).sum()
    spreads = root.square().sum() + other_root.square().sum()  # tr S = |L|^2
    return max(0.0, float((mean - other_mean).square().sum() + spreads - 2 * cross))
