"""Where image files lie: in a folder or in a zip. Both list and read files by their name below the root."""

import os
import re
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import NamedTuple, final

from gantool.data.decode import is_image


class Entry(NamedTuple):
    name: str  # below the root, with / between folders
    stamp: tuple[int, ...]  # changes when the file changes


class Source(ABC):
    """A tree of files."""

    path: Path

    @abstractmethod
    def images(self) -> list[Entry]:
        """Every image file that is not hidden, in natural order: a2 before a10, the same on every system."""

    @abstractmethod
    def read(self, name: str) -> bytes: ...

    @abstractmethod
    def holds(self, name: str) -> bool: ...


def open_source(path: str | Path) -> Source:
    root = Path(path).expanduser()
    if root.is_dir():
        return Folder(root)
    if root.is_file() and zipfile.is_zipfile(root):
        return Zip(root)
    what = "neither a folder nor a zip" if root.exists() else "not there"
    raise ValueError(f"data.path={path} is {what}; give a folder of images, or a zip of one.")


@final
class Folder(Source):
    def __init__(self, path: Path):
        self.path = path

    def images(self) -> list[Entry]:
        entries = []
        for folder, children, files in os.walk(self.path, followlinks=True):
            children[:] = [name for name in children if _visible(name) and not _encloses(folder, name)]
            for file in files:
                if _visible(file) and is_image(file):
                    path = Path(folder, file)
                    facts = path.stat() if path.exists() else path.lstat()  # a broken link is a corrupt image
                    name = path.relative_to(self.path).as_posix()
                    entries.append(Entry(name, (facts.st_size, facts.st_mtime_ns)))
        return sorted(entries, key=lambda entry: natural(entry.name))

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def holds(self, name: str) -> bool:
        return (self.path / name).is_file()


@final
class Zip(Source):
    """A zip, opened once in every process that reads it: forked workers would mix the reads of one handle."""

    def __init__(self, path: Path):
        self.path = path
        self._handle: tuple[int, zipfile.ZipFile] | None = None

    def images(self) -> list[Entry]:
        entries = [
            Entry(info.filename, (info.file_size, info.CRC))
            for info in self._open().infolist()
            if is_image(info.filename) and all(_visible(part) for part in info.filename.split("/"))
        ]
        return sorted(entries, key=lambda entry: natural(entry.name))

    def read(self, name: str) -> bytes:
        return self._open().read(name)

    def holds(self, name: str) -> bool:
        return name in self._open().NameToInfo

    def _open(self) -> zipfile.ZipFile:
        process = os.getpid()
        if self._handle is None or self._handle[0] != process:
            self._handle = process, zipfile.ZipFile(self.path)
        return self._handle[1]

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_handle": None}


def natural(name: str) -> list[list[tuple[bool, int, str]]]:
    """A sorting key that counts numbers in names as numbers, folder by folder."""
    return [
        [
            (not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
            for part in re.split(r"(\d+)", folder)
        ]
        for folder in name.split("/")
    ]


def _visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _encloses(folder: str, child: str) -> bool:
    """Whether a child is a link to one of its own parents, which would never end."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(os.path.join(folder, child)))
