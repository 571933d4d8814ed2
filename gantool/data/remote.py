"""Shards behind URLs: each is fetched whole, once per machine, and kept while there is room."""

import hashlib
import logging
import os
import re
import threading
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, final

from gantool.data.addresses import name_of
from gantool.data.files import Lost
from gantool.data.lock import locked
from gantool.data.storage import Stamp, Storage

WAITS = (1.0, 5.0)  # seconds before the second and the third attempt to fetch
SILENCE = 60  # seconds without a byte after which an attempt has failed
LOCKS = 64  # files that lock shards
OWN = re.compile(r"[0-9a-f]{16}-")  # names of shards that were fetched; others are not ours to delete
log = logging.getLogger(__name__)


@final
class Remote(Storage):
    """Shards of any file system that fsspec knows: http, https, s3, gs, …

    Several processes and several runs may share a folder. When there is no room for another shard, those that
    were opened longest ago are deleted; whoever still reads one of these goes on reading.

    Args:
        folder: where the shards are kept.
        limit: bytes that they may take, while the shard that is being fetched comes on top.
    """

    def __init__(self, folder: Path, limit: int):
        self.folder = folder
        self.limit = limit
        self._wanted: list[tuple[str, Stamp]] = []
        self._changing = threading.Lock()
        self._fetching: threading.Thread | None = None

    @property
    def indexes(self) -> Path:
        return self.folder / "indexes"

    def open(self, address: str, stamp: Stamp | None) -> BinaryIO:
        while True:
            try:
                return self._fetched(address, stamp).open("rb", buffering=0)
            except FileNotFoundError:  # somebody else needed the room in this very moment
                log.info("%s is fetched again: it was deleted before it could be opened.", address)

    def soon(self, shards: Sequence[tuple[str, Stamp]]) -> None:
        with self._changing:
            self._wanted = list(shards)
            if self._fetching is None:
                self._fetching = threading.Thread(target=self._fetch_wanted, daemon=True)
                self._fetching.start()

    def _fetch_wanted(self) -> None:
        while True:
            with self._changing:
                if not self._wanted:
                    self._fetching = None
                    return
                address, stamp = self._wanted.pop(0)
            try:
                self._fetched(address, stamp)
            except Exception as error:  # whoever reads it will try again, and tell
                log.info("%s", error)

    def _fetched(self, address: str, stamp: Stamp | None) -> Path:
        """The shard on this machine. Raises FileNotFoundError if somebody has just deleted it again."""
        size, changed = (None, None) if stamp is None else stamp
        path = self.folder / f"{digest(f'{address} {changed}')}-{name_of(address)}"
        try:
            with locked(self.folder / f"lock-{zlib.crc32(path.name.encode()) % LOCKS}"):
                if not path.exists() or size not in (None, path.stat().st_size):
                    self._fetch(address, size, path)
                os.utime(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Lost(
                f"data.cache={self.folder} cannot keep {address} ({reason(error)}); make room, lower "
                "data.cache_bytes or choose another data.cache."
            ) from error
        return path

    def _fetch(self, address: str, size: int | None, path: Path) -> None:
        part = path.with_suffix(".part")
        begin = time.monotonic()
        download(address, part, WAITS)
        found = part.stat().st_size
        if size not in (None, found):
            part.unlink()
            raise Lost(
                f"{address} has {found} bytes but {size} in its index: it was changed. Write the index anew."
            )
        part.replace(path)
        log.info("%s: %d bytes in %.1f s", address, found, time.monotonic() - begin)
        self._make_room(path)

    def _make_room(self, newest: Path) -> None:
        """Delete what was opened longest ago, until the rest is within the limit."""
        with locked(self.folder / "lock"):
            own = (file for file in self.folder.glob("*.tar") if OWN.match(file.name))
            facts = [(file.stat(), file) for file in own]
            total = sum(fact.st_size for fact, _ in facts)
            for fact, file in sorted(facts, key=lambda entry: entry[0].st_mtime_ns):
                if total <= self.limit:
                    return
                if file != newest:
                    _delete(file)
                    total -= fact.st_size

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "limit": self.limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)


def download(url: str, path: Path, waits: Sequence[float]) -> None:
    """Fetch a whole file. Raises Lost where it is not there, or cannot be had after all these waits."""
    for wait in (*waits, None):
        try:
            system, name = file_system(url)
            system.get_file(name, str(path))
            return
        except FileNotFoundError as error:
            raise Lost(f"{url} is not there; see data.path.") from error
        except Exception as error:  # of the network, of the protocol, of a package that is not installed
            path.unlink(missing_ok=True)
            if wait is None or isinstance(error, (ImportError, ValueError)):
                raise Lost(
                    f"{url} cannot be fetched ({reason(error)}); see data.path, and the network."
                ) from error
            log.info("%s cannot be fetched (%s); again in %g s.", url, reason(error), wait)
            time.sleep(wait)


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system and the name there. For now: connections do not survive a fork."""
    from fsspec.core import url_to_fs

    options: dict[str, Any] = {}
    if url.startswith(("http://", "https://")):
        from aiohttp import ClientTimeout

        # A large shard may take longer than aiohttp's five minutes. Proxies are those of the environment.
        patience = ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
        options = {"client_kwargs": {"timeout": patience, "trust_env": True}}
    return url_to_fs(url, **options)


def digest(address: str) -> str:
    return hashlib.blake2b(address.encode(errors="surrogateescape"), digest_size=8).hexdigest()


def reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _delete(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except PermissionError as error:  # on Windows, where an open file stays
        log.info("%s stays: %s", file, error)
