"""R3GAN: Huang, Gokaslan, Kuleshov & Tompkin (2024), arXiv:2501.05441, config E, as in the authors' code.

The networks initialise themselves: N(0, gain^2 / fan in), and residual branches of zero (Fixup: Zhang,
Dauphin & Ma, 2019, arXiv:1901.09321).
"""

from collections.abc import Sequence
from math import gcd, prod, sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from gantool.layers.resample import downsample, upsample
from gantool.layers.resolution import Resolution, halvings
from gantool.layers.tapered import widths_of

ACTIVATION_GAIN = sqrt(2 / (1 + 0.2**2))  # keeps the second moment through a leaky ReLU of slope 0.2
BLOCKS = 2  # of each stage
FULL = 32  # pixels up to which stages have all of their channels, as for FFHQ-64 and FFHQ-256
TAPS = [1.0, 3.0, 3.0, 1.0]  # [1, 2, 1] and [1, 1] convolved


def scaled(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Module:
    """The layer with weights N(0, gain^2 / fan in) and biases 0."""
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(prod(layer.weight.shape[1:])))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def pointwise(before: int, after: int, gain: float = 1.0, bias: bool = False) -> nn.Module:
    """A convolution of 1x1."""
    return scaled(nn.Conv2d(before, after, 1, bias=bias), gain)


@final
class ResidualBlock(nn.Module):
    """x + conv1(lrelu(conv3(lrelu(conv1(x))))): inverted bottleneck, grouped, no norm. Section 4.

    The last convolution starts at 0, so each block starts as the identity.

    Args:
        width: channels; twice as many inside.
        group: channels that the 3x3 convolution mixes; fewer where these do not divide those inside.
        blocks: residual blocks of the whole network: gains shrink with their number.
    """

    def __init__(self, width: int, group: int, blocks: int):
        super().__init__()
        hidden = 2 * width
        gain = ACTIVATION_GAIN * blocks**-0.25  # Fixup, with three layers in a branch
        groups = hidden // gcd(hidden, group)
        self.expand = pointwise(width, hidden, gain, bias=True)
        self.mix = scaled(nn.Conv2d(hidden, hidden, 3, padding=1, groups=groups), gain)
        self.contract = pointwise(hidden, width, gain=0.0)

    def forward(self, x: Tensor) -> Tensor:
        h = leaky_relu(self.expand(x), 0.2)  # (N, 2 width, H, W)
        h = leaky_relu(self.mix(h), 0.2)
        return x + self.contract(h)


@final
class Up(nn.Module):
    """(N, C, H, W) -> (N, C, 2H, 2W): each pixel becomes a block of 2x2, smoothed by [1, 2, 1] over zeros."""

    taps: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return upsample(x, self.taps)


@final
class Down(nn.Module):
    """(N, C, 2H, 2W) -> (N, C, H, W): smoothed by [1, 2, 1] over zeros, then the mean of 2x2."""

    taps: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return downsample(x, self.taps)


@final
class Generator(nn.Module):
    """A learnt picture of 4x4 scaled by the latent, and two residual blocks per size up to that of the image.

    Args:
        latent: size Z of the latent.
        width: channels of every stage of up to 32 pixels; half as many for each doubling above.
        channels: of the image.
        resolution: of the image, in pixels; 28 starts from 7x7.
        widths: of each stage, from the smallest, instead of what follows from `width`; ImageNet-64 keeps 1536
            everywhere.
        group: channels that a 3x3 convolution mixes: 16, and 32 for ImageNet.
        classes: 0 = images without labels.
        embedding: numbers that stand for a label beside the latent.
    """

    def __init__(
        self,
        latent: int,
        width: int,
        channels: int,
        resolution: Resolution,
        widths: Sequence[int] | None = None,
        group: int = 16,
        classes: int = 0,
        embedding: int = 64,
    ):
        super().__init__()
        doublings, base = halvings(resolution)
        stages = widths_of(width, widths, base, doublings + 1, FULL)
        blocks = BLOCKS * len(stages)
        self.embedding = nn.Embedding(classes, embedding) if classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, 1 / sqrt(classes))
        self.basis = nn.Parameter(torch.randn(stages[0], *base))
        inputs = latent + (embedding if classes else 0)
        self.linear = scaled(nn.Linear(inputs, stages[0], bias=False))
        layers: list[nn.Module] = []
        for stage, after in enumerate(stages):
            before = stages[stage - 1]
            if stage and before != after:
                layers.append(pointwise(before, after))
            if stage:
                layers.append(Up())
            layers += [ResidualBlock(after, group, blocks) for _ in range(BLOCKS)]
        self.layers = nn.Sequential(*layers)
        self.output = pointwise(stages[-1], channels)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        known = known_label(self.embedding, label)  # (N, embedding)
        h = z if known is None else torch.cat([z, known], 1)
        h = self.linear(h)[:, :, None, None] * self.basis  # (N, width, 4, 4)
        return self.output(self.layers(h))  # (N, C, H, W)


@final
class Discriminator(nn.Module):
    """The generator's mirror image: down to 4x4, there a weighted sum for each channel, and one linear layer.

    With labels, that layer gives a vector whose product with the label's is the logit: the projection of
    Miyato & Koyama (2018), arXiv:1802.05637, without its unconditional part.

    Args:
        width: as the generator's.
        channels: of the image.
        resolution: of the image, in pixels.
        widths: of each stage, from the smallest, as the generator's.
        group: as the generator's.
        classes: 0 = images without labels.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        widths: Sequence[int] | None = None,
        group: int = 16,
        classes: int = 0,
    ):
        super().__init__()
        halving, base = halvings(resolution)
        stages = widths_of(width, widths, base, halving + 1, FULL)[::-1]
        blocks = BLOCKS * len(stages)
        layers: list[nn.Module] = [pointwise(channels, stages[0])]
        for stage, before in enumerate(stages):
            after = stages[min(stage + 1, halving)]
            layers += [ResidualBlock(before, group, blocks) for _ in range(BLOCKS)]
            if stage < halving:
                layers.append(Down())
            if before != after:
                layers.append(pointwise(before, after))
        self.layers = nn.Sequential(*layers)
        last = stages[-1]
        self.basis = scaled(nn.Conv2d(last, last, base, groups=last, bias=False))
        self.linear = scaled(nn.Linear(last, last if classes else 1, bias=False))
        self.embedding = nn.Embedding(classes, last) if classes else None
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, 0.0, 1 / sqrt(classes * last))

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        h = self.basis(self.layers(image)).flatten(1)  # (N, width)
        h = self.linear(h)  # (N, 1), or (N, embedding)
        known = known_label(self.embedding, label)
        return h.squeeze(1) if known is None else (h * known).sum(1)  # (N,)


def known_label(embedding: nn.Embedding | None, label: Tensor | None) -> Tensor | None:
    """What stands for the label. Raises ValueError for labels that are not expected, or missing."""
    if (embedding is None) != (label is None):
        wrong = "knows no labels" if embedding is None else "needs labels"
        raise ValueError(
            f"model=r3gan: the network {wrong}. With labels: task.conditional=true "
            "'model.G.classes=${data.classes}'; without: task.conditional=false model.G.classes=0."
        )
    return None if embedding is None or label is None else embedding(label)
