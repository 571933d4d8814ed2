"""Where many images go, one by one: loose files in a folder, or a data set that can be trained on.

A data set gets its name when it is finished: there is all of it or nothing, and none that exists is replaced.
"""

import glob
import io
import json
import os
import re
import shutil
import tarfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor

Add = Callable[[int, bytes], None]  # the number of an image, and its file
NUMBER = re.compile(r"%(?:0\d+)?d")
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
PORTABLE = re.compile(r"(?!__MACOSX$)\w[\w +,()&'-]{0,99}(?<! )")


@final
@dataclass(frozen=True)
class Labels:
    """The class of each image.

    Args:
        numbers: (N,), counting through `names`.
        names: of all classes.
    """

    numbers: Tensor
    names: list[str]

    def name(self, image: int) -> str:
        return self.names[int(self.numbers[image])]

    def folder(self, image: int) -> str:
        """That of its class: its name, or its number where not every system has folders of that name."""
        name = self.name(image)
        return name if PORTABLE.fullmatch(name) else str(int(self.numbers[image]))


class Outlet(ABC):
    path: Path

    @abstractmethod
    def grid(self) -> Path:
        """Where a picture of some images belongs: of a data set beside it, for it is none of its images."""

    @abstractmethod
    def check(self) -> None:
        """Raise ValueError for what lies there already."""

    @abstractmethod
    @contextmanager
    def writing(self) -> Iterator[Add]:
        """Takes images from the first to the last."""

    @abstractmethod
    def use(self) -> str:
        """What the images are good for, as an end of a sentence."""


@final
class Loose(Outlet):
    """000000.png, 000001.png, … in a folder, over those of before."""

    def __init__(self, path: Path):
        self.path = path

    def grid(self) -> Path:
        return self.path / "grid.png"

    def check(self) -> None:
        """Files of these names are replaced."""

    @contextmanager
    def writing(self) -> Iterator[Add]:
        self.path.mkdir(parents=True, exist_ok=True)

        def add(number: int, content: bytes) -> None:
            (self.path / f"{number:06d}.png").write_bytes(content)

        yield add

    def use(self) -> str:
        return ""


@final
class Set(Outlet):
    """A folder or zip as data=folder reads it: a folder for each class, and dataset.json with their names.

    dataset.json tells what folders cannot: names such as `T-shirt/top`, and that of an only class.

    Args:
        path: of a zip or a folder.
        labels: None = the images have none, and lie beside each other.
    """

    def __init__(self, path: Path, labels: Labels | None):
        self.path = path
        self.labels = labels

    def grid(self) -> Path:
        stem = self.path.stem if self.path.suffix == ".zip" else self.path.name
        return self.path.with_name(f"{stem}-grid.png")

    def check(self) -> None:
        empty = self.path.suffix != ".zip" and self.path.is_dir() and not any(self.path.iterdir())
        if self.path.exists() and not empty:
            raise ValueError(f"out={self.path} exists already; remove it, or choose another name.")

    @contextmanager
    def writing(self) -> Iterator[Add]:
        store = zipped if self.path.suffix == ".zip" else filed
        with finished_as([self.path]) as (part,), store(part) as put:
            names: list[tuple[str, str]] = []

            def add(number: int, content: bytes) -> None:
                name = f"{number:06d}.png"
                if self.labels is not None:
                    name = f"{self.labels.folder(number)}/{name}"
                    names.append((name, self.labels.name(number)))
                put(name, content)

            yield add
            if self.labels is not None:
                put("dataset.json", json.dumps({"labels": names}, ensure_ascii=False).encode())

    def use(self) -> str:
        return f". Train on them: gantool train data=folder data.path={self.path}"


