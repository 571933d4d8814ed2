"""Shapes in motion, in two looks: video made up on the spot, of which every frame's translation is known."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from gantool.data.films import Reel, films
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.synthetic import colours, further
from gantool.layers.resolution import height_and_width

KINDS = 3  # disc, square, diamond: each has a colour of its own in both looks, which tells what becomes what
Look = Literal["filled", "outlined"]


class Scene(NamedTuple):
    """What happens in a clip, in sides of the image: S shapes."""

    kinds: np.ndarray  # (S,)
    radii: np.ndarray  # (S,)
    starts: np.ndarray  # (S, 2): down, right
    velocities: np.ndarray  # (S, 2), of one frame


def moving_shapes(
    resolution: int | Sequence[int] = 16,
    channels: int = 3,
    source_channels: int = 3,
    clips: int = 16,
    length: int = 16,
    shapes: int = 2,
    seed: int = 0,
    hold_out: int = 0,
    held_out: bool = False,
    frames: int = 1,
) -> ImageSet:
    """Filled shapes on black on side a, outlines of shapes on a light, woven ground on side b.

    They move with a constant velocity and bounce off the borders. What happens differs from clip to clip and
    from side to side; but in what is held out both sides show the same, so that each frame of a side is the
    true translation of the other's.

    Args:
        clips: of each side.
        length: frames of a clip.
        shapes: in a clip; the later ones lie before the earlier.
        hold_out: clips of each side that training never sees.
        held_out: these, instead of the others.
        frames: of a window.
    """
    counts = {"clips": clips, "shapes": shapes, "channels": channels, "source_channels": source_channels}
    for key, value in counts.items():
        if value < 1:
            raise ValueError(f"data.{key}={value} makes no video; use 1 or more.")
    if length < frames:
        raise ValueError(f"data.length={length}: a window has {frames} frames; use as many or more.")
    if held_out and hold_out < 1:
        raise ValueError("data.hold_out=0: no clips are held out; hold some out to have others.")
    size = height_and_width(resolution)
    seeds = (2 * further(seed),) * 2 if held_out else (2 * seed, 2 * seed + 1)
    count = hold_out if held_out else clips
    a = reel("filled", source_channels, size, count, length, shapes, seeds[0], frames)
    b = reel("outlined", channels, size, count, length, shapes, seeds[1], frames)
    return films(a, b, frames)


def reel(
    look: Look,
    channels: int,
    size: tuple[int, int],
    clips: int,
    length: int,
    shapes: int,
    seed: int,
    frames: int,
) -> Reel:
    """One side. What happens depends on clips, shapes and seed alone."""
    random = np.random.default_rng(seed)
    scenes = [scene(random, shapes) for _ in range(clips)]
    images = np.stack([drawn(it, time, look, channels, size) for it in scenes for time in range(length)])
    return Reel(InMemory(images), length * np.arange(clips + 1), frames, scenes=seed)


def scene(random: np.random.Generator, shapes: int) -> Scene:
    kinds = random.integers(KINDS, size=shapes)
    radii = random.uniform(0.14, 0.2, shapes)
    starts = random.uniform(0, 1, (shapes, 2)) * (1 - 2 * radii[:, None]) + radii[:, None]
    angle, speed = random.uniform(0, 2 * np.pi, shapes), random.uniform(0.02, 0.07, shapes)
    return Scene(kinds, radii, starts, speed[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1))


def places(scene: Scene, time: float) -> np.ndarray:
    """Where the shapes are, (S, 2): start + time * velocity, folded back between the borders."""
    low, room = scene.radii[:, None], 1 - 2 * scene.radii[:, None]
    way = (scene.starts - low + time * scene.velocities) % (2 * room)  # there and back again
    return low + np.minimum(way, 2 * room - way)


def drawn(scene: Scene, time: float, look: Look, channels: int, size: tuple[int, int]) -> np.ndarray:
    """One frame (C, H, W), uint8."""
    height, width = size
    down, right = (np.arange(height)[:, None] + 0.5) / height, (np.arange(width) + 0.5) / width
    colour = colours(KINDS, channels)  # (K, C)
    behind = ground(look, channels, size)
    image = behind.copy()
    stroke = max(
        0.045, 0.75 / min(size)
    )  # half the width of an outline, which is a pixel and a half at least
    for kind, radius, place in zip(scene.kinds, scene.radii, places(scene, time), strict=True):
        outside = distance(int(kind), down - place[0], right - place[1], radius)  # (H, W), in sides
        if look == "outlined":  # what lies behind a shape is hidden in both looks
            image += opacity(outside, size) * (behind - image)
            outside = np.abs(outside + stroke) - stroke
        paint = colour[kind] if look == "filled" else 0.6 * colour[kind]
        image += opacity(outside, size) * (paint[:, None, None] - image)
    return np.rint(255 * image).astype(np.uint8)


def opacity(outside: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which share of each pixel a shape covers, (H, W), given how far outside it the pixel's middle is."""
    return np.clip(0.5 - outside * min(size), 0, 1)


def distance(kind: int, down: np.ndarray, right: np.ndarray, radius: float) -> np.ndarray:
    """From the border of a disc, a square or a diamond around 0, negative inside: (H, W)."""
    if kind == 0:
        return np.hypot(down, right) - radius
    if kind == 1:
        return np.maximum(np.abs(down), np.abs(right)) - 0.85 * radius
    return (np.abs(down) + np.abs(right) - radius) / np.sqrt(2)


def ground(look: Look, channels: int, size: tuple[int, int]) -> np.ndarray:
    """(C, H, W), the same in every frame: black, or bright with a weave of waves 5 and 7 pixels long."""
    if look == "filled":
        return np.zeros((channels, *size))
    waves = np.sin(2 * np.pi * np.arange(size[0]) / 5)[:, None] + np.sin(2 * np.pi * np.arange(size[1]) / 7)
    tint = 0.85 + 0.05 * np.cos(2 * np.pi * np.arange(channels) / channels)  # (C,)
    return tint[:, None, None] + 0.05 * waves
