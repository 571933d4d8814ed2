"""A folder or zip of images as a training set."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch

from gantool.data.colours import colour
from gantool.data.corrupt import report
from gantool.data.decode import MODES
from gantool.data.held_out import part
from gantool.data.image_set import ImageSet
from gantool.data.labels import Classes, classes_of
from gantool.data.resize import Format, Size
from gantool.data.scan import Scan, listing, modes, scan, sizes
from gantool.data.source import Source, natural, open_source
from gantool.data.streamed import Streamed
from gantool.data.tree import Tree
from gantool.layers.resolution import height_and_width

MIXED = 64  # pixels, where the images have several sizes and data.resolution names none


def folder(
    path: str | None,
    subset: str | None = None,
    resolution: int | Sequence[int] | None = None,
    channels: int | None = None,
    fit: str = "crop",
    background: str = "white",
    labels: str | None = "auto",
    label_column: str | None = None,
    hold_out: int = 0,
    on_corrupt: str = "skip",
    in_memory: Literal["auto"] | bool = "auto",
    memory: int = 2_000_000_000,
    held_out: bool = False,
) -> ImageSet:
    """The set that conf/data/folder.yaml describes, where each argument is explained.

    With `held_out` the images that it does not show in training.
    """
    if on_corrupt not in ("skip", "fail"):
        raise ValueError(f"data.on_corrupt={on_corrupt}; use skip or fail.")
    if in_memory not in ("auto", True, False):
        raise ValueError(f"data.in_memory={in_memory}; use auto, true or false.")
    found = survey(path, subset, labels, label_column)
    images = found.images
    report(images.corrupt, len(images.names), found.source.path, fail=on_corrupt == "fail")

    form = format_of(modes(images.facts), only(sizes(images.facts)), resolution, channels, fit, background)
    chosen = part(len(images.names), hold_out, held_out)
    names = images.names.chosen(chosen) if hold_out else images.names
    files, replace = Tree(found.source, names), on_corrupt == "skip"
    if found.classes is None:
        streamed = Streamed(files, form, replace=replace)
    else:
        indices = torch.from_numpy(found.classes.labels[chosen])
        streamed = Streamed(files, form, indices, found.classes.names, replace)
    if in_memory == "auto":
        in_memory = form.bytes * len(files) < memory
    return streamed.in_memory() if in_memory else streamed


@final
@dataclass(frozen=True)
class Survey:
    """What is in a folder, before any of it is brought to one format."""

    source: Source
    images: Scan
    classes: Classes | None


def survey(
    path: str | None, subset: str | None = None, labels: str | None = "auto", label_column: str | None = None
) -> Survey:
    if path is None:
        raise ValueError("data=folder needs images: give data.path=DIR, a folder or a zip.")
    source = open_source(path)
    below = f"{subset.strip('/')}/" if subset else ""
    title = f"Listing {source.path.name}"
    files = listing((entry for entry in source.images() if entry.name.startswith(below)), title)
    if not len(files.names):
        names = {entry.name.split("/")[0] for entry in source.images() if "/" in entry.name}
        if names or next(source.images(), None):
            folders = ", ".join(sorted(names, key=natural)[:10]) or "none"
            raise ValueError(f"data.subset={subset} holds no images; folders in {path}: {folders}.")
        raise ValueError(
            f"data.path={path} holds no images (PNG, JPEG, WebP, TIFF, BMP, GIF); give another folder."
        )

    seen = scan(source, files, below)
    return Survey(source, seen, classes_of(source, seen.names, below, labels, label_column))


def only(sizes: Collection[Size]) -> Size | None:
    """The one size that there is, or None."""
    return next(iter(sizes)) if len(sizes) == 1 else None


def format_of(
    modes: Counter[str],
    size: Size | None,
    resolution: int | Sequence[int] | None,
    channels: int | None,
    fit: str,
    background: str,
) -> Format:
    """What is asked for and, where that is null, what the images are.

    Args:
        modes: images of each of decode.MODES.
        size: of all images, or None where they differ.
    """
    commonest = max(modes, key=lambda mode: (modes[mode], MODES[mode]))
    own_channels, depth = MODES[commonest]
    if resolution is not None:
        size = height_and_width(resolution)
    elif size is None:
        size = MIXED, MIXED
    return Format(own_channels if channels is None else channels, size, depth, fit, colour(background))
