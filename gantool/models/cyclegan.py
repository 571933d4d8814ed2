"""CycleGAN's generator: Zhu, Park, Isola & Efros (2017), arXiv:1703.10593, section 7.2.

After Johnson, Alahi & Fei-Fei (2016), arXiv:1603.08155.
"""

from typing import final

from torch import Tensor, nn

from gantool.layers.norm import biased
from gantool.layers.norm import norm as norm_of
from gantool.layers.padded import Padded, cropped
from gantool.layers.resolution import Resolution, height_and_width


@final
class Generator(Padded):
    """(N, C', H, W) to (N, C, H, W) in [-1, 1]: halved twice, residual blocks, doubled twice.

    Images whose sides are no multiples of 4 are padded on the way in and cropped on the way out.

    Args:
        width: features of the first layer; the blocks have 4 times as many.
        source_channels: C'.
        channels: C.
        resolution: of the images that it is trained on, 16 pixels or more.
        blocks: None = 9 for 256 pixels or more, 6 below.
        norm: of all layers but the last.
    """

    def __init__(
        self,
        width: int,
        source_channels: int,
        channels: int,
        resolution: Resolution,
        blocks: int | None = None,
        norm: str = "plain_instance",
    ):
        super().__init__(multiple=4)
        side = min(height_and_width(resolution))
        if side < 16:
            raise ValueError(f"data.resolution={resolution}: this generator needs 16 pixels or more.")
        blocks = (9 if side >= 256 else 6) if blocks is None else blocks
        bias = biased(norm)

        def layer(convolution: nn.Module, features: int) -> list[nn.Module]:
            return [convolution, norm_of(norm, features), nn.ReLU()]

        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            *layer(nn.Conv2d(source_channels, width, 7, bias=bias), width),
            *layer(nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias), 2 * width),
            *layer(nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=bias), 4 * width),
            *(Block(4 * width, norm) for _ in range(blocks)),
            *layer(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1, bias=bias), 2 * width),
            *layer(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=bias), width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, channels, 7),
            nn.Tanh(),
        )

    def forward(self, source: Tensor) -> Tensor:
        return cropped(self.layers(self.padded(source)), source)


@final
class Block(nn.Module):
    """x + f(x), without a rectifier behind the sum."""

    def __init__(self, features: int, norm: str):
        super().__init__()

        def convolution() -> list[nn.Module]:
            return [
                nn.ReflectionPad2d(1),
                nn.Conv2d(features, features, 3, bias=biased(norm)),
                norm_of(norm, features),
            ]

        self.layers = nn.Sequential(*convolution(), nn.ReLU(), *convolution())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
