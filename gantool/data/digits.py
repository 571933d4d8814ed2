"""Handwritten digits of Alpaydin & Kaynak (1998), embedded in scikit-learn: 1,797 images of 8x8 pixels."""

from collections.abc import Sequence

import numpy as np

from gantool.data.image_set import InMemory
from gantool.data.resize import Format, resize_all
from gantool.layers.resolution import height_and_width


def digits(resolution: int | Sequence[int] = 32, channels: int = 1) -> InMemory:
    """All digits, smoothly enlarged; their ink of 0 to 16 becomes 0 to 255."""
    from sklearn.datasets import load_digits

    ink, labels = load_digits(return_X_y=True)  # (N, 64), (N,)
    images = np.rint(np.asarray(ink) * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)  # (N, H, W, C)
    form = Format(channels, height_and_width(resolution), fit="stretch")
    return InMemory(resize_all(images, form), np.asarray(labels), [str(digit) for digit in range(10)])
