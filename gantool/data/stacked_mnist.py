"""Stacked MNIST: three random digits as the channels of one image, so that there are 1,000 modes to keep."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch

from gantool.data.image_set import Batch, ImageSet
from gantool.data.torchvision_sets import mnist
from gantool.layers.resolution import height_and_width

SIDE = 28  # pixels of a digit
SPLITS = {"all": ("train", "test"), "train": ("train",), "test": ("test",)}


@final
class Stacked(ImageSet):
    """Images (3, H, W) put together when asked for: in memory are the digits and three numbers per image.

    Args:
        digits: (M, H, W), uint8.
        triples: (N, 3), the digits of each image.
    """

    def __init__(self, digits: np.ndarray, triples: np.ndarray):
        self.digits = digits
        self.triples = triples
        self.shape = (3, *digits.shape[1:])
        self.names = ()
        self.labels = None

    def __len__(self) -> int:
        return len(self.triples)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return {"image": torch.from_numpy(self.digits[self.triples[np.asarray(indices)]])}  # (B, 3, H, W)


def stacked_mnist(
    root: str,
    split: str = "all",
    resolution: int | Sequence[int] = 32,
    count: int = 128_000,
    seed: int = 0,
) -> Stacked:
    """Metz et al. (2017), arXiv:1611.02163, section 3.3.1; 128,000 images drawn once from all 70,000 digits.

    The numbers are PacGAN's: Lin et al. (2018), arXiv:1712.04086. Digits keep their size, with black around.
    """
    height, width = height_and_width(resolution)
    if min(height, width) < SIDE:
        raise ValueError(f"data.resolution={resolution}: digits have {SIDE} pixels; give {SIDE} or more.")
    if split not in SPLITS:
        raise ValueError(f"data.split={split}; use {', '.join(SPLITS)}.")
    if count < 1:
        raise ValueError(f"data.count={count}: give 1 image or more.")
    digits = np.concatenate([mnist(root, part).images[:, 0] for part in SPLITS[split]])  # (M, 28, 28)
    margins = [((side - SIDE) // 2, (side - SIDE + 1) // 2) for side in (height, width)]
    triples = np.random.default_rng(seed).integers(len(digits), size=(count, 3))
    return Stacked(np.pad(digits, ((0, 0), *margins)), triples)
