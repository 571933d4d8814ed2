"""What a loss has seen since the last step: a mean over all micro-batches and processes."""

from typing import final

import torch
from torch import Tensor, nn


@final
class Observed(nn.Module):
    """Collects values in the forward passes of one step, for `settle` to use after it.

    Processes average the sum and the count before the step, so that the mean is that of all samples.
    """

    total: Tensor
    count: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(()), persistent=False)
        self.register_buffer("count", torch.zeros(()), persistent=False)

    @torch.no_grad()
    def see(self, values: Tensor) -> None:
        self.total += values.detach().sum()
        self.count += values.numel()

    def mean(self, otherwise: Tensor) -> Tensor:
        """The mean of the values seen since `clear`; `otherwise`, if there were none."""
        return torch.where(self.count > 0, self.total / self.count.clamp(min=1e-6), otherwise)

    def clear(self) -> None:
        self.total.zero_()
        self.count.zero_()
