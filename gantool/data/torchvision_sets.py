"""MNIST, Fashion-MNIST and CIFAR-10 as torchvision reads them, downloaded at their first use."""

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gantool.data.image_set import InMemory
from gantool.data.lock import locked
from gantool.data.resize import Format, resize_all
from gantool.layers.resolution import height_and_width

IDX_FILES = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte"
)
CIFAR_FILES = "data_batch_1 to data_batch_5, test_batch and batches.meta"


def mnist(
    root: str, split: str = "train", resolution: int | Sequence[int] = 28, channels: int = 1
) -> InMemory:
    """LeCun, Cortes & Burges (1998): 60,000 + 10,000 handwritten digits."""
    from torchvision.datasets import MNIST

    found = _find(MNIST, root, split, "MNIST/raw", IDX_FILES)
    return _in_format(found.data.numpy()[:, :, :, None], found, resolution, channels)


def fashion_mnist(
    root: str, split: str = "train", resolution: int | Sequence[int] = 28, channels: int = 1
) -> InMemory:
    """Xiao, Rasul & Vollgraf (2017), arXiv:1708.07747: 60,000 + 10,000 pictures of clothes."""
    from torchvision.datasets import FashionMNIST

    found = _find(FashionMNIST, root, split, "FashionMNIST/raw", IDX_FILES)
    return _in_format(found.data.numpy()[:, :, :, None], found, resolution, channels)


def cifar10(
    root: str, split: str = "train", resolution: int | Sequence[int] = 32, channels: int = 3
) -> InMemory:
    """Krizhevsky (2009): 50,000 + 10,000 photographs of animals and vehicles."""
    from torchvision.datasets import CIFAR10

    found = _find(CIFAR10, root, split, "cifar-10-batches-py", CIFAR_FILES)
    return _in_format(found.data, found, resolution, channels)


def _find(kind: Callable[..., Any], root: str, split: str, folder: str, files: str) -> Any:
    """torchvision's data set, from the disk or else downloaded, by one process while others wait."""
    if split not in ("train", "test"):
        raise ValueError(f"data.split={split}; use train or test.")
    place = Path(root).expanduser()
    arguments = {"root": place, "train": split == "train"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, about the age of CIFAR's pickles
            with contextlib.suppress(Exception):  # not there, or another process has just begun to fetch it
                return kind(**arguments, download=False)
            with locked(place / ".lock"):
                try:
                    return kind(**arguments, download=False)
                except RuntimeError:  # not there
                    with contextlib.redirect_stdout(io.StringIO()):  # the bar of the download is on stderr
                        return kind(**arguments, download=True)
    except Exception as error:  # of the network, of the disk, or torchvision's assertions about damaged files
        reason = (str(error).strip().splitlines() or ["damaged files"])[-1]
        raise ValueError(
            f"data.root={root} has no complete {kind.__name__}, and it cannot be downloaded ({reason}). "
            f"Fill {place / folder} with {files}, or use data=digits, which needs no download."
        ) from error


def _in_format(images: np.ndarray, found: Any, resolution: int | Sequence[int], channels: int) -> InMemory:
    form = Format(channels, height_and_width(resolution), fit="stretch")
    return InMemory(resize_all(images, form), np.asarray(found.targets), found.classes)
