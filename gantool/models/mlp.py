"""Plain perceptrons for points of the plane and for small images.

As WGAN-GP uses on toy data: Gulrajani et al. (2017), arXiv:1704.00028, section 4.1, and the authors' code.
"""

from math import prod
from typing import final

from torch import Tensor, nn

from gantool.layers.resolution import Resolution, height_and_width

NORMS = ("none", "batch")


@final
class Generator(nn.Module):
    """Hidden layers of leaky rectified units, and a linear one.

    Args:
        latent: size Z of the latent.
        layers: hidden ones.
        width: units of each hidden layer.
        channels: of the image.
        resolution: of the image, in pixels; 1 for a point, whose coordinates are the channels.
        norm: batch, before each nonlinearity, or none.
        slope: of the units below 0; 0 = plain ReLU.
        bounded: end in tanh; a point's coordinates may be any numbers.
    """

    def __init__(
        self,
        latent: int,
        layers: int,
        width: int,
        channels: int,
        resolution: Resolution,
        norm: str = "none",
        slope: float = 0.2,
        bounded: bool = True,
    ):
        super().__init__()
        self.shape = (channels, *height_and_width(resolution))
        self.layers = nn.Sequential(
            hidden(latent, layers, width, norm, slope),
            nn.Linear(width, prod(self.shape)),
            nn.Tanh() if bounded else nn.Identity(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, self.shape)  # (N, Z) -> (N, C, H, W)


@final
class Discriminator(nn.Module):
    """Hidden layers of leaky rectified units, and a logit.

    Args:
        layers: hidden ones.
        width: units of each hidden layer.
        channels: of the image.
        resolution: of the image, in pixels.
        slope: of the units below 0; 0 = plain ReLU.
    """

    def __init__(self, layers: int, width: int, channels: int, resolution: Resolution, slope: float = 0.2):
        super().__init__()
        pixels = channels * prod(height_and_width(resolution))
        self.layers = nn.Sequential(hidden(pixels, layers, width, "none", slope), nn.Linear(width, 1))

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image.flatten(1)).squeeze(1)  # (N, C, H, W) -> (N,)


def hidden(inputs: int, layers: int, width: int, norm: str, slope: float) -> nn.Sequential:
    """(N, inputs) to (N, width). Raises ValueError where there is no such network."""
    if layers < 1:
        raise ValueError(f"layers={layers}: a perceptron has 1 hidden layer or more.")
    if norm not in NORMS:
        raise ValueError(f"norm={norm}: choose one of {', '.join(NORMS)}.")
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts.append(nn.Linear(inputs if layer == 0 else width, width))
        parts += [nn.BatchNorm1d(width)] if norm == "batch" else []
        parts.append(nn.LeakyReLU(slope, inplace=True))
    return nn.Sequential(*parts)
