"""What sets for image-to-image translation share: the images of one side, before they have one format."""

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from gantool.data.corrupt import report
from gantool.data.crops import Cropped
from gantool.data.folder import MIXED, format_of, only
from gantool.data.image_set import ImageSet
from gantool.data.names import Names
from gantool.data.resize import Format, Size
from gantool.data.scan import listing, modes, scan, sizes
from gantool.data.source import Source, open_source
from gantool.data.streamed import Streamed
from gantool.data.tree import Tree
from gantool.layers.resolution import height_and_width


@final
@dataclass(frozen=True)
class Side:
    """Readable images.

    Args:
        key: of the configuration, which says where they lie.
        source: their folder or zip.
        below: what their names begin with: a folder and a slash, or nothing.
        names: (N,), below the source's root.
        facts: (N,) of scan.FACTS.
        corrupt: name -> reason, of those that are not readable.
        alone: names of those that have no partner on the other side.
    """

    key: str
    source: Source
    below: str
    names: Names
    facts: np.ndarray
    corrupt: dict[str, str]
    alone: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def place(self) -> str:
        return str(self.source.path / self.below)

    @property
    def files(self) -> Tree:
        return Tree(self.source, self.names)

    def chosen(self, positions: np.ndarray) -> "Side":
        return replace(self, names=self.names.chosen(positions), facts=self.facts[positions])

    def form(self, size: Size, channels: int | None, fit: str, background: str) -> Format:
        """What these images become: of `channels`, or of what most of them have."""
        return format_of(modes(self.facts), None, size, channels, fit, background)

    def stored(self, form: Format, in_memory: bool, skip: bool = False) -> ImageSet:
        """The set of these images; `skip` one that becomes unreadable, and show another in its place."""
        streamed = Streamed(self.files, form, replace=skip)
        return streamed.in_memory() if in_memory else streamed


def look(key: str, path: str | None, folder: str | None, wanted: Collection[str] | None = None) -> Side:
    """The images of `folder`, which lies below `path` where that is given; those of `path` without a folder.

    Args:
        key: of the configuration, which names `folder`, for messages.
        wanted: the names of the images, where not all are.
    """
    root, below = (folder, None) if path is None else (path, folder)
    named = key if path is None else "path"
    if root is None:
        raise ValueError(f"data.{named} is missing; give a folder of images, or a zip of one.")
    try:
        source = open_source(root)
    except ValueError as error:
        raise ValueError(str(error).replace("data.path=", f"data.{named}=")) from error
    start = start_of(below)
    entries = (
        e for e in source.images() if e.name.startswith(start) and (wanted is None or e.name in wanted)
    )
    files = listing(entries, f"Listing {source.path.name}")
    if not len(files.names) and wanted is None:
        inside = f" in {path}" if below else ""
        value = root if below is None else below
        raise ValueError(
            f"data.{'path' if below is None and path else key}={value}{inside} holds no images (PNG, JPEG, "
            "WebP, TIFF, BMP, GIF); give another folder."
        )
    seen = scan(source, files, start if wanted is None else f"{start}{key}")
    return Side(key, source, start, seen.names, seen.facts, seen.corrupt)


def start_of(folder: str | None) -> str:
    """What the names in a folder below the root begin with: the folder and a slash, or nothing."""
    below = posixpath.normpath("" if folder is None else str(folder).strip("/"))
    return "" if below == "." else f"{below}/"


def tell_corrupt(side: Side, on_corrupt: str) -> None:
    """Warn of corrupt images, or raise ValueError where none is left or that is wanted."""
    report(side.corrupt, len(side), side.place, fail=on_corrupt == "fail")


def size_of(resolution: int | Sequence[int] | None, *sides: Side) -> Size:
    """What is asked for; or else the one size that all images have, or MIXED where they differ."""
    if resolution is not None:
        return height_and_width(resolution)
    own = only({size for side in sides for size in sizes(side.facts)})
    return own or (MIXED, MIXED)


def enlarged(size: Size, jitter: int) -> Size:
    """That of images from which crops of `size` are taken."""
    return size[0] + jitter, size[1] + jitter


def jittered(images: ImageSet, size: Size) -> ImageSet:
    """Random crops where the images are larger than they should be."""
    return images if images.shape[1:] == size else Cropped(images, size)


def forms_of(
    found: tuple[Side, Side],
    size: Size,
    channels: int | None,
    source_channels: int | None,
    fit: str,
    background: str,
) -> tuple[Format, Format]:
    """Of what translation starts from, and of what it shall make."""
    check_channels(channels=channels, source_channels=source_channels)
    return (
        found[0].form(size, source_channels, fit, background),
        found[1].form(size, channels, fit, background),
    )


def held(forms: Collection[tuple[Format, int]], in_memory: Literal["auto"] | bool, memory: int) -> bool:
    """Whether sets of formats and counts shall be held in memory. ValueError for no number of bytes."""
    check_memory(memory)
    return sum(form.bytes * count for form, count in forms) < memory if in_memory == "auto" else in_memory


def check(on_corrupt: str, in_memory: Literal["auto"] | bool, jitter: int = 0) -> None:
    """Raise ValueError for choices that there are not."""
    if on_corrupt not in ("skip", "fail"):
        raise ValueError(f"data.on_corrupt={on_corrupt}; use skip or fail.")
    if in_memory not in ("auto", True, False):
        raise ValueError(f"data.in_memory={in_memory}; use auto, true or false.")
    if not isinstance(jitter, int) or isinstance(jitter, bool) or jitter < 0:
        raise ValueError(f"data.jitter={jitter}: give a number of pixels, 0 or more.")


def check_memory(memory: int) -> None:
    """Raise ValueError for what is no number of bytes."""
    if not isinstance(memory, int | float) or isinstance(memory, bool) or memory < 0:
        raise ValueError(f"data.memory={memory}: give a number of bytes, such as 2_000_000_000.")


def check_channels(**channels: int | None) -> None:
    """Raise ValueError, naming the key, for numbers of channels that no image has."""
    for key, value in channels.items():
        if value not in (None, 1, 2, 3, 4):
            raise ValueError(f"data.{key}={value}; use 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).")
