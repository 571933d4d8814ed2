"""gantool timelapse: the pictures that training has left behind, of the same latents, as an animation."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from omegaconf import DictConfig
from PIL import Image, ImageDraw, ImageFont

from gantool.animation import animate, check, check_pace
from gantool.build import whole
from gantool.data.threads import bar
from gantool.finished import tell
from gantool.runs import find

NAME = re.compile(r"(\d{9,})(-\w+)?")  # the images seen, and which of several pictures
LONGEST = 600  # seconds that the last picture may stay: a GIF can tell no more than 655
Size = tuple[int, int]  # (W, H)


class Moment(NamedTuple):
    images: int  # that training had seen
    path: Path


def main(cfg: DictConfig) -> None:
    """Write timelapse.gif, or one for each kind of picture.

    Raises ValueError where training has left no pictures.
    """
    check(cfg.video)
    whole(cfg, "fps", least=1)
    check_pace(cfg.video, cfg.fps)
    for key in ("frames", "width"):
        if cfg[key] is not None:
            whole(cfg, key, least=2)
    if isinstance(cfg.hold, bool) or not isinstance(cfg.hold, int | float) or not 0 <= cfg.hold <= LONGEST:
        raise ValueError(f"hold={cfg.hold}: give seconds, from 0 to {LONGEST}.")
    run = find(cfg.run)
    found = moments(run / "samples")
    if not found:
        raise ValueError(
            f"{run / 'samples'} has no pictures such as 000010000.png: training writes one every "
            "sample_every images."
        )
    out = run if cfg.out is None else Path(str(cfg.out)).expanduser()
    out.mkdir(parents=True, exist_ok=True)
    for name, those in found.items():
        some = chosen(those, cfg.frames)
        path = out / f"timelapse{name}.{cfg.video}"
        with bar("Joining pictures", len(some)) as advance:
            animate(frames(some, cfg.width, cfg.caption, advance), path, cfg.fps, cfg.hold)
        tell(f"{len(some)} pictures from {some[0].images:,} to {some[-1].images:,} images: {path}")


def moments(folder: Path) -> dict[str, list[Moment]]:
    """By what follows the number in their names, `` or `-ab`, and in the order of training."""
    found: dict[str, list[Moment]] = {}
    for path in folder.glob("*.png"):
        if match := NAME.fullmatch(path.stem):
            found.setdefault(match[2] or "", []).append(Moment(int(match[1]), path))
    return {name: sorted(found[name]) for name in sorted(found)}


def chosen(some: list[Moment], most: int | None) -> list[Moment]:
    """At most so many, evenly from the first to the last."""
    if most is None or len(some) <= most:
        return some
    return [some[round(place)] for place in np.linspace(0, len(some) - 1, most)]


def frames(
    some: list[Moment], width: int | None, captioned: bool, done: Callable[[int], None]
) -> Iterator[np.ndarray]:
    """Pictures (H, W, 3), all of the size of the last one; those of networks that grow begin smaller."""
    size = size_of(some[-1].path, width)
    strip = Strip(size, sentence(some[-1])) if captioned else None
    for moment in some:
        with Image.open(moment.path) as image:
            picture = image.convert("RGB")
        way = Image.Resampling.NEAREST if picture.width < size[0] else Image.Resampling.LANCZOS
        picture = picture if picture.size == size else picture.resize(size, way)
        yield np.asarray(picture if strip is None else strip.below(picture, sentence(moment)))
        done(1)


def size_of(path: Path, width: int | None) -> Size:
    """(W, H) of a picture that is to be so wide at most."""
    with Image.open(path) as image:
        across, down = image.size
    if width is None or across <= width:
        return across, down
    return width, max(1, round(down * width / across))


def sentence(moment: Moment) -> str:
    return f"{moment.images:,} images"


@final
class Strip:
    """A black strip for a line of text below pictures.

    Args:
        size: (W, H) of the pictures; where the text is wider, black is beside them.
        longest: of the lines.
    """

    def __init__(self, size: Size, longest: str):
        self.font = ImageFont.load_default(min(max(size[0] / 24, 12), 28))
        self.margin = round(self.font.getbbox("0")[3] / 3)
        self.width = max(size[0], round(self.font.getlength(longest)) + 2 * self.margin)
        self.height = size[1]
        self.total = size[1] + round(self.font.getbbox(longest)[3]) + 2 * self.margin

    def below(self, picture: Image.Image, line: str) -> Image.Image:
        whole = Image.new("RGB", (self.width, self.total))
        whole.paste(picture, ((self.width - picture.width) // 2, 0))
        ImageDraw.Draw(whole).text((self.margin, self.height + self.margin), line, "white", self.font)
        return whole