@final
class Shards(Outlet):
    """One tar, or several of a pattern such as fakes-%05d.tar, as data=shards reads them.

    They hold 000000.png and, where there are labels, 000000.json.

    Args:
        path: or a pattern.
        labels: None = the images have none.
        count: images in all.
        each: images in a tar, where there are several.
    """

    def __init__(self, path: Path, labels: Labels | None, count: int, each: int):
        if NUMBER.search(str(path.parent)) or len(NUMBER.findall(path.name)) > 1:
            raise ValueError(f"out={path}: one %05d, in the name of the file, is the number of the tar.")
        self.path = path
        self.labels = labels
        self.several = bool(NUMBER.search(path.name))
        self.each = each if self.several else count
        self.paths = [path.with_name(self.named(n)) for n in range(-(-count // self.each))]

    def named(self, number: int) -> str:
        return NUMBER.sub(lambda match: match[0] % number, self.path.name)

    def pattern(self) -> Path:
        """That finds these shards and others of their kind."""
        before, *after = NUMBER.split(self.path.stem)
        return self.path.with_name("*".join(map(glob.escape, [before, *after])) + ".tar")

    def grid(self) -> Path:
        stem = re.sub(rf"[-_.]?{NUMBER.pattern}", "", self.path.stem)
        return self.path.with_name(f"{stem}-grid.png" if stem else "grid.png")

    def check(self) -> None:
        known = sorted(self.path.parent.glob(self.pattern().name)) if self.path.parent.is_dir() else []
        if known:
            raise ValueError(
                f"out={self.path}: {known[0]} exists already; remove it, or choose another name."
            )

    @contextmanager
    def writing(self) -> Iterator[Add]:
        with finished_as(self.paths) as parts, ExitStack() as opened:
            tar: tarfile.TarFile | None = None

            def put(name: str, content: bytes) -> None:
                assert tar is not None
                header = tarfile.TarInfo(name)
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))

            def add(number: int, content: bytes) -> None:
                nonlocal tar
                if number % self.each == 0:
                    opened.close()
                    part = parts[number // self.each]
                    tar = opened.enter_context(tarfile.open(part, "w", format=tarfile.USTAR_FORMAT))
                put(f"{number:06d}.png", content)
                if self.labels is not None:
                    put(f"{number:06d}.json", json.dumps({"label": self.labels.name(number)}).encode())

            yield add
            opened.close()

    def use(self) -> str:
        path = f"'{self.pattern()}'" if self.several else self.path
        return f". Train on them: gantool train data=shards data.path={path}"


def outlet(path: Path, data_set: bool, labels: Labels | None, count: int, each: int) -> Outlet:
    """That of a name: FILE.zip, FILE.tar and FILE-%05d.tar are data sets, a folder may be one.

    Raises ValueError for other archives.
    """
    if path.name.endswith(COMPRESSED):
        raise ValueError(f"out={path}: shards are plain .tar files, for PNG is compressed already.")
    if path.suffix == ".tar":
        return Shards(path, labels, count, each)
    if NUMBER.search(str(path)):
        raise ValueError(f"out={path}: only tars are numbered, as in FILE-%05d.tar.")
    return Set(path, labels) if data_set or path.suffix == ".zip" else Loose(path)


@contextmanager
def finished_as(paths: list[Path]) -> Iterator[list[Path]]:
    """Places beside these, which get these names in the end; where it does not come to that, they go."""
    parts = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in paths]
    for folder in {path.parent for path in paths}:
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield parts
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)
    finally:
        for part in parts:
            if part.is_dir():
                shutil.rmtree(part)
            part.unlink(missing_ok=True)


@contextmanager
def zipped(path: Path) -> Iterator[Callable[[str, bytes], None]]:
    with zipfile.ZipFile(path, "x") as archive:

        def put(name: str, content: bytes) -> None:
            entry = zipfile.ZipInfo(name)  # of 1980: the same images are the same file
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)

        yield put


@contextmanager
def filed(path: Path) -> Iterator[Callable[[str, bytes], None]]:
    path.mkdir()

    def put(name: str, content: bytes) -> None:
        file = path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)

    yield put
