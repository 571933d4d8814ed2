"""The networks of pix2pix: Isola, Zhu, Zhou & Efros (2017), arXiv:1611.07004, section 6.1."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from gantool.layers.noisy import Noisy
from gantool.layers.norm import biased
from gantool.layers.norm import norm as norm_of
from gantool.layers.padded import Padded, cropped
from gantool.layers.resolution import Resolution, height_and_width


@final
class Generator(Padded, Noisy):
    """U-Net: (N, C', H, W) to (N, C, H, W) in [-1, 1], halved `depth` times on the way and doubled again.

    What comes up is joined with what went down at the same size. Noise enters as dropout alone. Images whose
    sides are no multiples of 2^depth are padded on the way in and cropped on the way out.

    Args:
        width: features of the first layer; each deeper one has twice as many, up to 8 times.
        source_channels: C'.
        channels: C.
        resolution: of the images that it is trained on.
        depth: None = until the shorter side is 1, but 8 times at most: the paper's, for 256 pixels.
        norm: `instance` is what the paper's batch norm does to its batches of one image, and keeps doing it
            to larger ones.
        dropout: in the three layers behind the innermost.
        noise: whether dropout goes on when the trained network is used: section 3.2.
    """

    def __init__(
        self,
        width: int,
        source_channels: int,
        channels: int,
        resolution: Resolution,
        depth: int | None = None,
        norm: str = "instance",
        dropout: float = 0.5,
        noise: bool = True,
    ):
        deepest = min(height_and_width(resolution)).bit_length() - 1
        depth = min(deepest, 8) if depth is None else depth
        if not 2 <= depth <= deepest:
            raise ValueError(
                f"model.G.depth={depth}: images of data.resolution={resolution} can be halved "
                f"{deepest} times; give 2 to {deepest}."
            )
        super().__init__(multiple=2**depth)
        self.dropout, self.noise = dropout, noise
        widths = [width * min(2**level, 8) for level in range(depth)]
        bias = biased(norm)
        self.first = nn.Conv2d(source_channels, widths[0], 4, 2, 1, bias=bias)
        self.downs = nn.ModuleList(
            nn.Sequential(
                nn.LeakyReLU(0.2),
                nn.Conv2d(before, after, 4, 2, 1, bias=bias),
                norm_of(norm if level < depth - 1 else "none", after),
            )
            for level, (before, after) in enumerate(zip(widths, widths[1:], strict=False), start=1)
        )
        inner = [widths[-1], *(2 * features for features in widths[-2::-1])]  # joined with what went down
        self.ups = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=bias), norm_of(norm, after)
            )
            for before, after in zip(inner, widths[-2::-1], strict=False)
        )
        self.last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(inner[-1], channels, 4, 2, 1), nn.Tanh())

    def forward(self, source: Tensor) -> Tensor:
        x = self.first(self.padded(source))
        passed: list[Tensor] = []
        for layer in self.downs:
            passed.append(x)
            x = layer(x)
        for number, layer in enumerate(self.ups):
            x = layer(x)
            if number < 3:
                x = dropout(x, self.dropout, self.training or self.noise)
            x = torch.cat([passed.pop(), x], 1)
        return cropped(self.last(x), source)
