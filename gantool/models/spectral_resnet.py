"""The residual networks of SNGAN, cGAN with projection, SAGAN and BigGAN: one shape, set by its arguments.

Miyato et al. (2018), arXiv:1802.05957; Miyato & Koyama (2018), arXiv:1802.05637; Zhang et al. (2019),
arXiv:1805.08318; Brock et al. (2019), arXiv:1809.11096.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from gantool.layers.attention import attentions
from gantool.layers.conditional_norm import norm_for, refuse_mismatch
from gantool.layers.projection import Projection
from gantool.layers.residual import DownBlock, FirstDownBlock, UpBlock
from gantool.layers.resolution import Resolution, halvings
from gantool.layers.spectral import normalise
from gantool.layers.stages import down_to, widths_of


@final
class Generator(nn.Module):
    """A linear layer to 4x4 and one residual up-block per halving of the resolution.

    Classes reach every batch norm but the last: as a gain and a bias per class; or, with `shared`, as linear
    functions of an embedding that all blocks share (BigGAN), and then also of a chunk of the latent, if it is
    hierarchical: the first chunk enters the linear layer, each other one a block.

    Args:
        latent: size Z of the latent.
        width: channels of the feature maps.
        channels: of the image.
        resolution: of the image, in pixels; 32 and 128 give the papers' networks, 28 starts from 7x7.
        classes: number K of labels; None = unconditional.
        shared: size of the embedding of the classes; None = none.
        hierarchical: cut the latent into equal chunks; needs `shared`.
        multipliers: of the width: at 4x4, then after each block; None = 1 everywhere.
        attention: shorter side of the feature map that sees itself, see `attentions`; None = none.
        spectral_epsilon: of spectral norm in every convolution and linear layer; None = no spectral norm.
    """

    def __init__(
        self,
        latent: int,
        width: int,
        channels: int,
        resolution: Resolution,
        classes: int | None = None,
        shared: int | None = None,
        hierarchical: bool = False,
        multipliers: Sequence[int] | None = None,
        attention: int | None = None,
        spectral_epsilon: float | None = None,
    ):
        super().__init__()
        blocks, base = halvings(resolution)
        widths = widths_of("G", width, multipliers, blocks + 1)
        self.classes = classes
        self.chunk = chunk_size(latent, blocks + 1) if hierarchical else latent
        self.embedding = embedding_of(classes, shared, hierarchical)
        vector = None if shared is None else shared + (self.chunk if hierarchical else 0)
        self.base = (widths[0], *base)
        self.linear = nn.Linear(self.chunk, prod(self.base))
        norm = norm_for(classes, vector)
        self.blocks = nn.ModuleList(UpBlock(*pair, norm) for pair in pairwise(widths))
        sides = [min(base) * 2**block for block in range(1, blocks + 1)]
        self.attentions = attentions(attention, widths[1:], sides)
        self.norm = nn.BatchNorm2d(widths[-1])
        self.output = nn.Conv2d(widths[-1], channels, 3, padding=1)
        if spectral_epsilon is not None:
            normalise(self, spectral_epsilon)  # it leaves embeddings as they are, as the authors do

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        refuse_mismatch("G", self.classes, label)
        first, *others = z.split(self.chunk, 1)  # (N, chunk) each; no others unless hierarchical
        h = self.linear(first).unflatten(1, self.base)  # (N, width, 4, 4)
        for i, (block, attention) in enumerate(zip(self.blocks, self.attentions, strict=True)):
            h = attention(block(h, self.condition(label, others[i : i + 1])))
        return self.output(relu(self.norm(h))).tanh()  # (N, C, H, W)

    def condition(self, label: Tensor | None, chunk: list[Tensor]) -> Tensor | None:
        """What the norms of a block see: labels (N,), or vectors (N, shared + chunk)."""
        if self.embedding is None:
            return label
        return torch.cat([self.embedding(label), *chunk], 1)


@final
class Discriminator(nn.Module):
    """Residual blocks that halve the image, some that do not, sum over pixels, and a projection.

    Every layer is under spectral norm. The sum, where WGAN-GP takes the mean, makes the hinge's margin H W
    times narrower.

    Args:
        width: channels of the feature maps.
        channels: of the image.
        resolution: of the image, in pixels.
        classes: number K of labels; None = unconditional.
        multipliers: of the width, after each block; None = 1 everywhere.
        wide: between a block's convolutions are as many channels as after it, otherwise as before it: of the
            first block, as the image has (Brock's code; with equal widths, only this block differs).
        plain: blocks after the last halving.
        smallest: the shorter side of the last feature map is this or more: 32 px -> 8x8 with 6.
        attention: shorter side of the feature map that sees itself, see `attentions`; None = none.
        bias: of the last linear layer.
        spectral_epsilon: of spectral norm.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        classes: int | None = None,
        multipliers: Sequence[int] | None = None,
        wide: bool = True,
        plain: int = 2,
        smallest: int = 6,
        attention: int | None = None,
        bias: bool = True,
        spectral_epsilon: float = 1e-12,
    ):
        super().__init__()
        halving, base = down_to(resolution, smallest)
        widths = [channels, *widths_of("D", width, multipliers, halving + plain)]
        blocks: list[nn.Module] = []
        for i, (before, after) in enumerate(pairwise(widths)):
            hidden = after if wide else before
            if i == 0:
                blocks += [FirstDownBlock(before, after, hidden)]
            else:
                blocks += [DownBlock(before, after, "none", halve=i < halving, hidden=hidden)]
        self.blocks = nn.ModuleList(blocks)
        sides = [min(base) * 2 ** max(halving - i, 0) for i in range(1, len(blocks) + 1)]
        self.attentions = attentions(attention, widths[1:], sides)
        self.head = Projection(widths[-1], classes, bias)
        normalise(self, spectral_epsilon)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        h = image
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            h = attention(block(h))
        return self.head(relu(h).sum((2, 3)), label)  # (N,)


def chunk_size(latent: int, chunks: int) -> int:
    """Size of each of so many equal chunks of a latent. Raises ValueError where it does not divide."""
    if latent % chunks:
        nearest = max(round(latent / chunks), 1) * chunks
        raise ValueError(
            f"model.G.latent={latent} cannot be cut into {chunks} equal chunks, as hierarchical=true and "
            f"this data.resolution ask: give {nearest}."
        )
    return latent // chunks


def embedding_of(classes: int | None, shared: int | None, hierarchical: bool) -> nn.Embedding | None:
    """The embedding of classes that all blocks share. Raises ValueError where there is nothing to share."""
    if shared is None:
        if hierarchical:
            raise ValueError("model.G.hierarchical=true needs an embedding to join: set model.G.shared=128.")
        return None
    if classes is None:
        raise ValueError(
            f"model.G.shared={shared} embeds classes, but model.G.classes=null: set both or none."
        )
    return nn.Embedding(classes, shared)
