"""Shards for tests: written with tarfile, so that they owe nothing to our own script."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def picture(value: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """A PNG of one colour, by which it is known again."""
    file = io.BytesIO()
    Image.fromarray(np.full((*size, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def damaged() -> bytes:
    """A PNG that only decoding finds to be corrupt."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()[:80] + bytes(100) + file.getvalue()[180:]


def tar(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


def numbered(folder: Path, sizes: Sequence[int] = (5, 3, 4, 1, 6), classes: int = 3) -> Path:
    """Shards whose images are 0, 1, 2, … throughout, image i of the class named i mod `classes`."""
    number = 0
    for shard, size in enumerate(sizes):
        files: dict[str, bytes] = {}
        for _ in range(size):
            files[f"{number:04d}.png"] = picture(number)
            if classes and number % 2:
                files[f"{number:04d}.cls"] = f"{number % classes}\n".encode()
            elif classes:
                files[f"{number:04d}.json"] = json.dumps({"label": number % classes}).encode()
            number += 1
        tar(folder / f"a-{shard:03d}.tar", files)
    return folder
