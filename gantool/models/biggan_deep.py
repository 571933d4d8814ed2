"""BigGAN-deep: Brock, Donahue & Simonyan (2019), arXiv:1809.11096, appendix B, figure 16 and table 7."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from gantool.layers.attention import attentions
from gantool.layers.conditional_norm import Norm, norm_for, refuse_mismatch
from gantool.layers.projection import Projection
from gantool.layers.residual import down, up
from gantool.layers.resolution import Resolution, halvings
from gantool.layers.spectral import normalise
from gantool.layers.stages import down_to, widths_of

RATIO = 4  # a block's channels to those of its bottleneck


@final
class UpBlock(nn.Module):
    """conv1 to a quarter of the channels, conv3, conv3, conv1, each after norm and relu.

    The shortcut keeps the first channels and has no weights.
    """

    def __init__(self, before: int, after: int, norm: Norm, double: bool):
        super().__init__()
        if after > before:
            raise ValueError(f"model.G.multipliers rise from {before} to {after} channels: let them fall.")
        hidden = max(before // RATIO, 1)
        self.norms = nn.ModuleList([norm(before), *(norm(hidden) for _ in range(3))])
        self.conv1 = nn.Conv2d(before, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv3 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv4 = nn.Conv2d(hidden, after, 1)
        self.after = after
        self.resize = up if double else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        norm1, norm2, norm3, norm4 = self.norms
        h = self.conv1(relu(norm1(x, condition)))
        h = self.conv2(self.resize(relu(norm2(h, condition))))
        h = self.conv3(relu(norm3(h, condition)))
        h = self.conv4(relu(norm4(h, condition)))
        return h + self.resize(x[:, : self.after])


@final
class DownBlock(nn.Module):
    """conv1 to a quarter of the channels, conv3, conv3, mean pool, conv1, each after relu.

    The shortcut keeps all channels and adds a conv1 of those that are missing.
    """

    def __init__(self, before: int, after: int, halve: bool):
        super().__init__()
        if after < before:
            raise ValueError(f"model.D.multipliers fall from {before} to {after} channels: let them rise.")
        hidden = max(after // RATIO, 1)
        self.conv1 = nn.Conv2d(before, hidden, 1)
        self.conv2 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv3 = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.conv4 = nn.Conv2d(hidden, after, 1)
        self.missing = nn.Conv2d(before, after - before, 1) if after > before else None
        self.resize = down if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv2(relu(self.conv1(relu(x))))
        h = self.conv4(self.resize(relu(self.conv3(relu(h)))))
        x = self.resize(x)
        return h + (x if self.missing is None else torch.cat([x, self.missing(x)], 1))


@final
class Generator(nn.Module):
    """A linear layer to 4x4 and `depth` blocks per size; latent and class enter it and every batch norm.

    Args:
        latent: size Z of the latent.
        width: channels of the feature maps.
        channels: of the image.
        resolution: of the image, in pixels; 32 and 128 give the published networks.
        classes: number K of labels.
        shared: size of the embedding of the classes.
        multipliers: of the width: at 4x4, then after each size; None = 1 everywhere.
        depth: blocks per size; the last of them doubles it.
        attention: shorter side of the feature map that sees itself, see `attentions`; None = none.
        spectral_epsilon: of spectral norm in every convolution and linear layer.
    """

    def __init__(
        self,
        latent: int,
        width: int,
        channels: int,
        resolution: Resolution,
        classes: int,
        shared: int = 128,
        multipliers: Sequence[int] | None = None,
        depth: int = 2,
        attention: int | None = None,
        spectral_epsilon: float = 1e-6,
    ):
        super().__init__()
        stages, base = halvings(resolution)
        widths = widths_of("G", width, multipliers, stages + 1)
        self.classes = classes
        self.embedding = nn.Embedding(classes, shared)
        self.base = (widths[0], *base)
        self.linear = nn.Linear(latent + shared, prod(self.base))
        norm = norm_for(classes, latent + shared)
        self.stages = nn.ModuleList(
            nn.ModuleList(
                UpBlock(before, after if last else before, norm, double=last)
                for last in [False] * (depth - 1) + [True]
            )
            for before, after in pairwise(widths)
        )
        sides = [min(base) * 2**stage for stage in range(1, stages + 1)]
        self.attentions = attentions(attention, widths[1:], sides)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.output = nn.Conv2d(widths[-1], channels, 3, padding=1)
        normalise(self, spectral_epsilon)  # it leaves the embedding as it is, as the authors do

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        refuse_mismatch("G", self.classes, label)
        condition = torch.cat([self.embedding(label), z], 1)  # (N, shared + Z)
        h = self.linear(condition).unflatten(1, self.base)  # (N, width, 4, 4)
        for stage, attention in zip(self.stages, self.attentions, strict=True):
            for block in stage:  # pyright: ignore
                h = block(h, condition)
            h = attention(h)
        return self.output(relu(self.norm(h))).tanh()  # (N, C, H, W)


@final
class Discriminator(nn.Module):
    """A convolution, `depth` blocks per size, sum over pixels, and a projection; all under spectral norm.

    Args:
        width: channels of the feature maps.
        channels: of the image.
        resolution: of the image, in pixels.
        classes: number K of labels.
        multipliers: of the width: after the first convolution, then after each size; None = 1 everywhere.
        depth: blocks per size; the first of them halves it.
        plain: sizes, of `depth` blocks each, after the last halving: 0 or more that do not halve.
        smallest: the shorter side of the last feature map is this or more: 32 px -> 8x8 with 6.
        attention: shorter side of the feature map that sees itself, see `attentions`; None = none.
        spectral_epsilon: of spectral norm.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        classes: int,
        multipliers: Sequence[int] | None = None,
        depth: int = 2,
        plain: int = 1,
        smallest: int = 6,
        attention: int | None = None,
        spectral_epsilon: float = 1e-6,
    ):
        super().__init__()
        halving, base = down_to(resolution, smallest)
        count = halving + plain
        widths = widths_of("D", width, multipliers, count + 1)
        self.input = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.stages = nn.ModuleList(
            nn.Sequential(
                DownBlock(before, after, halve=stage < halving),
                *(DownBlock(after, after, halve=False) for _ in range(depth - 1)),
            )
            for stage, (before, after) in enumerate(pairwise(widths))
        )
        sides = [min(base) * 2 ** max(halving - stage, 0) for stage in range(1, count + 1)]
        self.attentions = attentions(attention, widths[1:], sides)
        self.head = Projection(widths[-1], classes, bias=True)
        normalise(self, spectral_epsilon)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        h = self.input(image)  # (N, width, H, W)
        for stage, attention in zip(self.stages, self.attentions, strict=True):
            h = attention(stage(h))
        return self.head(relu(h).sum((2, 3)), label)  # (N,)
