"""Equalised learning rate: Karras et al. (2018), arXiv:1710.10196, section 4.1.

Weights are stored as N(0, 1) and scaled by He's constant in each pass, so that Adam, whose steps do not know
how large a weight is, moves all layers at one relative speed.
"""

from math import sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear


@final
class EqualizedLinear(nn.Module):
    """(N, A) to (N, B): x W^T c + b, with c = gain * rate / sqrt(A).

    Args:
        inputs: A.
        outputs: B.
        gain: sqrt(2) before a rectifier that does not scale by it, 1 otherwise.
        rate: how fast these weights learn compared with others: Karras et al. (2019), arXiv:1812.04948,
            appendix C. Stored weights are N(0, 1 / rate^2).
        bias: what the biases start at; None = there are none.
    """

    def __init__(
        self, inputs: int, outputs: int, gain: float = 1.0, rate: float = 1.0, bias: float | None = 0.0
    ):
        super().__init__()
        self.scale = gain * rate / sqrt(inputs)
        self.rate = rate
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias / rate))

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias if self.bias is None or self.rate == 1 else self.bias * self.rate
        return linear(x, self.weight * self.scale, bias)


@final
class EqualizedConv(nn.Module):
    """(N, C, H, W) to (N, D, H, W), the border padded with zeros: kernel * gain / sqrt(C * size^2).

    Args:
        inputs: C.
        outputs: D.
        size: of the kernel, odd.
        gain: sqrt(2) before a rectifier that does not scale by it, 1 otherwise.
        bias: whether there are biases, which start at 0.
    """

    def __init__(self, inputs: int, outputs: int, size: int, gain: float = 1.0, bias: bool = True):
        super().__init__()
        self.scale = gain / (sqrt(inputs) * size)
        self.padding = size // 2
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight * self.scale, self.bias, padding=self.padding)
