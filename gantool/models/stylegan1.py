"""StyleGAN's generator: Karras, Laine & Aila (2019), arXiv:1812.04948, as in the authors' code."""

from math import sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from gantool.layers.adain import AdaIN
from gantool.layers.equalized import EqualizedConv
from gantool.layers.equalized_resize import UpConv
from gantool.layers.mapping import Mapping
from gantool.layers.progressive import Level, Progressive, blend, enlarged
from gantool.layers.resample import blur
from gantool.layers.residual import up
from gantool.layers.resolution import Resolution, halvings
from gantool.layers.styled import Styled
from gantool.layers.tapered import widths_of
from gantool.models.progan import FULL


@final
class Stylized(nn.Module):
    """Noise, bias, leaky ReLU, AdaIN: what ends each layer. Figure 1b.

    Each channel takes as much of the noise as it learns to, at first nothing. While training each sample has
    noise of its own; afterwards it is the same for all and always.
    """

    noise: Tensor

    def __init__(self, style: int, channels: int, size: tuple[int, int]):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.adain = AdaIN(style, channels)
        self.register_buffer("noise", torch.randn(1, *size))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        noise = torch.randn_like(x[:, :1]) if self.training else self.noise.to(x.dtype)  # (N, 1, H, W)
        strength, bias = self.strength[:, None, None], self.bias[:, None, None]
        return self.adain(leaky_relu(x + strength * noise + bias, 0.2), style)


@final
class First(nn.Module):
    """A learnt constant, conv3: features of (N, width, *size) from styles of (N, 2, W)."""

    def __init__(self, style: int, width: int, size: tuple[int, int]):
        super().__init__()
        self.constant = nn.Parameter(torch.ones(width, *size))
        self.end1 = Stylized(style, width, size)
        self.conv = EqualizedConv(width, width, 3, gain=sqrt(2), bias=False)
        self.end2 = Stylized(style, width, size)

    def forward(self, styles: Tensor) -> Tensor:
        h = self.end1(self.constant.expand(styles.shape[0], -1, -1, -1), styles[:, 0])
        return self.end2(self.conv(h), styles[:, 1])


@final
class Doubling(nn.Module):
    """up, conv3, blur, conv3: features of twice the `size` before, with styles of (N, 2, W)."""

    def __init__(self, style: int, before: int, after: int, size: tuple[int, int]):
        super().__init__()
        self.up = UpConv(before, after, bias=False)
        self.end1 = Stylized(style, after, size)
        self.conv = EqualizedConv(after, after, 3, gain=sqrt(2), bias=False)
        self.end2 = Stylized(style, after, size)

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        h = self.end1(blur(self.up(x), [1, 2, 1]), styles[:, 0])
        return self.end2(self.conv(h), styles[:, 1])


@final
class Generator(Styled, Progressive):
    """Latents become styles w, and w steers each layer that paints; twice the size with each stage; no tanh.

    Args:
        latent: size Z of the latent.
        style: size W of a style.
        depth: layers of the mapping from the one to the other.
        width: channels of every stage of up to 32 pixels; half as many for each doubling above.
        channels: of the image.
        resolution: of the whole image, in pixels; 28 starts from 7x7.
        mixing: probability that a sample mixes two styles while training.
        classes: 0 = images without labels.
    """

    def __init__(
        self,
        latent: int,
        style: int,
        depth: int,
        width: int,
        channels: int,
        resolution: Resolution,
        mixing: float = 0.9,
        classes: int = 0,
    ):
        doublings, (height, breadth) = halvings(resolution)
        widths = widths_of(width, None, (height, breadth), doublings + 1, FULL)
        super().__init__(Mapping(latent, style, depth, classes), style, 2 * len(widths), mixing)
        self.level = Level(doublings)
        self.first = First(style, widths[0], (height, breadth))
        self.stages = nn.ModuleList(
            Doubling(style, before, after, (height * 2**stage, breadth * 2**stage))
            for stage, (before, after) in enumerate(zip(widths, widths[1:], strict=False), start=1)
        )
        self.to_image = nn.ModuleList(EqualizedConv(width, channels, 1) for width in widths)

    def grow(self, level: float) -> None:
        self.level.move(level)

    def layers_now(self) -> int:
        return 2 * (self.level.read()[0] + 1)

    def paint(self, styles: Tensor) -> Tensor:
        return self.partly(styles, *self.level.read())

    def partly(self, styles: Tensor, stage: int, share: Tensor | None) -> Tensor:
        """The image (N, C, H, W) of the stages up to `stage`, which has a `share` in it; None = alone."""
        before = h = self.first(styles[:, :2])
        for number, block in enumerate(self.stages[:stage], start=1):
            before, h = h, block(h, styles[:, 2 * number : 2 * number + 2])  # (N, width, 2^number base)
        image = self.to_image[stage](h)
        if share is not None:
            image = blend(up(self.to_image[stage - 1](before)), image, share)
        return enlarged(image, self.level.highest - stage)

    def affines(self) -> list[Tensor]:
        affines = [module.affine for module in self.modules() if isinstance(module, AdaIN)]
        return [affine.weight * affine.scale for affine in affines]  # each (2 C, W)
