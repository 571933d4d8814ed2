"""Two videos without pairs, or two folders of frames: for Recycle-GAN, and for CycleGAN frame by frame."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, final

import numpy as np

from gantool import videos
from gantool.data import sides
from gantool.data.colours import colour
from gantool.data.corrupt import report
from gantool.data.decode import Corrupt
from gantool.data.films import Reel, check_length, films, kept
from gantool.data.folder import MIXED
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.resize import Format, Size
from gantool.data.scan import sizes
from gantool.data.sides import Side
from gantool.data.source import natural, open_source
from gantool.data.threads import bar
from gantool.layers.resolution import height_and_width

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Footage:
    """One side, before its frames have one format: a folder or zip of frames, or video files.

    Attributes:
        key: of the configuration, which says where it lies.
        place: where that is.
        frames: image files; None = `clips`.
        clips: video files, one behind the other.
        corrupt: name -> reason, of video files that are none.
    """

    key: str
    place: str
    frames: Side | None
    clips: list[videos.Video]
    corrupt: dict[str, str]

    @property
    def sizes(self) -> set[Size]:
        """That frames have: (H, W)."""
        if self.frames is not None:
            return {*sizes(self.frames.facts)}
        return {clip.size for clip in self.clips}

    def form(self, size: Size, channels: int | None, fit: str, background: str) -> Format:
        if self.frames is not None:
            return self.frames.form(size, channels, fit, background)
        return Format(3 if channels is None else channels, size, 8, fit, colour(background))


def two_videos(
    path: str | None = None,
    a: str | None = None,
    b: str | None = None,
    resolution: int | Sequence[int] | None = None,
    channels: int | None = None,
    source_channels: int | None = None,
    fit: str = "crop",
    background: str = "white",
    jitter: int = 0,
    hold_out: int = 0,
    on_corrupt: str = "skip",
    in_memory: Literal["auto"] | bool = "auto",
    memory: int = 2_000_000_000,
    frames: int = 1,
    held_out: bool = False,
) -> ImageSet:
    """The set that conf/data/two_videos.yaml describes, where each argument is explained.

    Args:
        held_out: the frames that training never sees, instead of the others.
    """
    sides.check(on_corrupt, in_memory, jitter)
    sides.check_channels(channels=channels, source_channels=source_channels)
    if not isinstance(frames, int) or isinstance(frames, bool) or frames < 1:
        raise ValueError(f"data.frames={frames}: give the frames of a window, 1 or more.")
    both = footage("a", path, a, on_corrupt), footage("b", path, b, on_corrupt)
    size = height_and_width(resolution) if resolution is not None else own_size(both)
    whole = size if held_out else sides.enlarged(size, jitter)
    depths = source_channels, channels
    forms = [side.form(whole, depth, fit, background) for side, depth in zip(both, depths, strict=True)]
    files = [
        (form, len(side.frames)) for form, side in zip(forms, both, strict=True) if side.frames is not None
    ]
    hold = sides.held(files, in_memory, memory)
    ready: list[ImageSet] = []
    for side, form in zip(both, forms, strict=True):
        if side.frames is not None:
            images, bounds = side.frames.stored(form, hold, skip=on_corrupt == "skip"), bounds_of(side.frames)
        else:
            images, bounds = decoded(side, form, memory // 2, on_corrupt)
        reel = Reel(images, kept(bounds, hold_out, held_out), frames)
        check_length(side.key, side.place, reel)
        ready.append(sides.jittered(reel, size))
    return films(ready[0], ready[1], frames)


def footage(key: str, path: str | None, value: str | None, on_corrupt: str) -> Footage:
    """What lies there. Raises ValueError where that is nothing."""
    if value is None:
        raise ValueError(
            f"data.{key} is missing: give data.a=… data.b=…, each a video, a folder of videos or a folder of "
            "frames; or data.path=DIR and names below it."
        )
    place = (Path(value) if path is None else Path(path) / value).expanduser()
    names = videos.videos_below(place) if place.is_dir() else []
    if not names and not videos.is_video(place.name):
        side = sides.look(key, path, value)
        sides.tell_corrupt(side, on_corrupt)
        return Footage(key, value, side, [], side.corrupt)
    if not place.exists():
        raise ValueError(f"data.{key}={value} is not there; give a video, or a folder of videos or frames.")
    if names and any(True for _ in open_source(place).images()):
        raise ValueError(f"data.{key}={value} holds videos and images; give a folder of one kind.")
    videos.check(f"data.{key}={value}")
    clips, corrupt = list[videos.Video](), dict[str, str]()
    for name in names or [""]:
        try:
            clips.append(videos.look_at(place / name))
        except Corrupt as error:
            corrupt[name or place.name] = str(error)
    report(corrupt, len(clips), str(place), fail=on_corrupt == "fail")
    return Footage(key, value, None, clips, corrupt)


def own_size(both: Iterable[Footage]) -> Size:
    """The one size that all frames have, or MIXED where they differ."""
    found = set().union(*(side.sizes for side in both))
    return found.pop() if len(found) == 1 else (MIXED, MIXED)


def bounds_of(side: Side) -> np.ndarray:
    """Where clips begin and end, (S + 1,): a folder is a clip, and a corrupt frame ends one."""
    lost = sorted(natural(name) for name in side.corrupt)
    bounds, passed = [0], 0
    for place, (before, name) in enumerate(pairwise(side.names), 1):
        gone, key = passed, natural(name)
        while passed < len(lost) and lost[passed] < key:
            passed += 1
        between = any(gap > natural(before) for gap in lost[gone:passed])
        if between or folder_of(before) != folder_of(name):
            bounds.append(place)
    return np.array([*bounds, len(side.names)])


def folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def decoded(side: Footage, form: Format, memory: int, on_corrupt: str) -> tuple[ImageSet, np.ndarray]:
    """All frames of some videos, in one format, and where clips begin and end.

    Raises ValueError for more than fits into so much memory, and for damage where that is to be an error.
    """
    ends, images, most = [0], list[np.ndarray](), memory // form.bytes
    with bar(f"Decoding {Path(side.place).name}", None) as advance:
        for clip in side.clips:
            try:
                for frame in clip:
                    images.append(np.ascontiguousarray(form(frame.pixels)))
                    advance(1)
                    if len(images) > most:
                        raise ValueError(
                            f"data.{side.key}={side.place}: more than {most:,} frames do not fit into half "
                            f"of data.memory={2 * memory:,}; give more, or a folder of frames, as of: "
                            "ffmpeg -i VIDEO DIR/%06d.png"
                        )
            except Corrupt as error:
                if on_corrupt == "fail":
                    raise ValueError(f"{clip.path} cannot be read to its end: {error}.") from error
                log.warning("%s cannot be read to its end: %s. The rest is skipped.", clip.path, error)
            ends.append(len(images))
    return InMemory(np.stack(images)), np.array(ends)
