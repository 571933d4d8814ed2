"""f-AnoGAN: Schlegl, Seeboeck, Waldstein, Langs & Schmidt-Erfurth (2019), Medical Image Analysis 54.

The networks are the 64-pixel residual ones of WGAN-GP, Gulrajani et al. (2017), arXiv:1704.00028, as the
authors of f-AnoGAN use them in their code.
"""

from functools import partial
from math import prod
from typing import final

from torch import Tensor, nn
from torch.nn.functional import relu

from gantool.layers.encoded import Inverted
from gantool.layers.norm import norm as norm_of
from gantool.layers.residual import DownBlock, UpBlock
from gantool.layers.resolution import Resolution, halvings

MOST = 8  # times the width that a stage has at most


@final
class Generator(Inverted):
    """WGAN-GP's generator, and the encoder that learns to invert it once it rests.

    Differs from the authors' code: the encoder has layer norm as the critic has, not batch norm, whose
    statistics would not be those of averaged weights.

    Args:
        latent: size Z of the latent.
        width: channels of the largest stage; the smallest has up to 8 times as many.
        channels: of the image.
        resolution: of the image, in pixels; 64 gives the authors' network.
        norm: of the generator: batch, layer, instance or none.
        norm_of_encoder: layer, instance or none.
    """

    def __init__(
        self,
        latent: int,
        width: int,
        channels: int,
        resolution: Resolution,
        norm: str = "batch",
        norm_of_encoder: str = "layer",
    ):
        super().__init__()
        self.decoder = Decoder(latent, width, channels, resolution, norm)
        self.encoder = Encoder(latent, width, channels, resolution, norm_of_encoder)


@final
class Decoder(nn.Module):
    """A linear layer and one residual up-block per doubling: (N, Z) to (N, C, H, W) in [-1, 1]."""

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution, norm: str):
        super().__init__()
        widths, base = stages(width, resolution)
        widths = widths[::-1]
        self.base = (widths[0], *base)
        self.linear = nn.Linear(latent, prod(self.base))
        self.blocks = nn.Sequential(
            *(UpBlock(a, b, partial(norm_of, norm)) for a, b in zip(widths, widths[1:], strict=False))
        )
        self.norm = norm_of(norm, widths[-1])
        self.output = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.blocks(self.linear(z).unflatten(1, self.base))  # (N, width, H, W)
        return self.output(relu(self.norm(h))).tanh()


@final
class Encoder(nn.Module):
    """The critic with Z outputs: (N, C, H, W) to (N, Z) in [-1, 1], as the paper's tanh bounds them."""

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution, norm: str):
        super().__init__()
        self.features, size = features(width, channels, resolution, norm)
        self.linear = nn.Linear(size, latent)

    def forward(self, image: Tensor) -> Tensor:
        return self.linear(self.features(image)).tanh()


@final
class Critic(nn.Module):
    """Residual down-blocks and a linear layer; answers "logits" (N,) and "features" (N, F), its inputs.

    Args:
        width: channels of the first stage; each later stage has twice as many, up to 8 times.
        channels: of the image.
        resolution: of the image, in pixels.
        norm: layer, instance or none.
    """

    def __init__(self, width: int, channels: int, resolution: Resolution, norm: str = "layer"):
        super().__init__()
        self.features, size = features(width, channels, resolution, norm)
        self.linear = nn.Linear(size, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        seen = self.features(image)  # (N, F)
        return {"logits": self.linear(seen).squeeze(1), "features": seen}


def stages(width: int, resolution: Resolution) -> tuple[list[int], tuple[int, int]]:
    """Channels at each size from the largest on (64 px: w 2w 4w 8w 8w), and the smallest size."""
    number, base = halvings(resolution)
    return [width * min(2**stage, MOST) for stage in range(number + 1)], base


def features(width: int, channels: int, resolution: Resolution, norm: str) -> tuple[nn.Sequential, int]:
    """(N, C, H, W) to (N, F), and F."""
    widths, base = stages(width, resolution)
    blocks = (DownBlock(a, b, norm, halve=True) for a, b in zip(widths, widths[1:], strict=False))
    first = nn.Conv2d(channels, width, 3, padding=1)
    return nn.Sequential(first, *blocks, nn.Flatten()), widths[-1] * prod(base)
