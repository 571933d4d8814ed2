"""Bring decoded images to one format: channels, depth and size. Shared by all data sets."""

from dataclasses import dataclass
from typing import final

import numpy as np
from PIL import Image

from gantool.data.colours import WHITE, Colour, backdrop, change_depth, recolour, unsee

Size = tuple[int, int]  # (H, W)


@final
@dataclass(frozen=True)
class Format:
    """What every image of a set becomes.

    Args:
        fit: what happens where the proportions differ: `crop` cuts what protrudes on both sides, `pad` adds
            background on both sides, `stretch` distorts.
        background: the colour behind transparency and padding.
    """

    channels: int
    size: Size
    depth: int = 8  # bits: 8 or 16
    fit: str = "crop"
    background: Colour = WHITE

    def __post_init__(self):
        if self.channels not in (1, 2, 3, 4):
            raise ValueError(
                f"data.channels={self.channels}; use 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA)."
            )
        if self.fit not in FITS:
            raise ValueError(f"data.fit={self.fit}; use {', '.join(FITS)}.")

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(np.uint16 if self.depth == 16 else np.uint8)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, *self.size

    @property
    def bytes(self) -> int:
        """Memory of one image."""
        return self.channels * self.size[0] * self.size[1] * self.depth // 8

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """(H, W, C) of any size, channels and depth -> (C, H, W) of this format."""
        image = recolour(change_depth(image, self.dtype), self.channels, self.background)
        if image.shape[:2] != self.size:
            image = FITS[self.fit](image, self.size, self.background)
        return unsee(image, self.background).transpose(2, 0, 1)


def crop(image: np.ndarray, size: Size, background: Colour) -> np.ndarray:
    scale = max(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(side / scale)) for side in size)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return resize(image[top : top + height, left : left + width], size)


def pad(image: np.ndarray, size: Size, background: Colour) -> np.ndarray:
    scale = min(size[0] / image.shape[0], size[1] / image.shape[1])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    canvas = np.empty((*size, image.shape[2]), image.dtype)
    canvas[:] = backdrop(background, image.shape[2], image.dtype)
    canvas[top : top + height, left : left + width] = resize(image, (height, width))
    return canvas


def stretch(image: np.ndarray, size: Size, background: Colour) -> np.ndarray:
    return resize(image, size)


FITS = {"crop": crop, "pad": pad, "stretch": stretch}


def resize(image: np.ndarray, size: Size) -> np.ndarray:
    """Lanczos resampling with antialiasing, (H, W, C) to another size.

    Colours are weighted by their alpha, so that invisible pixels lend no colour to their neighbours.
    """
    if image.shape[:2] == size:
        return image
    if image.dtype == np.uint8:
        # Pillow itself multiplies LA and RGBA by alpha for the time of resampling.
        picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else np.ascontiguousarray(image))
        return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.LANCZOS)).reshape(*size, -1)
    return _resize_deep(image, size)


def _resize_deep(image: np.ndarray, size: Size) -> np.ndarray:
    """16 bits: Pillow resamples these only one channel at a time, as float."""
    planes = image.astype(np.float32)
    transparent = image.shape[2] in (2, 4)
    if transparent:
        planes[:, :, :-1] *= planes[:, :, -1:] / 65535
    resized = np.stack([_resize_plane(planes[:, :, c], size) for c in range(image.shape[2])], axis=2)
    if transparent:
        resized[:, :, :-1] /= np.maximum(resized[:, :, -1:], 0.5) / 65535
    return resized.clip(0, 65535).round().astype(np.uint16)


def _resize_plane(plane: np.ndarray, size: Size) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.LANCZOS))


def resize_all(images: np.ndarray, form: Format) -> np.ndarray:
    """(N, H, W, C) -> (N, C, H, W) of one format."""
    resized = np.empty((len(images), *form.shape), form.dtype)
    for position, image in enumerate(images):
        resized[position] = form(image)
    return resized
