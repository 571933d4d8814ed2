"""SNDCGAN, the plain networks of spectral norm: Miyato et al. (2018), arXiv:1802.05957, table 3."""

from itertools import pairwise
from math import prod
from typing import final

from torch import Tensor, nn

from gantool.layers.norm import norm as norm_of
from gantool.layers.resolution import Resolution, halvings
from gantool.layers.spectral import normalise


@final
class Generator(nn.Module):
    """A linear layer to 4x4, a transposed convolution per halving of the resolution, one to pixels.

    Args:
        latent: size Z of the latent.
        width: channels of the last feature map; each before has twice as many.
        channels: of the image.
        resolution: of the image, in pixels; 32 gives the paper's network, 28 starts from 7x7.
        norm: batch, layer, instance or none.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution, norm: str = "batch"):
        super().__init__()
        stages, base = halvings(resolution)
        widths = [width * 2**stage for stage in reversed(range(stages + 1))]  # 32 px: 8w 4w 2w w
        layers: list[nn.Module] = [nn.Linear(latent, widths[0] * prod(base))]
        layers += [nn.Unflatten(1, (widths[0], *base)), norm_of(norm, widths[0]), nn.ReLU(inplace=True)]
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
            layers += [norm_of(norm, after), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(width, channels, 3, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)  # (N, Z) -> (N, C, H, W)


@final
class Discriminator(nn.Module):
    """A convolution that keeps the size and one that halves it, in turn, then a linear layer over all.

    Every layer is under spectral norm.

    Args:
        width: channels of the first feature map; each halving is followed by twice as many.
        channels: of the image.
        resolution: of the image, in pixels; 32 gives the paper's network: 64 64 128 128 256 256 512.
        spectral_epsilon: of spectral norm.
    """

    def __init__(self, width: int, channels: int, resolution: Resolution, spectral_epsilon: float = 1e-12):
        super().__init__()
        stages, base = halvings(resolution)
        widths = [width * 2**stage for stage in range(stages + 1)]  # 32 px: w 2w 4w 8w
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.1, inplace=True)]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, before, 4, stride=2, padding=1), nn.LeakyReLU(0.1, inplace=True)]
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(0.1, inplace=True)]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * prod(base), 1)]
        self.layers = nn.Sequential(*layers)
        normalise(self, spectral_epsilon)

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image).squeeze(1)  # (N, C, H, W) -> (N,)
