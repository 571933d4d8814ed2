"""Sets of images by their content, and what was found out about them, kept for the next time."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from gantool.data.image_set import ImageSet
from gantool.data.lock import locked

TOGETHER = 1000  # images read at once
PIECE = 1 << 20  # bytes of a file hashed at once


@lru_cache(maxsize=4)
def content(images: ImageSet) -> str:
    """16 letters that depend on all pixels, labels and their order, and on nothing else."""
    digest = hashlib.blake2b(f"{images.shape} {len(images)} {images.classes}".encode(), digest_size=8)
    for start in range(0, len(images), TOGETHER):
        batch = images[range(start, min(start + TOGETHER, len(images)))]
        for name, value in sorted(batch.items()):
            digest.update(f"{name} {value.dtype}".encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def digest_of(file: Path) -> str:
    """The first 8 letters of a file's SHA-256, as torch puts them into the names of weights."""
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()[:8]


def kept(file: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors from a file, or made and written there by one process while others wait.

    They are read only as far as they are used.
    """
    with locked(file.parent / f".{file.stem}.lock"):
        if not file.exists():
            beside = file.with_suffix(".part")
            torch.save(make(), beside)
            beside.replace(file)
    return torch.load(file, map_location="cpu", weights_only=True, mmap=True)
