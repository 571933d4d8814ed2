"""Images in files, for tests of what reads them."""

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from gantool.data.folder import folder
from gantool.data.image_set import ImageSet, InMemory

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _clean_slate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and the same noise whatever ran before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    RANDOM.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture(name="root")
def root_here(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture(name="data")
def data_here() -> Path:
    if "GANTOOL_DATA" not in os.environ:
        pytest.skip("GANTOOL_DATA names no folder with mnist/, cifar10_small.zip and emoji/")
    return Path(os.environ["GANTOOL_DATA"])


@pytest.fixture(name="sides")
def sides_here(root: Path) -> dict[str, str]:
    """Two folders of three images of equal names."""
    fill(root / "photo", "cat.png", "dog.png", "far/cow.png")
    fill(root / "drawing", "cat.png", "dog.png", "far/cow.png", channels=4)
    return {"source": str(root / "photo"), "target": str(root / "drawing")}


def noise(height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    """(H, W, C), or (H, W) if C is 1; never wholly transparent, which would hide colours."""
    pixels = RANDOM.integers(0, 256, (height, width, channels), np.uint8)
    if channels in (2, 4):
        pixels[:, :, -1] |= 1
    return pixels[:, :, 0] if channels == 1 else pixels


def save(file: Path, pixels: np.ndarray, **options: Any) -> np.ndarray:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)
    return pixels


def fill(folder: Path, *names: str, size: tuple[int, int] = (8, 8), channels: int = 3) -> Path:
    for name in names:
        save(folder / name, noise(*size, channels))
    return folder


def of_file(file: Path) -> np.ndarray:
    """(H, W, C)"""
    image = np.asarray(Image.open(file))
    return image[:, :, None] if image.ndim == 2 else image


def zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder).as_posix())
    return archive


def everything(images: ImageSet, entry: str = "image") -> np.ndarray:
    """(N, H, W, C), of the images in the order of their positions."""
    return images[range(len(images))][entry].numpy().transpose(0, 2, 3, 1)


def numbered(count: int, first: int = 0, size: int = 1) -> InMemory:
    """Images whose pixels are their number, but for the right column of 255."""
    images = np.full((count, 1, size, size + 1), 255, np.uint8)
    images[:, 0, :, :-1] = np.arange(first, first + count)[:, None, None]
    return InMemory(images)


def load(path: Path, **options: Any) -> ImageSet:
    """data=folder"""
    return folder(str(path), **options)


def labels(images: ImageSet) -> list[str]:
    """The name of the class of each image."""
    return [images.names[label] for label in images[range(len(images))]["label"].tolist()]


def animals(root: Path, names: Sequence[str] = ("1.png", "2.png", "10.png")) -> Path:
    for name in names:
        save(root / name, noise())
    return root


def shown(images: ImageSet, start: int, length: int, seed: int = 0) -> dict[str, Tensor]:
    """A stretch of the walk that training takes."""
    return images[images.walk(seed)(start, length)]


def composed(*overrides: str) -> Any:
    """The configuration of `gantool data check`."""
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        return hydra.compose("data_check", overrides=list(overrides))


def refused(build: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """The one line that says why."""
    with pytest.raises(ValueError, match=".") as error:
        build(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)
