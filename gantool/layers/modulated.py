"""Convolutions that a style steers: Karras et al. (2020), arXiv:1912.04958, section 2.2.

Both scale the inputs by the style instead of the weights, which is the same and leaves one convolution for
all samples.
"""

from math import sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, linear

from gantool.layers.equalized import EqualizedLinear
from gantool.layers.resample import blur


@final
class ModulatedConv(nn.Module):
    """(N, C, H, W) and styles (N, W) to (N, D, H, W), the border padded with zeros, or to twice the size.

    Each sample has weights of its own: w'_dck = s_c w_dck / sqrt(sum over c, k of (s_c w_dck)^2 + 1e-8), with
    s = A style + a around 1; eq. 1 to 3. They need no gain: any factor cancels. Twice the size: a transposed
    convolution of stride 2, then the filter [1, 3, 3, 1].

    Args:
        style: W.
        inputs: C.
        outputs: D.
        up: whether to double the size.
        gain: of the outputs.
    """

    taps: Tensor

    def __init__(self, style: int, inputs: int, outputs: int, up: bool = False, gain: float = 1.0):
        super().__init__()
        self.affine = EqualizedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.up = up
        self.gain = gain * 4 if up else gain  # three of four pixels before the filter are empty
        self.register_buffer("taps", torch.tensor([1.0, 3.0, 3.0, 1.0]), persistent=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        s = self.affine(style)  # (N, C)
        norm = linear(s.square(), self.weight.square().sum((2, 3)))  # (N, D)
        h = self.convolve(x * s[:, :, None, None])
        return h * ((norm + 1e-8).rsqrt() * self.gain)[:, :, None, None].to(h.dtype)

    def convolve(self, x: Tensor) -> Tensor:
        """Without styles."""
        if self.up:
            return blur(conv_transpose2d(x, self.weight.transpose(0, 1), stride=2), self.taps, padding=1)
        return conv2d(x, self.weight, padding=1)


@final
class ToImage(nn.Module):
    """(N, C, H, W) and styles (N, W) to images (N, D, H, W): a 1x1 convolution, modulated and no more.

    Args:
        style: W.
        inputs: C.
        channels: D.
    """

    def __init__(self, style: int, inputs: int, channels: int):
        super().__init__()
        self.affine = EqualizedLinear(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = 1 / sqrt(inputs)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        weight = self.affine(style)[:, :, None] * (self.weight * self.scale).T  # (N, C, D)
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)  # (N, H W, C)
        image = torch.baddbmm(self.bias, pixels, weight)  # with so few channels D, this is the cheapest form
        return image.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
