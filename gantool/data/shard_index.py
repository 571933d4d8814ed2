"""Where every image of a set of shards lies: 16 bytes an image, mapped into memory and shared by processes.

The file: one line of JSON, padded with spaces to a multiple of 16 bytes, then a tar.ROW of each image, shard
after shard. The line tells the names of the classes, through which the labels of the rows count, and of each
shard its name, its size in bytes and its time of change, by which a later change is noticed, and what its
images are like.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from gantool.data.source import natural
from gantool.data.tar import ROW, Contents

VERSION = 1  # of this format, and of what decode.glance() makes of a file


@final
@dataclass(frozen=True)
class Shard:
    """What an index tells about one shard.

    Args:
        name: beside the index, or its whole address.
        bytes: its size.
        time: of its last change in ns, or None for a URL.
        images: their number.
        modes: images of each of decode.MODES.
        size: (H, W) of all its images, or None where they differ.
        corrupt: name -> reason, of images that are none.
        unlabelled: the number of images without a label.
        example: the name of one of these.
    """

    name: str
    bytes: int
    time: int | None
    images: int
    modes: dict[str, int]
    size: tuple[int, int] | None
    corrupt: dict[str, str]
    unlabelled: int
    example: str | None

    @classmethod
    def of(cls, name: str, stamp: tuple[int, int | None], contents: Contents) -> "Shard":
        size = next(iter(contents.sizes)) if len(contents.sizes) == 1 else None
        example = contents.unlabelled[0] if contents.unlabelled else None
        modes, missing = dict(contents.modes), len(contents.unlabelled)
        return cls(name, *stamp, len(contents.rows), modes, size, contents.corrupt, missing, example)


@final
class Index:
    """An index file. Raises ValueError for a file that is none, OSError where there is none.

    Pickled by its path.
    """

    def __init__(self, path: Path):
        self.path = path
        with path.open("rb") as file:
            facts = json.loads(file.readline())
            begin = file.tell()
        try:
            if facts["version"] != VERSION:
                raise ValueError(f"{path} is of version {facts['version']}, not {VERSION}")
            self.names = tuple(map(str, facts["names"]))
            self.shards = [_shard(entry) for entry in facts["shards"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is no index of shards") from error
        self.bounds = np.cumsum([0, *(shard.images for shard in self.shards)])  # (S + 1,)
        if path.stat().st_size != begin + ROW.itemsize * int(self.bounds[-1]):
            raise ValueError(f"{path} is cut short")
        self.rows = np.empty(0, ROW)
        if self.bounds[-1]:  # copied on write, because torch warns of tensors over read-only memory
            self.rows = np.memmap(path, ROW, "c", begin, (int(self.bounds[-1]),)).view(np.ndarray)

    def of_shard(self, number: int) -> np.ndarray:
        """(N,) of ROW"""
        return self.rows[self.bounds[number] : self.bounds[number + 1]]

    def modes(self) -> Counter[str]:
        """Images of each of decode.MODES."""
        return sum((Counter(shard.modes) for shard in self.shards), Counter[str]())

    def size(self) -> tuple[int, int] | None:
        """(H, W) of all images, or None where they differ."""
        sizes = {shard.size for shard in self.shards if shard.images}
        return sizes.pop() if len(sizes) == 1 else None

    def corrupt(self) -> dict[str, str]:
        """Name -> reason."""
        return {
            f"{shard.name}/{name}": reason for shard in self.shards for name, reason in shard.corrupt.items()
        }

    def __reduce__(self) -> tuple[type["Index"], tuple[Path]]:
        return Index, (self.path,)


Part = tuple[
    Shard, np.ndarray, Sequence[str]
]  # a shard, its rows, and the names through which their labels count


def write(path: Path, parts: Iterable[Part]) -> None:
    """Make an index of these shards; the file appears whole or not at all.

    Classes are numbered in natural order of the names that occur, in whatever order they come.
    """
    shards: list[Shard] = []
    numbers: dict[str, int] = {}  # name -> label as it is in the unfinished file
    rough, whole = (path.with_name(f".{path.name}.{os.getpid()}.{k}") for k in ("rough", "whole"))
    try:
        with rough.open("wb") as file:
            for shard, rows, names in parts:
                known = np.full(len(names) + 1, -1, np.int32)
                for label in np.unique(rows["label"]).tolist():
                    if label >= 0:
                        known[label] = numbers.setdefault(names[int(label)], len(numbers))
                file.write(_relabelled(rows, known).tobytes())
                shards.append(shard)
        used = sorted(numbers, key=natural)
        facts = {"version": VERSION, "names": used, "shards": [asdict(shard) for shard in shards]}
        final_numbers = {name: number for number, name in enumerate(used)}
        known = np.array([*(final_numbers[name] for name in numbers), -1], np.int32)
        with rough.open("rb") as source, whole.open("wb") as file:
            line = json.dumps(facts, ensure_ascii=True)
            file.write(line.encode() + b" " * (-(len(line) + 1) % ROW.itemsize) + b"\n")
            for shard in shards:
                rows = np.frombuffer(source.read(shard.images * ROW.itemsize), ROW)
                file.write(_relabelled(rows, known).tobytes())
        whole.replace(path)
    finally:
        rough.unlink(missing_ok=True)
        whole.unlink(missing_ok=True)


def _relabelled(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The rows with numbers[label] for each label; the last number stands for none, -1."""
    changed = rows.copy()
    changed["label"] = numbers[rows["label"]]
    return changed


def _shard(entry: dict[str, Any]) -> Shard:
    size = entry["size"]
    return Shard(**{**entry, "size": None if size is None else (size[0], size[1])})
