"""The index of shards: found beside them or in a cache, or made by a look at every shard.

Beside the shards of a folder lies `shards.index`, written by scripts/write_shards.py or by the first run that
may. Other choices of shards, URLs, and folders that cannot be written have theirs in a cache. Where a shard
is new or has changed, the others keep what is known of them.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from gantool.data.addresses import folder_of, is_remote, name_of
from gantool.data.files import Lost
from gantool.data.lock import locked
from gantool.data.remote import digest, download
from gantool.data.shard_index import Index, Part, Shard, write
from gantool.data.source import natural
from gantool.data.storage import Stamp, Storage, stamp_of
from gantool.data.tar import look
from gantool.data.threads import in_threads

BESIDE = "shards.index"
log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Wanted:
    """The shards that an index is looked for.

    Args:
        stamps: of each shard; None = as it was when it was indexed.
        folder: in which they all lie, with the slash at its end.
        indexes: what may tell of them: an index beside them, and one in the cache.
    """

    addresses: list[str]
    stamps: Sequence[Stamp | None]
    folder: str | None
    indexes: list[Path]

    def known(self) -> Iterator[tuple[Index, list[str]]]:
        """Every index that there is, with the addresses of its shards."""
        for path in self.indexes:
            index = _read(path)
            if index is not None:
                folder = "" if path == self.indexes[-1] else self.folder
                yield index, [f"{folder}{shard.name}" for shard in index.shards]

    def fitting(self) -> Index | None:
        """An index of just these shards as they are now."""
        for index, addresses in self.known():
            if addresses == self.addresses and all(map(_unchanged, index.shards, self.stamps)):
                return index
        return None

    def target(self) -> Path:
        """Where an index is written: beside the shards if these are all of their folder, or in the cache."""
        if self.folder is not None and not is_remote(self.folder) and os.access(self.folder, os.W_OK):
            shards = (path.name for path in Path(self.folder).glob("*.tar") if not path.name.startswith("."))
            if sorted(shards, key=natural) == [name_of(address) for address in self.addresses]:
                return self.indexes[0]
        return self.indexes[-1]


def index_of(addresses: Sequence[str], storage: Storage) -> Index:
    """An index of exactly these shards in this order.

    Raises ValueError for a shard that is not there, is no tar, or has a label that is none, and where no
    index can be written.
    """
    folders = {folder_of(address) for address in addresses}
    folder = folders.pop() if len(folders) == 1 else None
    kept = storage.indexes / f"{digest(chr(10).join(addresses))}.index"
    try:
        if is_remote(addresses[0]):
            beside = [] if folder is None else [_fetched(folder + BESIDE, kept.with_suffix(".beside"))]
            stamps = _told(addresses, folder, beside)
        else:
            beside = [] if folder is None else [Path(folder + BESIDE)]
            stamps = [stamp_of(address) for address in addresses]
        wanted = Wanted(list(addresses), stamps, folder, [*beside, kept])
        index = wanted.fitting()
        if index is None:
            target = wanted.target()
            with locked(target.with_name(f".{target.name}.lock")):
                index = wanted.fitting() or _made(wanted, target, storage)
    except OSError as error:
        raise ValueError(
            f"The shards cannot be indexed ({error}); make room, or set XDG_CACHE_HOME to another folder."
        ) from error
    return index


def _fetched(url: str, path: Path) -> Path:
    """What now lies beside remote shards, or what was there before where nobody answers."""
    with locked(path.with_name(f".{path.name}.lock")):
        part = path.with_suffix(".part")
        try:
            download(url, part, waits=())
            part.replace(path)
        except Lost as error:
            log.info("No index of remote shards: %s", error)
    return path


def _told(addresses: Sequence[str], folder: str | None, beside: list[Path]) -> list[Stamp | None]:
    """What an index beside remote shards tells of each."""
    index = _read(beside[0]) if beside else None
    shards = () if index is None else index.shards
    stamps: dict[str, Stamp] = {f"{folder}{shard.name}": (shard.bytes, shard.time) for shard in shards}
    return [stamps.get(address) for address in addresses]


def _read(path: Path) -> Index | None:
    try:
        return Index(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.info("%s is of no use: %s.", path, error)
        return None


def _unchanged(shard: Shard, stamp: Stamp | None) -> bool:
    return stamp is None or stamp == (shard.bytes, shard.time)


def _made(wanted: Wanted, target: Path, storage: Storage) -> Index:
    """Look at the shards of which nothing is known yet, and write everything to `target`."""
    stamps = dict(zip(wanted.addresses, wanted.stamps, strict=True))
    known: dict[str, tuple[Index, int]] = {}  # address -> an index, and the number of the shard there
    for index, addresses in wanted.known():
        for number, (shard, address) in enumerate(zip(index.shards, addresses, strict=True)):
            if address in stamps and _unchanged(shard, stamps[address]):
                known.setdefault(address, (index, number))
    new = len(wanted.addresses) - len(known)
    if new and is_remote(wanted.addresses[0]):
        log.warning("No %s lies beside the shards: %d are fetched once, to be indexed.", BESIDE, new)
    short = target != wanted.indexes[-1]  # names without their folder

    def part(address: str) -> Part:
        name = name_of(address) if short else address
        if address in known:
            index, number = known[address]
            return replace(index.shards[number], name=name), index.of_shard(number), index.names
        with storage.open(address, None) as file:
            contents = look(file, address)
            stamp = stamps[address] or (file.seek(0, os.SEEK_END), None)
        return Shard.of(name, stamp, contents), contents.rows, contents.labels

    write(target, in_threads(part, wanted.addresses, "Indexing shards", chunk=1))
    return Index(target)
