"""Pixel norm: Karras et al. (2018), arXiv:1710.10196, section 4.2."""

from typing import final

from torch import Tensor, nn


@final
class PixelNorm(nn.Module):
    """x / sqrt(mean over channels of x^2 + 1e-8), for each pixel: a mean square of 1, and nothing to learn.

    Takes (N, C) and (N, C, H, W).
    """

    def forward(self, x: Tensor) -> Tensor:
        return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
