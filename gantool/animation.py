"""Pictures one after another: GIF and WebP by Pillow, mp4 by PyAV where that is installed."""

import importlib
import importlib.util
from collections.abc import Iterable
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from PIL import Image

from gantool.images import MODES

VIDEOS = ("gif", "webp", "mp4")
FASTEST = 50  # frames a second of a GIF, which counts hundredths, and of which players take 1 for 10


def check(video: str) -> None:
    """Raise ValueError for a kind that is not known, or whose package is not there."""
    if video not in VIDEOS:
        raise ValueError(f"video={video}: choose one of {', '.join(VIDEOS)}.")
    if video == "mp4" and importlib.util.find_spec("av") is None:
        raise ValueError("video=mp4 needs the package av: pip install 'gantool[video]', or choose webp.")


def check_pace(video: str, fps: int) -> None:
    """Raise ValueError for more frames a second than this kind can tell."""
    if video == "gif" and fps > FASTEST:
        raise ValueError(f"fps={fps}: a GIF plays {FASTEST} frames a second at most; choose webp or mp4.")


def animate(frames: Iterable[np.ndarray], path: Path, fps: int, hold: float = 0) -> None:
    """Pictures (H, W, C) of 1 to 4 channels and of one size as an animation; but for mp4 without an end.

    Written beside and moved into place: what is interrupted leaves an earlier one as it was.

    Args:
        frames: at least one.
        path: its ending is one of VIDEOS.
        fps: frames a second; of a GIF at most FASTEST.
        hold: seconds that the last one stays, beyond its own time.
    """
    check_pace(path.suffix.removeprefix("."), fps)
    part = path.with_suffix(f".part{path.suffix}")
    images = (picture(frame) for frame in frames)
    try:
        (encode if path.suffix == ".mp4" else store)(images, part, fps, hold)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def store(images: Iterable[Image.Image], path: Path, fps: int, hold: float) -> None:
    if path.suffix == ".gif":
        images = map(coloured, images)
    first, *others = images
    each = round(1000 / fps)  # ms
    durations = [each] * len(others) + [each + round(1000 * hold)]
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=durations if others else durations[0],
        loop=0,
        lossless=True,
    )  # a GIF is lossless anyhow, but for its 256 colours


def picture(frame: np.ndarray) -> Image.Image:
    mode = MODES[frame.shape[2]]
    image = Image.fromarray(np.ascontiguousarray(frame[:, :, 0] if mode == "L" else frame), mode)
    return image.convert("RGBA") if mode == "LA" else image


def coloured(image: Image.Image) -> Image.Image:
    """At once in 256 colours of its own, a third of the memory: a GIF has no more."""
    return image.convert("P", palette=Image.Palette.ADAPTIVE) if image.mode == "RGB" else image


def encode(images: Iterable[Image.Image], path: Path, fps: int, hold: float) -> None:
    """H.264 as every browser plays it: 4:2:0, which asks for even sides."""
    av = importlib.import_module("av")
    pictures = map(even, images)
    last = next(pictures)  # (H, W, 3)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=fps, options={"crf": "16"})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = last.shape[:2]
        for pixels in chain([last], pictures, repeat(None, round(hold * fps))):
            last = last if pixels is None else pixels
            file.mux(stream.encode(av.VideoFrame.from_ndarray(last, format="rgb24")))
        file.mux(stream.encode())


def even(image: Image.Image) -> np.ndarray:
    """(H, W, 3) with sides of even numbers: the last row or column is doubled where need be."""
    pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
