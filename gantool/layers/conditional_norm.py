"""Conditional batch norm: de Vries et al. (2017), arXiv:1707.00683, per class as in Dumoulin et al.

(2017), arXiv:1610.07629; per class and latent as in BigGAN.
"""

from collections.abc import Callable
from functools import partial
from typing import final

import torch
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]  # channels -> what is called with features and a condition


@final
class Table(nn.Module):
    """A learnt vector for each class, 0 at first: labels (N,) -> (N, size)."""

    def __init__(self, classes: int, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, size))

    def forward(self, label: Tensor) -> Tensor:
        return self.weight[label]


@final
class ConditionalBatchNorm(nn.Module):
    """(1 + gain(condition)) * standardised(x) + bias(condition).

    Args:
        channels: of x.
        gain: maps conditions to (N, channels).
        bias: the same.
    """

    def __init__(self, channels: int, gain: nn.Module, bias: nn.Module):
        super().__init__()
        self.standardise = nn.BatchNorm2d(channels, affine=False)
        self.gain, self.bias = gain, bias

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = 1 + self.gain(condition), self.bias(condition)  # (N, C)
        return self.standardise(x) * gain[..., None, None] + bias[..., None, None]


@final
class PlainBatchNorm(nn.Module):
    """Batch norm with one gain and bias for all: what a conditional one is without conditions."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        return self.norm(x)


def class_batch_norm(classes: int, channels: int) -> ConditionalBatchNorm:
    """A gain of 1 and a bias of 0 for each class at first: Miyato & Koyama (2018), arXiv:1802.05637."""
    return ConditionalBatchNorm(channels, Table(classes, channels), Table(classes, channels))


def vector_batch_norm(size: int, channels: int) -> ConditionalBatchNorm:
    """Gain - 1 and bias linear in a vector (N, size): Brock et al. (2019), arXiv:1809.11096, appendix B."""
    linear = partial(nn.Linear, size, channels, bias=False)
    return ConditionalBatchNorm(channels, linear(), linear())


def norm_for(classes: int | None, vector: int | None) -> Norm:
    """The batch norm of a generator: by vector of that size if there is one, by class, or plain."""
    if vector is not None:
        return partial(vector_batch_norm, vector)
    return PlainBatchNorm if classes is None else partial(class_batch_norm, classes)


def refuse_mismatch(player: str, classes: int | None, label: Tensor | None) -> None:
    """Raise ValueError for labels that a network cannot use, or for none where it needs them."""
    if (label is None) == (classes is None):
        return
    cure = "task.conditional=true" if label is None else "a number of classes there"
    raise ValueError(
        f"model.{player}.classes={'null' if classes is None else classes}, but it was called "
        f"{'without' if label is None else 'with'} labels: set {cure}, or choose another model."
    )
