"""Where image files lie: in a folder or in a zip. Both list and read files by their name below the root."""

import logging
import os
import re
import threading
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, final

from gantool.data.decode import is_image
from gantool.data.zip_directory import Directory

DIGITS = re.compile(r"(\d+)")
log = logging.getLogger(__name__)


class Entry(NamedTuple):
    name: str  # below the root, with / between folders
    stamp: tuple[int, int]  # changes when the file changes


class Source(ABC):
    """A tree of files."""

    path: Path

    @abstractmethod
    def images(self) -> Iterator[Entry]:
        """Every image file that is not hidden, in natural order: a2 before a10, the same on every system."""

    @abstractmethod
    def read(self, name: str) -> bytes: ...

    @abstractmethod
    def holds(self, name: str) -> bool: ...


def open_source(path: str | Path) -> Source:
    root = Path(str(path)).expanduser()  # YAML reads a folder named 0 as a number
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

    def images(self) -> Iterator[Entry]:
        return self._below("")

    def _below(self, folder: str) -> Iterator[Entry]:
        """Folder by folder, each sorted by itself: natural order, without holding more than one of them."""
        try:
            with os.scandir(self.path / folder) as found:
                inside = {entry.name: entry for entry in found if visible(entry.name)}
        except OSError as error:
            log.warning("%s cannot be read (%s). It is skipped.", self.path / folder, error.strerror)
            return
        for name in sorted(inside, key=natural_part):
            entry = inside.pop(name)
            if entry.is_dir():
                if not _encloses(os.path.join(self.path, folder), name):
                    yield from self._below(f"{folder}{name}/")
            elif is_image(name):
                facts = _facts(entry)
                yield Entry(f"{folder}{name}", (facts.st_size, facts.st_mtime_ns))

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def holds(self, name: str) -> bool:
        return (self.path / name).is_file()


@final
class Zip(Source):
    """A zip, opened once in every process that reads it: forked workers would mix the reads of one handle."""

    def __init__(self, path: Path):
        self.path = path
        self._directory: Directory | None = None
        self._handle: tuple[int, BinaryIO] | None = None
        self._lock = threading.Lock()

    def images(self) -> Iterator[Entry]:
        infos = [info for info in self._infos() if is_image(info.filename) and _shown(info.filename)]
        for info in sorted(infos, key=lambda info: natural(info.filename)):
            yield Entry(info.filename, (info.file_size, info.CRC))

    def read(self, name: str) -> bytes:
        directory = self._known()
        try:
            with self._lock:
                return directory.read(self._open(), name)
        except NotImplementedError:  # bzip2, LZMA, a password: slower, and in more memory
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(name)

    def holds(self, name: str) -> bool:
        return name in self._known()

    def _infos(self) -> list[zipfile.ZipInfo]:
        with zipfile.ZipFile(self.path) as archive:
            infos = archive.infolist()
        self._directory = Directory(infos)
        return infos

    def _known(self) -> Directory:
        if self._directory is None:
            self._infos()
        assert self._directory is not None
        return self._directory

    def _open(self) -> BinaryIO:
        process = os.getpid()
        if self._handle is None or self._handle[0] != process:
            self._close()
            self._handle = process, self.path.open("rb")
        return self._handle[1]

    def _close(self) -> None:
        if self._handle is not None:
            self._handle[1].close()
            self._handle = None

    def __del__(self) -> None:
        self._close()

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "directory": self._directory}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])
        self._directory = state["directory"]


def natural(name: str) -> list[bytes]:
    """A sorting key that counts numbers in names as numbers, folder by folder."""
    return [natural_part(part) for part in name.split("/")]


def natural_part(part: str) -> bytes:
    """Of a name without folders. Letters end with 0; numbers begin with the number of their digits."""
    key = bytearray()
    for position, piece in enumerate(DIGITS.split(part)):
        if position % 2:
            digits = str(int(piece))
            key += len(digits).to_bytes(2, "big") + digits.encode()
        key += piece.encode(errors="surrogatepass") + b"\0"
    return bytes(key)


def _shown(name: str) -> bool:
    return all(visible(part) for part in name.split("/"))


def visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _facts(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        return entry.stat()
    except FileNotFoundError:  # a broken link is a corrupt image
        return entry.stat(follow_symlinks=False)


def _encloses(folder: str, child: str) -> bool:
    """Whether a child is a link to one of its own parents, which would never end."""
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(os.path.join(folder, child)))
