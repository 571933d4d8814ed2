"""ESRGAN: Wang et al. (2018), arXiv:1809.00219; what the paper leaves open as in the authors' code."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from gantool.layers.enlarge import steps
from gantool.layers.norm import biased
from gantool.layers.norm import norm as norm_of
from gantool.layers.resolution import Resolution, height_and_width

RESIDUAL = 0.2  # what of a residual is added: section 3.1
SMALLER = 0.1  # the weights of a dense block at the start, times He's


@final
class Generator(nn.Module):
    """RRDBNet: (N, C', H, W) of any size to (N, C, scale H, scale W), by nearest neighbours and convolutions.

    Nothing bounds the result: it is trained toward [-1, 1], and clamped where it is shown.

    Args:
        width: features of all layers but those inside dense blocks.
        source_channels: C'.
        channels: C.
        scale: 1, 2, 3, 4 or 8.
        blocks: residual ones, each of three dense blocks.
        growth: features that each layer of a dense block adds; None = half of `width`.
    """

    def __init__(
        self,
        width: int,
        source_channels: int,
        channels: int,
        scale: int,
        blocks: int = 23,
        growth: int | None = None,
    ):
        super().__init__()
        growth = (width + 1) // 2 if growth is None else growth
        self.first = nn.Conv2d(source_channels, width, 3, padding=1)
        self.blocks = nn.Sequential(
            *(Block(width, growth) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1)
        )
        self.enlargement = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Upsample(scale_factor=factor, mode="nearest"),
                    nn.Conv2d(width, width, 3, padding=1),
                    nn.LeakyReLU(0.2),
                )
                for factor in steps(scale)
            )
        )
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, channels, 3, padding=1),
        )

    def forward(self, source: Tensor) -> Tensor:
        x = self.first(source)  # (N, width, H, W)
        x = x + self.blocks(x)
        return self.last(self.enlargement(x))


@final
class Block(nn.Module):
    """RRDB, a residual of residuals: x + 0.2 f(x), f three dense blocks. Figure 4."""

    def __init__(self, width: int, growth: int):
        super().__init__()
        self.layers = nn.Sequential(*(DenseBlock(width, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        return x + RESIDUAL * self.layers(x)


@final
class DenseBlock(nn.Module):
    """x + 0.2 f(x), each of f's five convolutions seeing what all before it made. No norm.

    They begin with a tenth of He's weights, biases 0: section 3.1, "smaller initialization".
    """

    def __init__(self, width: int, growth: int):
        super().__init__()
        inputs = [width + level * growth for level in range(5)]
        outputs = [growth] * 4 + [width]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in zip(inputs, outputs, strict=True)
        )
        with torch.no_grad():
            for convolution in self.convolutions:
                nn.init.kaiming_normal_(convolution.weight).mul_(SMALLER)  # pyright: ignore
                nn.init.zeros_(convolution.bias)  # pyright: ignore

    def forward(self, x: Tensor) -> Tensor:
        *inner, last = self.convolutions
        seen = x
        for convolution in inner:
            seen = torch.cat([seen, leaky_relu(convolution(seen), 0.2)], 1)
        return x + RESIDUAL * last(seen)


@final
class Discriminator(nn.Module):
    """(N, C, H, W) to logits (N,): VGG-like, halved until its shorter side is below 8.

    Args:
        width: features of the first layers; each level has twice as many as the one above, up to 8 times.
        channels: C.
        resolution: of the images; the authors' are 128x128.
        hidden: features of the dense layer before the last.
        norm: of all layers but the first.
    """

    def __init__(
        self, width: int, channels: int, resolution: Resolution, hidden: int = 100, norm: str = "batch"
    ):
        super().__init__()
        sides = list(height_and_width(resolution))
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        before, level = width, 0
        while min(sides) >= 8:
            features = width * min(2**level, 8)
            if level:
                layers += layer(before, features, 3, 1, norm)
            layers += layer(features, features, 4, 2, norm)
            sides = [side // 2 for side in sides]
            before, level = features, level + 1
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(before * sides[0] * sides[1], hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
            nn.Flatten(0),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


def layer(before: int, after: int, kernel: int, stride: int, norm: str) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel, stride, 1, bias=biased(norm))
    return [convolution, norm_of(norm, after), nn.LeakyReLU(0.2)]
