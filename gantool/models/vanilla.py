"""The first GAN's multilayer perceptrons for MNIST: Goodfellow et al.

(2014), arXiv:1406.2661, and the authors' code.
"""

from math import prod
from typing import final

from torch import Tensor, nn

from gantool.layers.maxout import Maxout
from gantool.layers.resolution import Resolution, height_and_width


@final
class Generator(nn.Module):
    """Two hidden layers of rectified units and a sigmoid image.

    Args:
        latent: size Z of the latent.
        width: units of each hidden layer.
        channels: of the image.
        resolution: of the image, in pixels.

    Differs from the paper: the sigmoid is stretched from [0, 1] to [-1, 1], and the last bias starts at 0
    instead of the pixels' mean.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution):
        super().__init__()
        self.shape = (channels, *height_and_width(resolution))
        self.layers = nn.Sequential(
            nn.Linear(latent, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, prod(self.shape)),
            nn.Sigmoid(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).mul(2).sub(1).unflatten(1, self.shape)  # (N, Z) -> (N, C, H, W)


@final
class Discriminator(nn.Module):
    """Two maxout layers with dropout, looking at pixels in [0, 1].

    Args:
        units: of each maxout layer.
        pieces: linear pieces of each unit.
        channels: of the image.
        resolution: of the image, in pixels.
        dropout_input: share of the pixels that are dropped.
        dropout: share of the hidden units that are dropped.
    """

    def __init__(
        self,
        units: int,
        pieces: int,
        channels: int,
        resolution: Resolution,
        dropout_input: float = 0.2,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout_input),
            Maxout(channels * prod(height_and_width(resolution)), units, pieces),
            nn.Dropout(dropout),
            Maxout(units, units, pieces),
            nn.Dropout(dropout),
            nn.Linear(units, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        pixels = (image.flatten(1) + 1) / 2  # (N, C H W) in [0, 1]
        return self.layers(pixels).squeeze(1)  # (N,)
