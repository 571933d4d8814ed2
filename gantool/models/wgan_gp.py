"""WGAN-GP's residual networks for CIFAR-10: Gulrajani et al.

(2017), arXiv:1704.00028, appendix F, and the authors' code.
"""

from functools import partial
from math import prod
from typing import final

from torch import Tensor, nn
from torch.nn.functional import relu

from gantool.layers.norm import norm as norm_of
from gantool.layers.residual import DownBlock, FirstDownBlock, UpBlock
from gantool.layers.resolution import Resolution, halvings


@final
class Generator(nn.Module):
    """A linear layer to 4x4 and one residual up-block per halving of the resolution.

    Args:
        latent: size Z of the latent.
        width: channels of every stage.
        channels: of the image.
        resolution: of the image, in pixels; 32 gives the paper's network, 28 starts from 7x7.
        norm: batch, layer, instance or none.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution, norm: str = "batch"):
        super().__init__()
        blocks, base = halvings(resolution)
        self.base = (width, *base)
        self.linear = nn.Linear(latent, prod(self.base))
        self.blocks = nn.Sequential(*[UpBlock(width, width, partial(norm_of, norm)) for _ in range(blocks)])
        self.norm = norm_of(norm, width)
        self.output = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.linear(z).unflatten(1, self.base)  # (N, width, 4, 4)
        h = self.blocks(h)  # (N, width, H, W)
        return self.output(relu(self.norm(h))).tanh()  # (N, C, H, W)


@final
class Critic(nn.Module):
    """Residual blocks down to 8x8 (32 px: 32, 16, 8), two more of that size, mean over pixels, one linear.

    Args:
        width: channels of every stage.
        channels: of the image.
        resolution: of the image, in pixels.
        norm: layer, instance or none; the paper's CIFAR critic has none.
    """

    def __init__(self, width: int, channels: int, resolution: Resolution, norm: str = "none"):
        super().__init__()
        blocks, base = halvings(resolution)
        halving = max(
            blocks - (min(base) < 6), 1
        )  # 4x4 and 5x5 are too small to go on with: stop at twice that
        self.blocks = nn.Sequential(
            FirstDownBlock(channels, width),
            *[DownBlock(width, width, norm, halve=True) for _ in range(halving - 1)],
            DownBlock(width, width, norm, halve=False),
            DownBlock(width, width, norm, halve=False),
        )
        self.linear = nn.Linear(width, 1)

    def forward(self, image: Tensor) -> Tensor:
        h = relu(self.blocks(image))  # (N, width, H', W')
        return self.linear(h.mean((2, 3))).squeeze(1)  # (N,)
