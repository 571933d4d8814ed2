"""Layers that let a discriminator compare the samples of its batch, so that it sees a lack of variety.

They couple samples: with a gradient penalty, the gradient of one sample is no longer its own.
"""

from math import prod
from typing import final

import torch
from torch import Tensor, nn

KINDS = ("none", "stddev", "discrimination")


def minibatch(kind: str, channels: int, size: tuple[int, int]) -> tuple[list[nn.Module], int]:
    """The layers for features of (N, channels, *size), if any, and how many channels they append."""
    match kind:
        case "none":
            return [], 0
        case "stddev":
            return [MinibatchStandardDeviation()], 1
        case "discrimination":
            kernels = 100
            return [MinibatchDiscrimination(channels * prod(size), kernels, dimensions=5)], kernels
    raise ValueError(f"minibatch={kind}: choose one of {', '.join(KINDS)}.")


@final
class MinibatchStandardDeviation(nn.Module):
    """Appends how much the samples of a group differ: Karras et al. (2018), arXiv:1710.10196, section 3.

    The standard deviation over the group, of each feature at each pixel, averaged over pixels and features
    and repeated as a constant channel. A batch of N in groups of M has N / M of them: samples i and j are in
    one group where i = j mod N / M.

    Args:
        group: samples M of a group; where it does not divide N, the largest smaller number that does.
        statistics: channels to append; each averages over its own share of the features.
    """

    def __init__(self, group: int = 4, statistics: int = 1):
        super().__init__()
        if group < 1 or statistics < 1:
            raise ValueError(f"group={group}, statistics={statistics}: give whole numbers of 1 or more.")
        self.group = group
        self.statistics = statistics

    def forward(self, x: Tensor) -> Tensor:
        samples, channels, height, width = x.shape
        if channels % self.statistics:
            raise ValueError(
                f"statistics={self.statistics} must divide the {channels} channels of its input."
            )
        group = next(size for size in range(min(self.group, samples), 0, -1) if samples % size == 0)
        y = x.reshape(group, samples // group, self.statistics, -1)  # (M, N / M, S, C H W / S)
        deviation = (y.var(0, correction=0) + 1e-8).sqrt().mean(2)  # (N / M, S)
        constant = deviation.repeat(group, 1)[:, :, None, None]  # (N, S, 1, 1)
        return torch.cat([x, constant.expand(-1, -1, height, width)], 1)  # (N, C + S, H, W)


@final
class MinibatchDiscrimination(nn.Module):
    """Appends how many samples are close by: Salimans et al. (2016), arXiv:1606.03498, section 3.2.

    Features of A numbers become, through a learned tensor, B points M_b of D numbers each;
    o_b(i) = sum over j != i of exp(-|M_b(i) - M_b(j)|_1), plus a bias that starts at -1 as in the authors'
    code. (N, A) becomes (N, A + B); (N, C, H, W), with A = C H W, gets o_b as B constant channels.

    Args:
        features: A.
        kernels: B.
        dimensions: D.
    """

    def __init__(self, features: int, kernels: int, dimensions: int):
        super().__init__()
        self.kernels = kernels
        self.project = nn.Linear(features, kernels * dimensions, bias=False)
        self.bias = nn.Parameter(torch.full((kernels,), -1.0))

    def forward(self, x: Tensor) -> Tensor:
        points = self.project(x.flatten(1)).unflatten(1, (self.kernels, -1))  # (N, B, D)
        distance = (points[:, None] - points[None]).abs().sum(3)  # (N, N, B)
        close = (-distance).exp().sum(1) - 1  # (N, B); each sample is at distance 0 of itself
        closeness = (close + self.bias).view(len(x), self.kernels, *[1] * (x.ndim - 2))
        return torch.cat([x, closeness.expand(-1, -1, *x.shape[2:])], 1)


MINGLING = (MinibatchStandardDeviation, MinibatchDiscrimination)  # layers that compare the images of a batch
