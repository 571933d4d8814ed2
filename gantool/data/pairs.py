"""Pairs of images, a source and its target: for pix2pix, Isola et al. (2017), arXiv:1611.07004."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, final

import numpy as np
import torch

from gantool.data import sides
from gantool.data.held_out import part
from gantool.data.image_set import Batch, ImageSet, InMemory
from gantool.data.partners import partners
from gantool.data.pictures import Pictures
from gantool.data.resize import Format
from gantool.data.sides import Side
from gantool.data.threads import in_threads

LAYOUTS = ("folders", "side_by_side")
DIRECTIONS = ("ab", "ba")


@final
class Pairs(ImageSet):
    """`source` and `target`, of two sets of equal length: what has the same position belongs together."""

    entries = ("source", "target")

    def __init__(self, source: ImageSet, target: ImageSet):
        if len(source) != len(target):
            raise ValueError(
                f"Pairs need as many sources as targets, not {len(source)} and {len(target)}; leave out "
                "what has no partner."
            )
        self.source, self.target = source, target
        self.shape, self.source_shape = target.shape, source.shape
        self.names, self.labels = (), None
        self.streamed = source.streamed or target.streamed

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return {"source": self.source[indices]["image"], "target": self.target[indices]["image"]}


@final
class Sheets(ImageSet):
    """`source` and `target`, the two halves of pictures that show both side by side; decoded once for both.

    Args:
        pictures: (H, W, C); the middle column of an odd W is nobody's.
        forms: of source and target.
        direction: ab = the source is on the left, ba = on the right.
    """

    entries = ("source", "target")
    streamed = True

    def __init__(self, pictures: Pictures, forms: tuple[Format, Format], direction: str):
        self.pictures, self.forms, self.direction = pictures, forms, direction
        self.source_shape, self.shape = forms[0].shape, forms[1].shape
        self.names, self.labels = (), None

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        sources, targets = zip(*(self.halves(int(index)) for index in indices), strict=True)
        return {
            "source": torch.from_numpy(np.stack(sources)),
            "target": torch.from_numpy(np.stack(targets)),
        }

    def halves(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Source and target, (C, H, W) each."""
        picture = self.pictures[index]
        half = picture.shape[1] // 2
        source, target = picture[:, :half], picture[:, -half:]
        if self.direction == "ba":
            source, target = target, source
        return self.forms[0](source), self.forms[1](target)

    def in_memory(self) -> Pairs:
        """All of it, decoded once."""
        arrays = [np.empty((len(self), *form.shape), form.dtype) for form in self.forms]

        def place(index: int) -> None:
            arrays[0][index], arrays[1][index] = self.halves(index)

        for _ in in_threads(place, range(len(self)), "Loading images"):
            pass
        return Pairs(InMemory(arrays[0]), InMemory(arrays[1]))


def pairs(
    path: str | None = None,
    source: str | None = None,
    target: str | None = None,
    table: str | None = None,
    layout: str = "folders",
    direction: str = "ab",
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
    held_out: bool = False,
) -> ImageSet:
    """The set that conf/data/pairs.yaml describes, where each argument is explained.

    Args:
        held_out: the images that training never sees, instead of the others.
    """
    sides.check(on_corrupt, in_memory, jitter)
    found = survey(path, source, target, table, layout, direction)
    for side in {side.key: side for side in found}.values():
        sides.tell_corrupt(side, on_corrupt)
    size = sides.size_of(resolution, found[1])
    whole = size if held_out else sides.enlarged(size, jitter)
    forms = sides.forms_of(found, whole, channels, source_channels, fit, background)
    kept = part(len(found[1]), hold_out, held_out)
    hold = sides.held([(form, len(kept)) for form in forms], in_memory, memory)
    if layout == "side_by_side":
        sheets = Sheets(Pictures(found[0].chosen(kept).files), forms, direction)
        images = sheets.in_memory() if hold else sheets
    else:
        images = Pairs(
            *(side.chosen(kept).stored(form, hold) for side, form in zip(found, forms, strict=True))
        )
    return sides.jittered(images, size)


def survey(
    path: str | None,
    source: str | None,
    target: str | None,
    table: str | None,
    layout: str = "folders",
    direction: str = "ab",
) -> tuple[Side, Side]:
    """Source and target, image by image; of pictures that show both, one side twice, with widths halved."""
    if layout not in LAYOUTS:
        raise ValueError(f"data.layout={layout}; use {' or '.join(LAYOUTS)}.")
    if direction not in DIRECTIONS:
        raise ValueError(f"data.direction={direction}; use {' or '.join(DIRECTIONS)}.")
    if layout == "side_by_side":
        for key, value in (("source", source), ("target", target), ("table", table)):
            if value is not None:
                raise ValueError(f"data.layout=side_by_side takes data.path alone; drop data.{key}={value}.")
        sheet = sides.look("path", path, None)
        facts = sheet.facts.copy()
        facts["width"] //= 2
        if not facts["width"].all():
            narrow = sheet.names[int(facts["width"].argmin())]
            raise ValueError(f"data.layout=side_by_side: {narrow} is too narrow to hold two images.")
        half = replace(sheet, facts=facts)
        return half, half
    one, other = partners(path, source, target, table)
    return (other, one) if direction == "ba" else (one, other)
