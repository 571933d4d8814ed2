"""A folder or zip of images as a training set."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch

from gantool.data.colours import colour
from gantool.data.decode import MODES
from gantool.data.image_set import ImageSet
from gantool.data.labels import class_names
from gantool.data.resize import Format
from gantool.data.scan import Found, scan
from gantool.data.source import Source, natural, open_source
from gantool.data.streamed import Streamed
from gantool.layers.resolution import height_and_width

MIXED = 64  # pixels, where the images have several sizes and data.resolution names none
NAMED = 5  # corrupt images named in a message
log = logging.getLogger(__name__)


def folder(
    path: str | None,
    subset: str | None = None,
    resolution: int | Sequence[int] | None = None,
    channels: int | None = None,
    fit: str = "crop",
    background: str = "white",
    labels: str | None = "auto",
    label_column: str | None = None,
    on_corrupt: str = "skip",
    in_memory: Literal["auto"] | bool = "auto",
    memory: int = 2_000_000_000,
) -> ImageSet:
    """The set that conf/data/folder.yaml describes, where each argument is explained."""
    if on_corrupt not in ("skip", "fail"):
        raise ValueError(f"data.on_corrupt={on_corrupt}; use skip or fail.")
    if in_memory not in ("auto", True, False):
        raise ValueError(f"data.in_memory={in_memory}; use auto, true or false.")
    found = survey(path, subset, labels, label_column)
    _report(found, fail=on_corrupt == "fail")

    form = format_of(found.images, resolution, channels, fit, background)
    index = {name: position for position, name in enumerate(found.names)}
    indices = torch.tensor([index[name] for name in found.labels]) if found.labels else None  # (N,)
    files = [image.name for image in found.images]
    streamed = Streamed(found.source, files, form, indices, found.names, replace=on_corrupt == "skip")
    if in_memory == "auto":
        in_memory = form.bytes * len(files) < memory
    return streamed.in_memory() if in_memory else streamed


@final
@dataclass(frozen=True)
class Survey:
    """What is in a folder, before any of it is brought to one format."""

    source: Source
    images: list[Found]  # in natural order
    corrupt: dict[str, str]  # name -> reason
    labels: list[str] | None  # the class of each image

    @property
    def names(self) -> list[str]:
        """Of the classes, in the order of their indices."""
        return sorted(set(self.labels or ()), key=natural)


def survey(
    path: str | None, subset: str | None = None, labels: str | None = "auto", label_column: str | None = None
) -> Survey:
    if path is None:
        raise ValueError("data=folder needs images: give data.path=DIR, a folder or a zip.")
    source = open_source(path)
    entries = source.images()
    below = f"{subset.strip('/')}/" if subset else ""
    chosen = [entry for entry in entries if entry.name.startswith(below)]
    if not chosen and entries:
        folders = sorted({entry.name.split("/")[0] for entry in entries if "/" in entry.name}, key=natural)
        raise ValueError(
            f"data.subset={subset} holds no images; folders in {path}: {', '.join(folders[:10]) or 'none'}."
        )
    if not chosen:
        raise ValueError(
            f"data.path={path} holds no images (PNG, JPEG, WebP, TIFF, BMP, GIF); give another folder."
        )

    seen = scan(source, chosen, below)
    names = class_names(source, [image.name for image in seen.images], below, labels, label_column)
    return Survey(source, seen.images, seen.corrupt, names)


def format_of(
    images: Sequence[Found],
    resolution: int | Sequence[int] | None,
    channels: int | None,
    fit: str,
    background: str,
) -> Format:
    """What is asked for and, where that is null, what the images are."""
    modes = Counter(image.mode for image in images)
    commonest = max(modes, key=lambda mode: (modes[mode], MODES[mode]))
    own_channels, depth = MODES[commonest]
    if resolution is not None:
        size = height_and_width(resolution)
    else:
        sizes = {(image.height, image.width) for image in images}
        size = sizes.pop() if len(sizes) == 1 else (MIXED, MIXED)
    return Format(own_channels if channels is None else channels, size, depth, fit, colour(background))


def _report(found: Survey, fail: bool) -> None:
    """Name the corrupt images: in an error, or in a warning where enough is left to train on."""
    if not found.corrupt:
        return
    named = [f"{name} ({reason})" for name, reason in list(found.corrupt.items())[:NAMED]]
    if len(found.corrupt) > NAMED:
        named.append(f"and {len(found.corrupt) - NAMED} more")
    total = len(found.images) + len(found.corrupt)
    summary = (
        f"{len(found.corrupt)} of {total} images in {found.source.path} cannot be read: {', '.join(named)}."
    )
    if not found.images:
        raise ValueError(f"{summary} Give another data.path.")
    if fail:
        raise ValueError(f"{summary} Repair or delete them, or set data.on_corrupt=skip.")
    log.warning("%s They are skipped.", summary)
