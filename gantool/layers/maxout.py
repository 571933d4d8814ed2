"""Maxout: Goodfellow et al. (2013), arXiv:1302.4389."""

from typing import final

from torch import Tensor, nn


@final
class Maxout(nn.Module):
    """Each unit is the largest of `pieces` linear functions of the input."""

    def __init__(self, inputs: int, units: int, pieces: int):
        super().__init__()
        self.linear = nn.Linear(inputs, units * pieces)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)  # (N, I) -> (N, U)
