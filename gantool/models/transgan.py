"""TransGAN: Jiang, Chang & Wang (2021), arXiv:2102.07074; the CIFAR-10 networks as in the authors' code.

The networks initialise themselves as the authors' do: convolutions Glorot uniform, positions and D's linear
layers N(0, 0.02), all else as torch does.
"""

from math import gcd, prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, gelu, interpolate, pixel_shuffle

from gantool.layers.resolution import Resolution, halvings

HEADS = 4
FULL = 32 * 32  # the largest map on which every token attends to every other: section 3.3
GRID = 16  # side of the largest window on a larger one
MEAN_DEPTH = 4  # blocks of every stage of G between the first and the last


def positions(*shape: int) -> nn.Parameter:
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02))


def glorot(layer: nn.Conv2d) -> nn.Module:
    nn.init.xavier_uniform_(layer.weight)
    return layer


@final
class Attention(nn.Module):
    """Self-attention with a learnt bias for each head and offset: softmax(q k / sqrt(d) + bias[q - k]) v.

    Vaswani et al. (2017), arXiv:1706.03762, eq. 1; relative positions: section 3.3.

    Args:
        width: channels; 4 heads, or as many as divide the width.
        size: (H, W) of the window of tokens; None = no bias, tokens are in no order.
        noisy: add N(0, strength^2), one number for each token, to what attends; the strength is learnt. The
            authors' D has it.
    """

    def __init__(self, width: int, size: tuple[int, int] | None, noisy: bool):
        super().__init__()
        self.heads = gcd(width, HEADS)
        self.size = size
        self.strength = nn.Parameter(torch.zeros(())) if noisy else None
        self.tokens = nn.Linear(width, 3 * width, bias=False)
        self.output = nn.Linear(width, width)
        self.bias = positions(self.heads, 2 * size[0] - 1, 2 * size[1] - 1) if size else None

    def forward(self, x: Tensor) -> Tensor:
        if self.strength is not None:
            x = x + self.strength * torch.randn(*x.shape[:2], 1, device=x.device, dtype=x.dtype)
        query, key, value = self.tokens(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        scores = query @ key.mT * query.shape[-1] ** -0.5  # (N, heads, T, T)
        if self.bias is not None and self.size is not None:
            scores = scores + relative(self.bias, self.size)
        return self.output((scores.softmax(3) @ value).transpose(1, 2).flatten(2))  # (N, T, width)


def relative(bias: Tensor, size: tuple[int, int]) -> Tensor:
    """(heads, 2H - 1, 2W - 1) -> (heads, T, T): query (a, b) and key (c, d) share that of (a - c, b - d)."""
    windows = bias.unfold(1, size[0], 1).unfold(2, size[1], 1)  # (heads, H, W, H, W), at (a + c', b + d')
    return windows.flip(3, 4).reshape(len(bias), prod(size), -1)


@final
class Block(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)): a transformer encoder's block with layer norm and GELU.

    Args:
        width: channels.
        size: (H, W) of the tokens; None = they are in no order.
        noisy: see Attention.
    """

    def __init__(self, width: int, size: tuple[int, int] | None, noisy: bool = False):
        super().__init__()
        self.size = size
        self.window = window_of(size) if size else None
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, self.window, noisy)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm1(x)  # (N, T, width)
        x = x + (self.attention(h) if self.window == self.size else self.in_windows(h))
        return x + self.narrow(gelu(self.widen(self.norm2(x))))

    def in_windows(self, h: Tensor) -> Tensor:
        """Grid self-attention: each window alone."""
        assert self.size
        assert self.window
        (H, W), (height, width) = self.size, self.window
        rows, columns = H // height, W // width
        h = h.unflatten(1, (rows, height, columns, width)).transpose(2, 3)  # (N, rows, columns, h, w, C)
        h = self.attention(h.flatten(0, 2).flatten(1, 2))
        h = h.unflatten(0, (-1, rows, columns)).unflatten(3, (height, width))
        return h.transpose(2, 3).flatten(1, 4)


def window_of(size: tuple[int, int]) -> tuple[int, int]:
    """All of a map of up to 32x32 tokens; of a larger one windows of 16x16, or the next smaller that fit."""
    if prod(size) <= FULL:
        return size
    height, width = (max(k for k in range(1, GRID + 1) if side % k == 0) for side in size)
    return height, width


def as_tokens(image: Tensor) -> Tensor:
    return image.flatten(2).transpose(1, 2)  # (N, C, H, W) -> (N, H W, C)


def as_image(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    return tokens.transpose(1, 2).unflatten(2, size)  # (N, H W, C) -> (N, C, H, W)


@final
class Generator(nn.Module):
    """Tokens of 8x8, 16x16, 32x32, each a transformer; pixels are shuffled in between. Section 3.1.

    Args:
        latent: size Z of the latent.
        width: channels of the last stage; 4 times as many before it, 16 times before that.
        channels: of the image.
        resolution: of the image, in pixels; 28 starts from 14x14. Above 32 further stages of 16 `width` come
            first, enlarged bicubically as in section 4.3.

    Differs from the paper: 5, 4, ..., 4, 2 blocks for whatever number of stages; published for 3.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution):
        super().__init__()
        count, (height, breadth) = halvings(resolution)
        doublings = count - 1
        self.sizes = [(2 * height * 2**k, 2 * breadth * 2**k) for k in range(doublings + 1)]
        self.widths = [width * 4 ** min(doublings - k, 2) for k in range(doublings + 1)]
        depths = [5, *[MEAN_DEPTH] * (doublings - 1), 2][: doublings + 1]
        self.linear = nn.Linear(latent, self.widths[0] * prod(self.sizes[0]))
        self.positions = nn.ParameterList(
            [positions(1, prod(size), wide) for size, wide in zip(self.sizes, self.widths, strict=True)]
        )
        self.stages = nn.ModuleList(
            [
                nn.Sequential(*[Block(wide, size) for _ in range(depth)])
                for size, wide, depth in zip(self.sizes, self.widths, depths, strict=True)
            ]
        )
        self.output = glorot(nn.Conv2d(width, channels, 1))

    def forward(self, z: Tensor) -> Tensor:
        h = self.linear(z).unflatten(1, (prod(self.sizes[0]), -1))  # (N, 64, 16 width)
        for k, stage in enumerate(self.stages):
            if k:
                h = self.enlarged(h, k)  # (N, 256, 4 width), (N, 1024, width)
            h = stage(h + self.positions[k])
        return self.output(as_image(h, self.sizes[-1]))  # (N, C, H, W)

    def enlarged(self, h: Tensor, stage: int) -> Tensor:
        image = as_image(h, self.sizes[stage - 1])
        if self.widths[stage] < self.widths[stage - 1]:
            return as_tokens(pixel_shuffle(image, 2))
        return as_tokens(interpolate(image, scale_factor=2.0, mode="bicubic"))


