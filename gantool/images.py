"""Images on their way to files: from [-1, 1] to pictures."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

TRANSPARENT = (2, 4)  # channels, of which the last is alpha
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def to_uint8(images: Tensor) -> np.ndarray:
    """(N, C, H, W) in [-1, 1] to (N, H, W, C) in 0..255."""
    scaled = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return scaled.to("cpu", torch.uint8).permute(0, 2, 3, 1).numpy()


def picture_of(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """A grid of (N, H, W, C) images as one (H', W', C), row by row, the last row filled up with black.

    `columns=None` makes it as square as may be.
    """
    count, height, width, channels = images.shape
    square = min(count, max(1, round((count * height / width) ** 0.5)))
    across = columns or square
    rows = -(-count // across)
    grid = np.zeros((rows * (height + gap) + gap, across * (width + gap) + gap, channels), np.uint8)
    for i, image in enumerate(images):
        top, left = i // across * (height + gap) + gap, i % across * (width + gap) + gap
        grid[top : top + height, left : left + width] = image
    return grid


def table_of(columns: list[Tensor]) -> np.ndarray:
    """Images of K tensors (N, C, H, W) in [-1, 1] as one picture: what belongs together side by side.

    Grey becomes RGB where others have colours, what has no alpha is opaque where others have one, and small
    images are enlarged; K = 1 is a plain grid.
    """
    colours = max(column.shape[1] - (column.shape[1] in TRANSPARENT) for column in columns)
    transparent = any(column.shape[1] in TRANSPARENT for column in columns)
    height = max(column.shape[2] for column in columns)
    alike = [in_channels(enlarged(column, height), colours, transparent) for column in columns]
    rows = np.stack([to_uint8(column) for column in alike], 1)  # (N, K, H, W, C)
    count, together, height, width, _ = rows.shape
    across = max(1, round((count * height / (width * together)) ** 0.5)) * together
    return picture_of(rows.reshape(count * together, *rows.shape[2:]), min(across, count * together))


def enlarged(images: Tensor, height: int) -> Tensor:
    """(N, C, H, W) to (N, C, height, …), every pixel a block."""
    if images.shape[2] == height:
        return images
    return interpolate(images, scale_factor=height / images.shape[2], mode="nearest")


def in_channels(images: Tensor, colours: int, transparent: bool) -> Tensor:
    alpha = images[:, -1:] if images.shape[1] in TRANSPARENT else torch.ones_like(images[:, :1])
    opaque = images[:, :-1] if images.shape[1] in TRANSPARENT else images
    opaque = opaque.expand(-1, colours, -1, -1) if opaque.shape[1] == 1 else opaque
    return torch.cat([opaque, alpha], 1) if transparent else opaque


def save(picture: np.ndarray, path: Path) -> None:
    """One (H, W, C) picture of 1 to 4 channels as a file: grey, grey with alpha, RGB, RGBA."""
    channels = picture.shape[2]
    if channels not in MODES:
        raise ValueError(f"{path.name}: pictures have 1 to 4 channels, not {channels}.")
    pixels = picture[:, :, 0] if channels == 1 else picture
    Image.fromarray(np.ascontiguousarray(pixels), MODES[channels]).save(path)
