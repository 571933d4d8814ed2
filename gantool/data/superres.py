"""Images and the same made smaller: for super-resolution, Ledig et al. (2017), arXiv:1609.04802."""

import logging
from collections.abc import Sequence
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gantool.data import sides
from gantool.data.crops import WAYS, corner
from gantool.data.decode import MODES
from gantool.data.folder import only
from gantool.data.held_out import part
from gantool.data.image_set import Batch, ImageSet
from gantool.data.pictures import Pictures
from gantool.data.resize import Format, Size
from gantool.data.scan import KINDS, sizes
from gantool.data.sides import Side
from gantool.data.threads import in_threads
from gantool.layers.resolution import height_and_width

MIXED = 96  # pixels of a crop where images have several sizes and data.resolution names none: SRGAN's
BYTES = np.array([channels * bits // 8 for channels, bits in MODES.values()])  # of a pixel of each of KINDS
MOST = 4  # pieces along a side of an image that is held out
log = logging.getLogger(__name__)


@final
class Cuts(ImageSet):
    """`image`, cut out of pictures of any size: the middle, or anywhere.

    Args:
        pictures: (H, W, C), none smaller than the cuts.
        form: of the cuts.
        streamed: whether the pictures are decoded whenever they are asked for.
    """

    ways = WAYS

    def __init__(self, pictures: Sequence[np.ndarray], form: Format, streamed: bool):
        self.pictures, self.form, self.streamed = pictures, form, streamed
        self.shape = form.shape
        self.names, self.labels = (), None

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        count = len(self)
        cuts = [self.cut(self.pictures[index % count], index // count) for index in indices]
        return {"image": torch.from_numpy(np.stack(cuts))}

    def cut(self, picture: np.ndarray, way: int) -> np.ndarray:
        height, width = self.form.size
        top, left = corner(way, (picture.shape[0] - height, picture.shape[1] - width))
        return self.form(picture[top : top + height, left : left + width])


@final
class Pieces(ImageSet):
    """`image`, cut out of pictures at several places each: what is measured shall not hang on one of them.

    The first pieces are of different pictures.

    Args:
        pictures: (H, W, C), none smaller than the pieces.
        sizes: (H, W) of each.
        form: of the pieces.
        streamed: as of `Cuts`.
    """

    def __init__(self, pictures: Sequence[np.ndarray], sizes: Sequence[Size], form: Format, streamed: bool):
        self.pictures, self.form, self.streamed = pictures, form, streamed
        places = [corners(size, form.size) for size in sizes]
        longest = max(len(some) for some in places)
        self.places = [
            (number, *some[turn])
            for turn in range(longest)
            for number, some in enumerate(places)
            if turn < len(some)
        ]
        self.shape = form.shape
        self.names, self.labels = (), None

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        height, width = self.form.size
        cuts: list[np.ndarray] = []
        for number, top, left in (self.places[index] for index in indices):
            cuts.append(self.form(self.pictures[number][top : top + height, left : left + width]))
        return {"image": torch.from_numpy(np.stack(cuts))}


def corners(size: Size, piece: Size) -> list[Size]:
    """Where pieces of a picture begin: spread over it without overlap, at most MOST along a side.

    A single one is in the middle.
    """

    def along(side: int, length: int) -> list[int]:
        count = min(MOST, side // length)
        room = side - length
        return [room // 2] if count == 1 else [number * room // (count - 1) for number in range(count)]

    return [(top, left) for top in along(size[0], piece[0]) for left in along(size[1], piece[1])]


@final
class Shrunk(ImageSet):
    """`target`, the images of a set, and `source`, the same made smaller by `scale`."""

    entries = ("source", "target")

    def __init__(self, images: ImageSet, scale: int):
        channels, height, width = images.shape
        check_scale(scale)
        if height % scale or width % scale:
            nearest = [max(round(side / scale), 1) * scale for side in (height, width)]
            raise ValueError(
                f"data.resolution={[height, width]}: both sides must be multiples of data.scale={scale}; the "
                f"nearest is {nearest}."
            )
        self.images, self.scale = images, scale
        self.shape = images.shape
        self.source_shape = channels, height // scale, width // scale
        self.names, self.labels = (), None
        self.streamed, self.stretches, self.ways = images.streamed, images.stretches, images.ways

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        target = self.images[indices]["image"]
        return {"source": shrunk(target, self.scale), "target": target}


def check_scale(scale: int) -> None:
    """Raise ValueError for what images cannot be made smaller by."""
    if not isinstance(scale, int) or isinstance(scale, bool) or scale < 2:
        raise ValueError(f"data.scale={scale}: give a whole number of 2 or more.")


def shrunk(images: Tensor, scale: int) -> Tensor:
    """(N, C, H, W) to (N, C, H / scale, W / scale), both integers, by bicubic resampling with antialiasing.

    Cubic convolution of Keys (1981) with a = -1/2, stretched by `scale`, as in MATLAB's imresize and Pillow.
    Colours are weighted by their alpha, so that invisible pixels lend no colour to their neighbours.
    """
    full = torch.iinfo(images.dtype).max
    size = [side // scale for side in images.shape[2:]]

    def resample(x: Tensor) -> Tensor:
        return interpolate(x, size, mode="bicubic", antialias=True)

    pixels = images.float()
    small = resample(pixels)
    if images.shape[1] in (2, 4):
        alpha = small[:, -1:].clamp(0, full)
        seen = resample(pixels[:, :-1] * pixels[:, -1:]) / alpha.clamp(min=0.5)
        small = torch.cat([torch.where(alpha < 0.5, small[:, :-1], seen), alpha], 1)
    return small.round().clamp(0, full).to(images.dtype)


def superres(
    path: str | None = None,
    subset: str | None = None,
    scale: int = 4,
    resolution: int | Sequence[int] | None = None,
    channels: int | None = None,
    background: str = "white",
    hold_out: int = 0,
    on_corrupt: str = "skip",
    in_memory: Literal["auto"] | bool = "auto",
    memory: int = 2_000_000_000,
    held_out: bool = False,
) -> ImageSet:
    """The set that conf/data/superres.yaml describes, where each argument is explained.

    Args:
        held_out: of the images that training never sees, several pieces each, instead of the others.
    """
    sides.check(on_corrupt, in_memory)
    sides.check_memory(memory)
    found = survey(path, subset)
    sides.tell_corrupt(found, on_corrupt)
    found, size = enough(found, scale, resolution)
    kept = found.chosen(part(len(found), hold_out, held_out))
    pictures = Pictures(kept.files)
    hold = weight(kept.facts) < memory if in_memory == "auto" else in_memory
    loaded = (
        list(in_threads(pictures.__getitem__, range(len(pictures)), "Loading images")) if hold else pictures
    )
    form = found.form(size, channels, "crop", background)
    if not held_out:
        return Shrunk(Cuts(loaded, form, not hold), scale)
    facts = zip(kept.facts["height"].tolist(), kept.facts["width"].tolist(), strict=True)
    return Shrunk(Pieces(loaded, list(facts), form, not hold), scale)


def survey(path: str | None, subset: str | None) -> Side:
    if path is None:
        raise ValueError("data.path is missing: data=superres needs a folder of images, or a zip of one.")
    return sides.look("subset", path, subset)


def enough(found: Side, scale: int, resolution: int | Sequence[int] | None) -> tuple[Side, Size]:
    """The images that are large enough for crops, with a warning for the others, and the crops' size."""
    check_scale(scale)
    most = int(np.minimum(found.facts["height"], found.facts["width"]).max())  # of a square
    if most < scale:
        raise ValueError(
            f"data.scale={scale}: shorter sides of the images in {found.place} have at most {most} pixels; "
            "give larger images, or a smaller scale."
        )
    own = only(sizes(found.facts)) or (MIXED, MIXED)
    if resolution is None:
        size = own[0] - own[0] % scale, own[1] - own[1] % scale
    else:
        size = height_and_width(resolution)
    large = (found.facts["height"] >= size[0]) & (found.facts["width"] >= size[1])
    if not large.any():
        raise ValueError(
            f"data.resolution={list(size)}: no image of {found.place} is as large, and to enlarge them "
            f"would teach blur; give {most - most % scale} or less."
        )
    if not large.all():
        log.warning(
            "%d of %d images of %s are smaller than crops of %d x %d pixels, such as %s. They are skipped.",
            (~large).sum(),
            len(large),
            found.place,
            size[1],
            size[0],
            found.names[int(large.argmin())],
        )
    return found.chosen(large.nonzero()[0]), size


def weight(facts: np.ndarray) -> int:
    """Bytes of all pictures, as they are in their files."""
    assert len(BYTES) == len(KINDS)
    return int((facts["height"].astype(np.int64) * facts["width"] * BYTES[facts["mode"]]).sum())
