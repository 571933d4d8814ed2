"""Convolutions that double or halve an image on the way, with an equalised learning rate.

Karras et al. (2018), arXiv:1710.10196, the authors' code: a convolution behind nearest upsampling, or before
a mean over 2x2, is one strided convolution of 4x4, with the same numbers for half of the work.
"""

from math import sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad


def widened(kernel: Tensor) -> Tensor:
    """(..., 3, 3) convolved with the 2x2 of ones: (..., 4, 4)."""
    padded = pad(kernel, (1, 1, 1, 1))
    return padded[..., 1:, 1:] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., :-1, :-1]


@final
class UpConv(nn.Module):
    """(N, C, H, W) to (N, D, 2H, 2W): each pixel a square of 2x2, then a convolution of 3x3 over zeros.

    Args:
        inputs: C.
        outputs: D.
        bias: whether there are biases, which start at 0.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True):
        super().__init__()
        self.scale = sqrt(2 / (inputs * 9))
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        kernel = widened(self.weight * self.scale).flip(2, 3).transpose(0, 1)  # (C, D, 4, 4)
        return conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


@final
class DownConv(nn.Module):
    """(N, C, 2H, 2W) to (N, D, H, W): a convolution of 3x3 over zeros, then the mean of 2x2.

    Args:
        inputs: C.
        outputs: D.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.scale = sqrt(2 / (inputs * 9))
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        kernel = widened(self.weight * self.scale) / 4  # (D, C, 4, 4)
        return conv2d(x, kernel, self.bias, stride=2, padding=1)
