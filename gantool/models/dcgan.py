"""DCGAN: Radford, Metz & Chintala (2016), arXiv:1511.06434."""

from typing import final

from torch import Tensor, nn

from gantool.layers.minibatch import minibatch as minibatch_of
from gantool.layers.norm import norm as norm_of
from gantool.layers.resolution import Resolution, halvings


@final
class Generator(nn.Module):
    """Transposed convolutions from a latent to an image: figure 1, with a stage for each halving of the size.

    Args:
        latent: size Z of the latent.
        width: channels of the last hidden stage; each stage before has twice as many.
        channels: of the image.
        resolution: of the image, in pixels; 64 gives the paper's network, 28 starts from 7x7.
        norm: batch, layer, instance or none.

    Differs from the paper: the first layer is a transposed convolution, as in the authors' code, not a
    projection.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution, norm: str = "batch"):
        super().__init__()
        stages, base = halvings(resolution)
        widths = [width * 2**stage for stage in reversed(range(stages))]  # 64 px: 8w 4w 2w w
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], base, bias=False)]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [norm_of(norm, before), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False)]
        layers += [norm_of(norm, widths[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])  # (N, Z) -> (N, C, H, W)


@final
class Discriminator(nn.Module):
    """Strided convolutions from an image to a logit; neither the first layer nor the last is normalised.

    Args:
        width: channels of the first stage; each later stage has twice as many.
        channels: of the image.
        resolution: of the image, in pixels.
        norm: batch, layer, instance or none.
        minibatch: none, stddev or discrimination: what compares the samples before the last layer.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        norm: str = "batch",
        minibatch: str = "none",
    ):
        super().__init__()
        layers, widest, base = trunk(width, channels, resolution, norm)
        comparison, appended = minibatch_of(minibatch, widest, base)
        layers += [*comparison, nn.Conv2d(widest + appended, 1, base, bias=False), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)  # (N, C, H, W) -> (N,)


def trunk(
    width: int, channels: int, resolution: Resolution, norm: str
) -> tuple[list[nn.Module], int, tuple[int, int]]:
    """A discriminator's strided convolutions, the channels that they end with, and the size."""
    stages, base = halvings(resolution)
    widths = [width * 2**stage for stage in range(stages)]  # 64 px: w 2w 4w 8w
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False)]
    layers += [nn.LeakyReLU(0.2, inplace=True)]
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False)]
        layers += [norm_of(norm, after), nn.LeakyReLU(0.2, inplace=True)]
    return layers, widths[-1], base
