"""Where shards lie, and how they are opened there."""

import os
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, final

from gantool.data.cache import cache_folder
from gantool.data.files import Lost

OPEN = 32  # files that a process keeps open

Stamp = tuple[int, int | None]  # size in bytes and time of change in ns, which URLs have not


class Storage(ABC):
    """Opens shards by their address: a path or a URL. Can be pickled."""

    @property
    @abstractmethod
    def indexes(self) -> Path:
        """A folder for the indexes that cannot lie beside their shards."""

    @abstractmethod
    def open(self, address: str, stamp: Stamp | None) -> BinaryIO:
        """The shard, unbuffered. Raises Lost where it is not there, or is not of the size that is known."""

    @abstractmethod
    def soon(self, shards: Sequence[tuple[str, Stamp]]) -> None:
        """These will be opened, in this order. Answers at once."""


@final
class Disk(Storage):
    """Shards that this machine reads as files."""

    @property
    def indexes(self) -> Path:
        return cache_folder() / "indexes"

    def open(self, address: str, stamp: Stamp | None) -> BinaryIO:
        try:
            file = Path(address).open("rb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise Lost(f"{address} cannot be opened ({error.strerror}); is it still there?") from error
        found = os.fstat(file.fileno()).st_size
        if stamp is not None and stamp[0] != found:
            file.close()
            raise Lost(f"{address} has {found} bytes but had {stamp[0]}: it was changed. Start again.")
        return file

    def soon(self, shards: Sequence[tuple[str, Stamp]]) -> None:
        """They are here already."""


def stamp_of(path: str) -> Stamp:
    """Of a shard on this machine."""
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); see data.path.") from error
    return facts.st_size, facts.st_mtime_ns


@final
class Opened:
    """Shards that stay open for a while. Every process has its own: forked ones would mix their reads."""

    def __init__(self, storage: Storage):
        self.storage = storage
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._files: OrderedDict[str, BinaryIO] = OrderedDict()  # the longest unused first

    @contextmanager
    def __call__(self, address: str, stamp: Stamp) -> Iterator[BinaryIO]:
        """A shard, for this thread alone."""
        with self._lock:
            yield self._file(address, stamp)

    def _file(self, address: str, stamp: Stamp) -> BinaryIO:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._close(0)
        if address not in self._files:
            self._files[address] = self.storage.open(address, stamp)
            self._close(OPEN)
        self._files.move_to_end(address)
        return self._files[address]

    def _close(self, kept: int) -> None:
        while len(self._files) > kept:
            self._files.popitem(last=False)[1].close()

    def __del__(self) -> None:
        self._close(0)

    def __getstate__(self) -> dict[str, object]:
        return {"storage": self.storage}

    def __setstate__(self, state: dict[str, Storage]) -> None:
        self.__init__(state["storage"])
