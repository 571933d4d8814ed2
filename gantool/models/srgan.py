"""SRResNet and SRGAN: Ledig et al. (2017), arXiv:1609.04802, figure 4."""

from typing import final

from torch import Tensor, nn

from gantool.layers.enlarge import steps
from gantool.layers.norm import biased
from gantool.layers.norm import norm as norm_of
from gantool.layers.resolution import Resolution, height_and_width


@final
class Generator(nn.Module):
    """SRResNet: (N, C', H, W) of any size to (N, C, scale H, scale W), by sub-pixel convolution.

    As in the paper, nothing bounds the result: it is trained toward [-1, 1], and clamped where it is shown.

    Differs from the paper: sources are in [-1, 1] too, not in [0, 1].

    Args:
        width: features of all layers.
        source_channels: C'.
        channels: C.
        scale: 1, 2, 3, 4 or 8.
        blocks: residual ones.
        norm: of all layers between the first and the enlargement.
    """

    def __init__(
        self,
        width: int,
        source_channels: int,
        channels: int,
        scale: int,
        blocks: int = 16,
        norm: str = "batch",
    ):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(source_channels, width, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(
            *(Block(width, norm) for _ in range(blocks)),
            nn.Conv2d(width, width, 3, padding=1, bias=biased(norm)),
            norm_of(norm, width),
        )
        self.enlargement = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(width, width * factor**2, 3, padding=1), nn.PixelShuffle(factor), nn.PReLU()
                )
                for factor in steps(scale)
            )
        )
        self.last = nn.Conv2d(width, channels, 9, padding=4)

    def forward(self, source: Tensor) -> Tensor:
        x = self.first(source)  # (N, width, H, W)
        x = x + self.blocks(x)
        return self.last(self.enlargement(x))


@final
class Block(nn.Module):
    """x + f(x), without a rectifier behind the sum."""

    def __init__(self, width: int, norm: str):
        super().__init__()
        bias = biased(norm)
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=bias),
            norm_of(norm, width),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=bias),
            norm_of(norm, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


@final
class Discriminator(nn.Module):
    """(N, C, H, W) to logits (N,): halved four times, or until its shorter side is below 8.

    Args:
        width: features of the first layer; each level has twice as many as the one above, up to 8 times; the
            hidden dense layer 16 times.
        channels: C.
        resolution: of the images; the paper's are 96x96.
        norm: of all layers but the first.
    """

    def __init__(self, width: int, channels: int, resolution: Resolution, norm: str = "batch"):
        super().__init__()
        sides = list(height_and_width(resolution))
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
        features = width
        for level in range(4):
            if min(sides) < 8:
                break
            if level:
                layers += layer(features, 2 * features, 1, norm)
                features *= 2
            layers += layer(features, features, 2, norm)
            sides = [(side + 1) // 2 for side in sides]
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(features * sides[0] * sides[1], 16 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(16 * width, 1),
            nn.Flatten(0),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


def layer(before: int, after: int, stride: int, norm: str) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, stride, 1, bias=biased(norm))
    return [convolution, norm_of(norm, after), nn.LeakyReLU(0.2)]
