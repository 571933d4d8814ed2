"""BEGAN: Berthelot, Schumm & Metz (2017), arXiv:1703.10717, figure 1, and the best-known public code."""

from math import prod
from typing import final

from torch import Tensor, nn
from torch.nn.functional import interpolate

from gantool.layers.resolution import Resolution, halvings

SMALLEST = 8  # pixels of the smallest scale


@final
class Generator(nn.Module):
    """A linear layer to 8x8, then two 3x3 convolutions at every scale; also the decoder of D.

    Args:
        latent: size Z of the latent.
        width: channels n of every stage.
        channels: of the image.
        resolution: of the image, in pixels; 28 starts from 14x14.

    As published, nothing bounds the image: no tanh.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution):
        super().__init__()
        doublings, base = halvings(resolution, SMALLEST)
        self.base = (width, *base)
        self.linear = nn.Linear(latent, prod(self.base))
        self.scales = nn.ModuleList(pair(width, width) for _ in range(doublings + 1))
        self.output = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.linear(z).unflatten(1, self.base)  # (N, n, 8, 8)
        for number, scale in enumerate(self.scales):
            h = scale(interpolate(h, scale_factor=2.0, mode="nearest") if number else h)
        return self.output(h)  # (N, C, H, W)


@final
class Discriminator(nn.Module):
    """An autoencoder D; the logit of an image v is -L(v) = -mean |v - D(v)|.

    The encoder has n, 2n, 3n, ... channels, twice a 3x3 convolution and once a strided one at every scale;
    the decoder is a generator. Answers "logits" (N,) and "reconstruction" (N, C, H, W).

    Args:
        hidden: size of the code between encoder and decoder.
        width: channels n.
        channels: of the image.
        resolution: of the image, in pixels.
    """

    def __init__(self, hidden: int, width: int, channels: int, resolution: Resolution):
        super().__init__()
        number, base = halvings(resolution, SMALLEST)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ELU()]
        before = width
        for scale in range(number + 1):
            after = width * (scale + 1)
            layers += [pair(before, after)]
            if scale < number:
                layers += [nn.Conv2d(after, after, 3, stride=2, padding=1), nn.ELU()]
            before = after
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * prod(base), hidden))
        self.decoder = Generator(hidden, width, channels, resolution)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        reconstruction = self.decoder(self.encoder(image))  # (N, C, H, W)
        error = (image - reconstruction).abs().flatten(1).mean(1)  # (N,)
        return {"logits": -error, "reconstruction": reconstruction}


def pair(before: int, after: int) -> nn.Sequential:
    """Two 3x3 convolutions with exponential linear units."""
    first, second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
    return nn.Sequential(first, nn.ELU(), second, nn.ELU())