@final
class Discriminator(nn.Module):
    """Small patches through 3 blocks, halved; with larger patches through 3 more; a class token's verdict.

    Multi-scale: section 3.1. 32 px: 16x16 patches of 2x2 pixels, then 8x8 of 4x4.

    Args:
        width: a sixth of the channels behind the second stage: 64 for the published 384.
        channels: of the image.
        resolution: of the image, in pixels.
    """

    def __init__(self, width: int, channels: int, resolution: Resolution):
        super().__init__()
        count, base = halvings(resolution)
        patch = 2 ** max(count - 2, 1)
        full = 6 * width
        coarse = full // 4
        fine = full - coarse
        sides = [side * 2**count for side in base]
        small, large = ((sides[0] // step, sides[1] // step) for step in (patch, 2 * patch))
        self.size = small
        self.fine = glorot(nn.Conv2d(channels, fine, patch, stride=patch))
        self.coarse = glorot(nn.Conv2d(channels, coarse, 2 * patch, stride=2 * patch))
        self.fine_positions = positions(1, prod(small), fine)
        self.positions = positions(1, prod(large), full)
        self.token = positions(1, 1, full)
        self.fine_blocks = nn.Sequential(*[Block(fine, small, noisy=True) for _ in range(3)])
        self.blocks = nn.Sequential(*[Block(full, large, noisy=True) for _ in range(3)])
        self.last = Block(full, None, noisy=True)
        self.norm = nn.LayerNorm(full)
        self.linear = nn.Linear(full, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor) -> Tensor:
        h = self.fine_blocks(as_tokens(self.fine(image)) + self.fine_positions)  # (N, 256, 4.5 width)
        h = as_tokens(avg_pool2d(as_image(h, self.size), 2))
        h = torch.cat([h, as_tokens(self.coarse(image))], 2)  # (N, 64, 6 width)
        h = self.blocks(h + self.positions)
        h = self.last(torch.cat([self.token.expand(len(h), -1, -1), h], 1))  # (N, 65, 6 width)
        return self.linear(self.norm(h)[:, 0]).squeeze(1)  # (N,)
