"""Video files, frame by frame: never more than one of them in memory. PyAV reads and writes them."""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, final

import numpy as np
from PIL import Image

from gantool.animation import picture
from gantool.data.decode import Corrupt
from gantool.data.source import natural, visible

SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts"}
ENDING = ".mp4"  # of what is written
QUALITY = "16"  # constant rate factor of H.264: 0 = lossless, 23 = usual


def is_video(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def videos_below(folder: Path) -> list[str]:
    """The names of all video files that are not hidden, in natural order."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if is_video(path.name))
    seen = (name for name in names if all(map(visible, name.split("/"))) and (folder / name).is_file())
    return sorted(seen, key=natural)


def check(what: str) -> None:
    """Raise ValueError where the package that reads videos is not there; `what` is wanted, as key=value."""
    if importlib.util.find_spec("av") is None:
        raise ValueError(f"{what}: videos need the package av: pip install 'gantool[video]'; or give frames.")


@final
@dataclass(frozen=True)
class Frame:
    """One picture of a video, upright.

    Attributes:
        pixels: (H, W, 3), uint8.
        moment: when it is shown, as a multiple of `unit`; None = the file does not say.
        unit: of time, in seconds.
    """

    pixels: np.ndarray
    moment: int | None
    unit: Fraction


@final
@dataclass(frozen=True)
class Video:
    """A video file.

    Attributes:
        size: (H, W) of its frames, upright.
        rate: frames a second, on average.
        count: of its frames, as the file says; None = it does not.
    """

    path: Path
    size: tuple[int, int]
    rate: Fraction
    count: int | None

    def __iter__(self) -> Iterator[Frame]:
        """Every frame, as it is decoded. Raises Corrupt where that fails."""
        with opened(self.path) as file:
            yield from decoded(file)


def look_at(path: Path) -> Video:
    """Raises Corrupt for a file that is no video."""
    with opened(path) as file:
        stream = file.streams.video[0]
        first = next(decoded(file), None)
        if first is None:
            raise Corrupt("no frames in it")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        count = stream.frames
        if not count and file.duration is not None:
            count = round(file.duration / library().time_base * rate)
        return Video(path, first.pixels.shape[:2], Fraction(rate), count or None)


def decoded(file: Any) -> Iterator[Frame]:
    try:
        for frame in file.decode(video=0):
            turns = round(frame.rotation / 90)  # to the left, that show it upright
            pixels = np.rot90(frame.to_ndarray(format="rgb24"), turns)
            yield Frame(np.ascontiguousarray(pixels), frame.pts, frame.time_base)
    except library().error.FFmpegError as error:
        raise Corrupt(told(error)) from error


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    av = library()
    try:
        file = av.open(str(path))
    except av.error.FFmpegError as error:
        raise Corrupt(told(error)) from error
    with file:
        if not file.streams.video:
            raise Corrupt("no video in it")
        file.streams.video[0].thread_type = "AUTO"
        yield file


@final
class Writer:
    """An mp4 file that grows frame by frame, of the size of its first.

    H.264, as every browser plays it: with 4:2:0 colours, which ask for even sides; frames of odd sides keep
    them, and all of their colours, as 4:4:4, which fewer players know.

    Args:
        path: of the file.
        rate: frames a second.
    """

    def __init__(self, path: Path, rate: Fraction):
        self.file = library().open(str(path), "w", format="mp4")
        self.stream = self.file.add_stream("libx264", rate=rate, options={"crf": QUALITY})
        self.size: tuple[int, int] | None = None
        self.first: int | None = None  # moment of the first picture, which is shown at once
        self.last = -1

    def add(self, pixels: np.ndarray, like: Frame | None = None) -> None:
        """Append a picture (H, W, C) of 1 to 4 channels.

        Args:
            pixels: of the same size as all others.
            like: shown at the same moment; None = one beat of `rate` after the last.
        """
        image = np.asarray(shown(picture(pixels)).convert("RGB"))
        if self.size is None:
            self.size = image.shape[:2]
            self.stream.height, self.stream.width = self.size
            self.stream.pix_fmt = "yuv444p" if any(side % 2 for side in self.size) else "yuv420p"
            if like is not None:
                self.stream.codec_context.time_base = like.unit
        frame = library().VideoFrame.from_ndarray(image, format="rgb24")
        if like is not None and like.moment is not None:
            self.first = like.moment if self.first is None else self.first
            if (moment := like.moment - self.first) > self.last:
                frame.pts, frame.time_base, self.last = moment, like.unit, moment
        self.file.mux(self.stream.encode(frame))

    def close(self) -> None:
        if self.size is not None:
            self.file.mux(self.stream.encode())
        self.file.close()


def shown(image: Image.Image) -> Image.Image:
    """What is transparent lies on white: mp4 knows no alpha."""
    if image.mode != "RGBA":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def library() -> Any:
    """PyAV, loaded only where there is a video."""
    return importlib.import_module("av")


def told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
