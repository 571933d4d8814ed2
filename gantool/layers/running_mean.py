"""What a network remembers of its own past passes: a mean that moves on with every one of them."""

from typing import final

import torch
from torch import Tensor, nn


@final
class RunningMean(nn.Module):
    """m <- m + rate (mean over the batch of x - m), from 0; several processes average theirs at each step.

    Args:
        size: of each sample x.
        rate: share of a new mean.
    """

    value: Tensor

    def __init__(self, size: int, rate: float):
        super().__init__()
        self.rate = rate
        self.register_buffer("value", torch.zeros(size))

    @torch.no_grad()
    def see(self, x: Tensor) -> None:
        """Take in a batch of (N, size)."""
        self.value.data.lerp_(x.detach().mean(0).to(self.value.dtype), self.rate)
