"""Discriminators that judge patches: Isola et al. (2017), arXiv:1611.07004, sections 3.2.2 and 6.1.2."""

from typing import final

import torch
from torch import Tensor, nn

from gantool.layers.norm import biased
from gantool.layers.norm import norm as norm_of
from gantool.layers.resolution import Resolution, height_and_width


@final
class Discriminator(nn.Module):
    """(N, C, H, W), and the source (N, C', H, W) it is judged with, to logits of all patches: (N, 1, H', W').

    Args:
        width: features of the first layer; each deeper one has twice as many, up to 8 times.
        channels: C.
        resolution: of the images.
        source_channels: C'; 0 = it judges images alone.
        layers: of stride 2: patches of 16x16 (1), 34x34 (2), 70x70 (3), 142x142 (4) or 286x286 (5) pixels;
            0 = single pixels, PixelGAN. None = 3, or as many as the image is large enough for.
        norm: of all layers but the first and the last; see models/pix2pix.py.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        source_channels: int = 0,
        layers: int | None = None,
        norm: str = "instance",
    ):
        super().__init__()
        side = min(height_and_width(resolution))
        most = max((side // 3).bit_length() - 1, 0)  # the last two layers take 3 pixels to 1
        layers = min(most, 3) if layers is None else layers
        if not 0 <= layers <= most:
            raise ValueError(
                f"model.D.layers={layers}: images of data.resolution={resolution} are large enough for "
                f"{most} layers; give 0 to {most}."
            )
        bias, before = biased(norm), channels + source_channels
        if layers == 0:
            self.layers = nn.Sequential(
                nn.Conv2d(before, width, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(width, 2 * width, 1, bias=bias),
                norm_of(norm, 2 * width),
                nn.LeakyReLU(0.2),
                nn.Conv2d(2 * width, 1, 1, bias=bias),
            )
            return
        blocks: list[nn.Module] = [nn.Conv2d(before, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        widths = [width * min(2**level, 8) for level in range(layers + 1)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            convolution = nn.Conv2d(widths[level - 1], widths[level], 4, stride, 1, bias=bias)
            blocks += [convolution, norm_of(norm, widths[level]), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*blocks, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, image: Tensor, source: Tensor | None = None) -> Tensor:
        return self.layers(image if source is None else torch.cat([source, image], 1))
