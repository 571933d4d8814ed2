"""One decoded image in, one image out, by a trained generator."""

import zlib
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gantool import memory
from gantool.data.colours import Colour, backdrop, recolour, unsee
from gantool.data.module import to_range
from gantool.data.resize import resize
from gantool.images import TRANSPARENT, to_uint8
from gantool.seeds import reseed
from gantool.tasks.task import moved
from gantool.tiles import Tiles

LEAST = 16  # pixels of a side; smaller images are padded meanwhile
FAR = 2  # times as large as in training, or as small


@final
@dataclass(frozen=True)
class Translator:
    """A generator, and how images are shown to it.

    Args:
        network: (N, C', H, W) to (N, C, s H, s W), both in [-1, 1].
        channels: C'.
        trained: pixels of the shorter side in training; None = images of any size are alike to it.
        background: the colour behind transparency, as in training.
        side: pixels of the shorter side that images get; None = they keep their size.
        tiles: pieces of images.
        transparent: a result has its source's alpha where the network knows none.
        seed: of the network's noise.
    """

    network: nn.Module
    channels: int
    trained: int | None
    background: Colour
    side: int | None
    tiles: Tiles
    transparent: bool
    seed: int

    def __call__(
        self, image: np.ndarray, follow: bool = False, key: int | None = None
    ) -> tuple[Tensor, Tensor, np.ndarray]:
        """What the network sees, (1, C', H, W), what it makes, (1, C, s H, s W), and that as pixels.

        Args:
            image: as decoded, (H, W, C'').
            follow: show a bar of the tiles.
            key: what noise depends on beside the seed; None = on the image.

        Raises OutOfMemory, a ValueError, with a cure.
        """
        size = self.size_of(image)
        opaque = unsee(resize(recolour(image, self.channels, self.background), size), self.background)
        pixels = torch.from_numpy(opaque.transpose(2, 0, 1).copy())  # (C', H, W)
        source = to_range(pixels, torch.get_default_dtype())[None]
        own = zlib.crc32(np.ascontiguousarray(image).data) if key is None else key
        made = self.made(source, own, follow)
        picture = pixels_of(made, deep=image.dtype == np.uint16)
        if self.transparent and not {self.channels, made.shape[1]} & {*TRANSPARENT}:
            picture = cut_out(picture, image, self.background)
        return source, made, picture

    def size_of(self, image: np.ndarray) -> tuple[int, int]:
        """Height and width in which the network sees an image; proportions stay."""
        height, width = image.shape[:2]
        if self.side is None:
            return height, width
        factor = self.side / min(height, width)
        return round(factor * height), round(factor * width)

    def far(self, image: np.ndarray) -> bool:
        """Whether the network sees it in another size than it has learnt from, by far."""
        shorter = min(self.size_of(image))
        return self.trained is not None and not self.trained / FAR <= shorter <= self.trained * FAR

    @torch.no_grad()
    def made(self, source: Tensor, key: int, follow: bool) -> Tensor:
        """(1, C, s H, s W), on the CPU.

        Args:
            key: noise depends on it and on the seed alone.
        """
        device = next(self.network.parameters()).device

        def make(tile: Tensor, number: int) -> Tensor:
            height, width = tile.shape[2:]
            missing = (0, max(0, LEAST - width), 0, max(0, LEAST - height))
            shown = moved({"source": pad(tile, missing, mode="replicate")}, self.network)["source"]
            reseed(device, self.seed, "translate", key, number)
            made = self.network(shown)
            scale = made.shape[2] // shown.shape[2]
            return made[:, :, : scale * height, : scale * width].float()

        with torch.random.fork_rng(devices=[]):
            try:
                with memory.named():
                    return self.tiles(make, source, follow)
            except memory.OutOfMemory as error:
                height, width = source.shape[2:]
                less = (self.tiles.side or max(height, width)) // 2
                cure = f"give tile={less}" if less > self.tiles.shared + LEAST else "use device=cpu"
                raise memory.OutOfMemory(f"{width} x {height} pixels: {error}; {cure}.") from error


def pixels_of(made: Tensor, deep: bool) -> np.ndarray:
    """(1, C, H, W) in [-1, 1] to (H, W, C): 8 bits, or 16 where that is wanted and a file can hold it."""
    if not deep or made.shape[1] != 1:
        return to_uint8(made)[0]
    scaled = made[0].double().clamp(-1, 1).add(1).mul(32767.5).round()
    return scaled.permute(1, 2, 0).numpy().astype(np.uint16)


def cut_out(picture: np.ndarray, image: np.ndarray, background: Colour) -> np.ndarray:
    """A picture (H, W, C) of what lay on a background, with the alpha that the image (H', W', C'') may have.

    The network saw x = a f + (1 - a) b, with the background b shining through the image f. Of what it made
    of that, y, the background is taken away again: f' = (y - (1 - a) b) / a. So there is no pale rim, and
    before the same background the result is y.
    """
    if image.shape[2] not in TRANSPARENT:
        return picture
    alpha = resize(np.ascontiguousarray(image[:, :, -1:]), picture.shape[:2])  # (H, W, 1)
    share = alpha.astype(np.float32) / 255
    behind = backdrop(background, picture.shape[2], picture.dtype).astype(np.float32)
    seen = (picture - (1 - share) * behind) / np.maximum(share, 1 / 255)
    result = np.concatenate([seen.round().clip(0, 255).astype(np.uint8), alpha], 2)
    return unsee(result, background)
