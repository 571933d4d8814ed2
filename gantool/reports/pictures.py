"""Pictures inside a page, as data URIs, within a limit of bytes."""

import base64
import io
from pathlib import Path
from typing import NamedTuple, final

from PIL import Image, UnidentifiedImageError

from gantool.timelapse import NAME, moments

SIDES = (1600, 1024, 768, 512, 384)  # pixels, tried one after the other until the pictures fit
QUALITY = 88  # of JPEG
SHARE = 0.7  # of the page that frames behind a slider may take, the rest is for everything else
SINGLES = 0.2  # of the page that all other pictures may take
SMALL = 512  # pixels, below which a picture is drawn large with its pixels as squares


class Picture(NamedTuple):
    name: str  # of the file, without its ending
    uri: str
    width: int
    height: int

    @property
    def pixelated(self) -> bool:
        return max(self.width, self.height) <= SMALL

    @property
    def images(self) -> int | None:
        """Seen when it was made, as its name says."""
        match = NAME.fullmatch(self.name)
        return int(match[1]) if match else None


@final
class Album:
    """The pictures of a page.

    Args:
        limit: bytes of the page; of what else is on it, `leave` tells.
        frames: behind a slider, at most.
    """

    def __init__(self, limit: int, frames: int):
        self.limit = limit
        self.frames = frames
        self.notes: list[str] = []  # what had to be left out or made smaller

    def leave(self, html: str) -> None:
        """Room for the page without its pictures."""
        size = len(html.encode())
        if size > self.limit:
            much = f"{size / 1e6:.1f} MB where {self.limit / 1e6:.1f} were allowed"
            self.notes.append(f"The texts and curves alone are {much}, so no picture is shown.")
        self.limit = max(self.limit - size, 0)

    def single(self, file: Path, of: int = 1) -> Picture | None:
        """One picture, of so many that share their room; None = there is no such picture."""
        found = self.fitted([file], self.limit * SINGLES / max(of, 3))
        return found[0] if found else None

    def film(self, files: list[Path], of: int = 1) -> list[Picture]:
        """Pictures behind a slider, in order, first and last among them; one of so many films."""
        chosen = evenly(files, self.frames)
        if len(chosen) < len(files):
            which = "the slider" if of == 1 else f"the slider of {files[-1].name}"
            self.notes.append(f"{len(chosen)} of {len(files)} pictures of samples/ are behind {which}.")
        return self.fitted(chosen, self.limit * SHARE / of)

    def fitted(self, files: list[Path], room: float) -> list[Picture]:
        """As they are where there is room; otherwise as JPEG, smaller and smaller, then fewer."""
        found = [it for it in map(as_it_is, files) if it is not None]
        if weight(found) <= room:
            return found
        for side in SIDES if room > 0 else ():
            found = [it for it in (shrunk(file, side) for file in files) if it is not None]
            if weight(found) <= room:
                break
        while weight(found) > room > 0 and len(found) > 1:
            found = evenly(found, (len(found) + 1) // 2)
        if weight(found) > room:
            found = []
        largest = max((max(it.width, it.height) for it in found), default=0)
        what = files[0].name if len(files) == 1 else f"{len(files)} pictures of {files[0].parent.name}/"
        kept = f"{len(found)} shown as JPEG of at most {largest} pixels" if found else "not shown"
        self.notes.append(f"{what}: {kept}, so that this file stays small; the originals are in the folder.")
        return found


def grids(folder: Path) -> dict[str, list[Path]]:
    """The sample pictures of a run, in order, of each kind: `` or, of a translation, `-ab` and `-ba`."""
    return {kind: [it.path for it in those] for kind, those in moments(folder / "samples").items()}


def evenly(items: list, count: int) -> list:
    """So many of them, first and last among them; of one, the last."""
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[-1]]
    return [items[round(place * (len(items) - 1) / (count - 1))] for place in range(count)]


def weight(pictures: list[Picture]) -> int:
    return sum(len(it.uri) for it in pictures)


def as_it_is(file: Path) -> Picture | None:
    """None for what is missing, or cut off because it is being written just now."""
    try:
        data = file.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            return Picture(file.stem, uri("png", data), *image.size) if image.format == "PNG" else None
    except (OSError, UnidentifiedImageError, SyntaxError):
        return None


def shrunk(file: Path, side: int) -> Picture | None:
    """At most so many pixels wide and high."""
    if as_it_is(file) is None:
        return None
    with Image.open(file) as image:
        small = image.convert("RGB")
        small.thumbnail((side, side))
        data = io.BytesIO()
        small.save(data, "JPEG", quality=QUALITY)
    return Picture(file.stem, uri("jpeg", data.getvalue()), *small.size)


def uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
