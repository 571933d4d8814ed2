"""One look at a shard: where in the tar its images lie, what they are, and which labels they have.

WebDataset's convention (Aizman et al. 2020, arXiv:2001.01858): files that share the name up to the first dot
of its last part belong together, such as 0001.jpg with 0001.cls, a class as text, or with 0001.json, whose
`label` is the class. Where there are both, the .cls counts.
"""

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, final

import numpy as np

from gantool.data.decode import SUFFIXES, Corrupt, glance
from gantool.data.source import visible

ROW = np.dtype([("offset", "<i8"), ("size", "<u4"), ("label", "<i4")])  # of an image; label -1 = none
HEAD = 1 << 16  # bytes that nearly always tell what an image is


@final
@dataclass
class Contents:
    """What is in a shard.

    Args:
        rows: (N,) of ROW, in the order of the tar; `label` counts through `labels`.
        labels: names of the classes that occur.
        modes: images of each of decode.MODES.
        sizes: (H, W) that occur.
        corrupt: name -> reason, of images that are none.
        unlabelled: names of images without a label.
    """

    rows: np.ndarray = field(default_factory=lambda: np.empty(0, ROW))
    labels: list[str] = field(default_factory=list)
    modes: Counter[str] = field(default_factory=Counter)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    corrupt: dict[str, str] = field(default_factory=dict)
    unlabelled: list[str] = field(default_factory=list)


def look(file: BinaryIO, shard: str) -> Contents:
    """Pass over the headers of an open tar.

    Raises ValueError for a file that is no tar, is cut short, or has a label that is none.

    Args:
        shard: its name, for messages.
    """
    contents = Contents()
    images: list[tarfile.TarInfo] = []
    labels: dict[str, str] = {}  # key -> class
    for member in _members(file, shard):
        key, kind = _split(member.name)
        if kind in SUFFIXES and member.isreg():
            images.append(member)
        elif kind in SUFFIXES:
            contents.corrupt[member.name] = "a link; write the tar with --dereference --hard-dereference"
        elif kind == ".cls":
            labels[key] = _class(_read(file, member.offset_data, member.size), f"{member.name} in {shard}")
        elif kind == ".json" and key not in labels:
            label = _label(_read(file, member.offset_data, member.size), f"{member.name} in {shard}")
            labels.update({} if label is None else {key: label})
    _describe(file, images, labels, contents)
    return contents


def name_at(file: BinaryIO, offset: int) -> str:
    """The name of the file whose bytes begin at this offset."""
    header = _read(file, offset - tarfile.BLOCKSIZE, tarfile.BLOCKSIZE)
    return tarfile.TarInfo.frombuf(header, tarfile.ENCODING, "surrogateescape").name


def _members(file: BinaryIO, shard: str) -> Iterator[tarfile.TarInfo]:
    """Every file and link that is not hidden."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                parts = member.name.removeprefix("./").split("/")
                if not member.isdir() and all(visible(part) for part in parts):
                    yield member
    except tarfile.TarError as error:
        reason = str(error) or "damaged"
        raise ValueError(
            f"{shard} is no tar, is compressed, or is cut short ({reason}); "
            "shards are plain, whole .tar files."
        ) from error


def _describe(
    file: BinaryIO, images: list[tarfile.TarInfo], labels: dict[str, str], contents: Contents
) -> None:
    """Fill in what is known of each image."""
    rows: list[tuple[int, int, int]] = []
    numbers: dict[str, int] = {}
    for image in images:
        try:
            height, width, mode = _glance(file, image)
        except Corrupt as error:
            contents.corrupt[image.name] = str(error)
            continue
        contents.modes[mode] += 1
        contents.sizes.add((height, width))
        label = labels.get(_split(image.name)[0])
        if label is None:
            contents.unlabelled.append(image.name)
        number = -1 if label is None else numbers.setdefault(label, len(numbers))
        rows.append((image.offset_data, image.size, number))
    contents.rows, contents.labels = np.array(rows, ROW), list(numbers)


def _glance(file: BinaryIO, image: tarfile.TarInfo) -> tuple[int, int, str]:
    """Height, width and mode, from as few bytes as tell them."""
    try:
        return glance(_read(file, image.offset_data, min(image.size, HEAD)))
    except Corrupt:
        if image.size <= HEAD:
            raise
        return glance(_read(file, image.offset_data, image.size))


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _split(name: str) -> tuple[str, str]:
    """`a/b.JPG` -> `a/b`, `.jpg`"""
    folder, slash, last = name.removeprefix("./").rpartition("/")
    key, dot, kind = last.partition(".")
    return f"{folder}{slash}{key}", f"{dot}{kind}".lower()


def _class(content: bytes, place: str) -> str:
    try:
        text = content.decode().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"{place} is no text ({error}); expected the number or name of a class.") from error
    if not text or "\n" in text:
        raise ValueError(f"{place} holds {text[:60]!r}; expected the number or name of a class.")
    return text


def _label(content: bytes, place: str) -> str | None:
    """The `label` of a JSON file, where it has one."""
    try:
        facts = json.loads(content)
    except ValueError as error:  # of its text or of its encoding
        raise ValueError(f'{place} is no JSON ({error}); expected {{"label": "cat"}}.') from error
    match facts:
        case {"label": bool()}:
            pass
        case {"label": str() | int() as label} if str(label).strip():
            return str(label)
        case {"label": None}:
            return None
        case {"label": _}:
            pass
        case _:
            return None
    found = json.dumps(facts["label"])[:60]
    raise ValueError(f"{place} has the label {found}; expected the number or name of a class.")
