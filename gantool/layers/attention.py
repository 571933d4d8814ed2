"""Self-attention between places: SAGAN, Zhang et al. (2019), arXiv:1805.08318, eq. 1-3."""

from collections.abc import Sequence
from math import log
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d


@final
class SelfAttention(nn.Module):
    """x + gamma o(softmax(theta(x)^T phi(x)) g(x)), gamma 0 at first: then it changes nothing.

    theta and phi have C/8 channels, g has C/2, all are 1x1 convolutions without bias.

    Differs from the paper: keys phi and values g are max-pooled 2x2, as in the authors' code.
    """

    def __init__(self, channels: int):
        super().__init__()
        narrow, wide = max(channels // 8, 1), max(channels // 2, 1)
        self.theta = nn.Conv2d(channels, narrow, 1, bias=False)
        self.phi = nn.Conv2d(channels, narrow, 1, bias=False)
        self.g = nn.Conv2d(channels, wide, 1, bias=False)
        self.o = nn.Conv2d(wide, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def weights(self, x: Tensor) -> Tensor:
        """How much each place looks at each pooled one: rows of (N, H W, H W / 4) sum to 1."""
        queries = self.theta(x).flatten(2)  # (N, C/8, H W)
        keys = max_pool2d(self.phi(x), 2).flatten(2)  # (N, C/8, H W / 4)
        return (queries.transpose(1, 2) @ keys).softmax(2)

    def forward(self, x: Tensor) -> Tensor:
        values = max_pool2d(self.g(x), 2).flatten(2)  # (N, C/2, H W / 4)
        seen = values @ self.weights(x).transpose(1, 2)  # (N, C/2, H W)
        return x + self.gamma * self.o(seen.unflatten(2, x.shape[2:]))


def attentions(attention: int | None, widths: Sequence[int], sides: Sequence[int]) -> nn.ModuleList:
    """What follows each stage of a network: attention after one of them, nothing after the others.

    Args:
        attention: the shorter side of the feature map, in pixels; where no stage has it, the stage that comes
            closest (by ratio) is taken, of equal ones the first. None = no attention.
        widths: channels after each stage.
        sides: the shorter side after each stage.
    """
    if attention is None:
        return nn.ModuleList(nn.Identity() for _ in sides)
    if attention < 1:
        raise ValueError(f"attention={attention}: give a side of a feature map in pixels, as 16, or null.")
    distances = [abs(log(side / attention)) for side in sides]
    chosen = distances.index(min(distances))
    return nn.ModuleList(
        SelfAttention(width) if stage == chosen else nn.Identity() for stage, width in enumerate(widths)
    )
