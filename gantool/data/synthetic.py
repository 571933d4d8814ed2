"""Images made up on the spot: to try a configuration, or to test, without any data."""

from collections.abc import Sequence

import numpy as np

from gantool.data.image_set import InMemory
from gantool.layers.resolution import height_and_width


def synthetic(
    resolution: int | Sequence[int] = 16,
    channels: int = 3,
    classes: int = 10,
    count: int = 256,
    seed: int = 0,
) -> InMemory:
    """One soft blob per image. Its class fixes where it lies, on a circle, and which colour it has.

    Chance moves it a little and changes its size and brightness, so that there is something to learn within a
    class and between classes. Without classes (0) all blobs are of one kind.
    """
    height, width = height_and_width(resolution)
    if channels < 1 or classes < 0 or count < max(1, classes):
        raise ValueError(
            f"data.channels={channels}, data.classes={classes} and data.count={count} make no set; "
            "use at least one channel, and at least one image per class."
        )
    random = np.random.default_rng(seed)
    kinds = max(1, classes)
    labels = np.arange(count) % kinds  # (N,), as balanced as they can be
    angle = 2 * np.pi * np.arange(kinds) / kinds  # (K,)
    centre = 0.5 + 0.25 * np.stack([np.sin(angle), np.cos(angle)], axis=1)  # (K, 2), in sides of the image
    phase = 2 * np.pi * np.arange(channels) / channels  # (C,)
    colour = 0.6 + 0.4 * np.cos(angle[:, None] + phase)  # (K, C), hues around the colour wheel

    y = (np.arange(height)[:, None] + 0.5) / height  # (H, 1)
    x = (np.arange(width) + 0.5) / width  # (W,)
    images = np.empty((count, channels, height, width), np.uint8)
    for image, label in zip(images, labels, strict=True):
        down, right = centre[label] + random.normal(0, 0.04, 2)
        radius, brightness = random.uniform(0.1, 0.2), random.uniform(0.7, 1)
        blob = np.exp(-((y - down) ** 2 + (x - right) ** 2) / (2 * radius**2))  # (H, W)
        image[:] = np.rint(255 * brightness * colour[label][:, None, None] * blob)
    if classes == 0:
        return InMemory(images)
    return InMemory(images, labels, [str(name) for name in range(classes)])
