"""Adaptive instance normalisation: Huang & Belongie (2017), arXiv:1703.06868."""

from typing import final

from torch import Tensor, nn
from torch.nn.functional import instance_norm

from gantool.layers.equalized import EqualizedLinear


@final
class AdaIN(nn.Module):
    """(s + 1) (x - mean) / deviation + b for each channel of each sample, with (s, b) = A w + a.

    As in StyleGAN: Karras et al. (2019), arXiv:1812.04948, eq. 1, where the style s + 1 begins around 1.

    Args:
        width: W, of the styles w of (N, W).
        channels: C, of the features x of (N, C, H, W).
    """

    def __init__(self, width: int, channels: int):
        super().__init__()
        self.affine = EqualizedLinear(width, 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.affine(style)[:, :, None, None].chunk(2, 1)  # each (N, C, 1, 1)
        return instance_norm(x, eps=1e-8) * (scale + 1) + shift
