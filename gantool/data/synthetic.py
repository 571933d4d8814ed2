"""Images made up on the spot: to try a configuration, or to test, without any data."""

from collections.abc import Callable, Sequence

import numpy as np

from gantool.data.image_set import InMemory
from gantool.data.pairs import Pairs
from gantool.data.piles import Piles
from gantool.data.superres import Shrunk
from gantool.layers.resolution import height_and_width

Profile = Callable[
    [np.ndarray, float], np.ndarray
]  # squared distances and a radius -> brightness from 0 to 1


def blob(squares: np.ndarray, radius: float) -> np.ndarray:
    return np.exp(-squares / (2 * radius**2))


def ring(squares: np.ndarray, radius: float) -> np.ndarray:
    return np.exp(-((np.sqrt(squares) - radius) ** 2) / (2 * (radius / 3) ** 2))


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
    if channels < 1 or classes < 0 or count < max(1, classes):
        raise ValueError(
            f"data.channels={channels}, data.classes={classes} and data.count={count} make no set; "
            "use at least one channel, and at least one image per class."
        )
    images, labels = drawn(blob, colours(max(1, classes), channels), resolution, count, seed)
    if classes == 0:
        return InMemory(images)
    return InMemory(images, labels, [str(name) for name in range(classes)])


def synthetic_pairs(
    resolution: int | Sequence[int] = 16,
    channels: int = 3,
    source_channels: int = 3,
    kinds: int = 10,
    count: int = 256,
    seed: int = 0,
    hold_out: int = 0,
    held_out: bool = False,
) -> Pairs:
    """The target is a blob as above, the source a white ring of its place and size, which tell its colour."""
    count, seed = (hold_out, further(seed)) if held_out else (count, seed)
    check(channels, source_channels, kinds, count)
    sources, _ = drawn(ring, np.ones((kinds, source_channels)), resolution, count, seed)
    targets, _ = drawn(blob, colours(kinds, channels), resolution, count, seed)
    return Pairs(InMemory(sources), InMemory(targets))


def synthetic_piles(
    resolution: int | Sequence[int] = 16,
    channels: int = 3,
    source_channels: int = 3,
    kinds: int = 10,
    count: int = 256,
    seed: int = 0,
    hold_out: int = 0,
    held_out: bool = False,
) -> Piles:
    """Coloured blobs on pile a, coloured rings on pile b: no two are of the same place and size."""
    count, seed = (hold_out, further(seed)) if held_out else (count, seed)
    check(channels, source_channels, kinds, count)
    blobs, _ = drawn(blob, colours(kinds, source_channels), resolution, count, 2 * seed)
    rings, _ = drawn(ring, colours(kinds, channels), resolution, count, 2 * seed + 1)
    return Piles(InMemory(blobs), InMemory(rings))


def synthetic_superres(
    resolution: int | Sequence[int] = 16,
    channels: int = 3,
    scale: int = 4,
    count: int = 256,
    seed: int = 0,
    hold_out: int = 0,
    held_out: bool = False,
) -> Shrunk:
    """The target is a ring, as above, the source the same made smaller by `scale`."""
    count, seed = (hold_out, further(seed)) if held_out else (count, seed)
    check(channels, channels, 10, count)
    rings, _ = drawn(ring, colours(10, channels), resolution, count, seed)
    return Shrunk(InMemory(rings), scale)


def further(seed: int) -> int:
    """The seed of images that are held out: others of the same kind."""
    return seed + 2**31


def check(channels: int, source_channels: int, kinds: int, count: int) -> None:
    if min(channels, source_channels, kinds, count) < 1:
        raise ValueError(
            f"data.channels={channels}, data.source_channels={source_channels}, data.kinds={kinds} and "
            f"data.count={count} make no set; use 1 or more of each."
        )


def colours(kinds: int, channels: int) -> np.ndarray:
    """(K, C), hues around the colour wheel."""
    angle = 2 * np.pi * np.arange(kinds) / kinds  # (K,)
    phase = 2 * np.pi * np.arange(channels) / channels  # (C,)
    return 0.6 + 0.4 * np.cos(angle[:, None] + phase)


def drawn(
    profile: Profile, colour: np.ndarray, resolution: int | Sequence[int], count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, C, H, W), uint8, and the kind of each, (N,).

    Where they lie and how large and bright they are depends on the number of kinds and on `seed` alone.

    Args:
        colour: (K, C), of each kind, from 0 to 1.
    """
    height, width = height_and_width(resolution)
    kinds, channels = colour.shape
    random = np.random.default_rng(seed)
    labels = np.arange(count) % kinds  # (N,), as balanced as they can be
    angle = 2 * np.pi * np.arange(kinds) / kinds  # (K,)
    centre = 0.5 + 0.25 * np.stack([np.sin(angle), np.cos(angle)], axis=1)  # (K, 2), in sides of the image

    y = (np.arange(height)[:, None] + 0.5) / height  # (H, 1)
    x = (np.arange(width) + 0.5) / width  # (W,)
    images = np.empty((count, channels, height, width), np.uint8)
    for image, label in zip(images, labels, strict=True):
        down, right = centre[label] + random.normal(0, 0.04, 2)
        radius, brightness = random.uniform(0.1, 0.2), random.uniform(0.7, 1)
        shape = profile((y - down) ** 2 + (x - right) ** 2, radius)  # (H, W)
        image[:] = np.rint(255 * brightness * colour[label][:, None, None] * shape)
    return images, labels
