"""Images in tar shards as a training set: for sets larger than memory, on disks or behind URLs.

WebDataset's files, but not its reading: a stream of samples can neither be entered in the middle nor be told
twice alike. An index of 16 bytes an image lets any image be read at random, so that everything that holds for
sets in memory holds here. The order depends on (seed, epoch) alone; each epoch shows each image exactly once,
whatever the batch size; a run that was stopped and goes on is, bit for bit, the run that was never stopped,
with any number of workers; several processes see together what one alone would see.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import torch

from gantool.data.addresses import find, is_remote
from gantool.data.cache import cache_folder
from gantool.data.corrupt import report
from gantool.data.files import Files
from gantool.data.folder import format_of
from gantool.data.image_set import ImageSet
from gantool.data.indexing import index_of
from gantool.data.order import Stretches
from gantool.data.remote import Remote
from gantool.data.shard_index import Index
from gantool.data.storage import Disk, Opened, Stamp, Storage
from gantool.data.streamed import Streamed
from gantool.data.tar import name_at


def shards(
    path: str | None,
    resolution: int | Sequence[int] | None = None,
    channels: int | None = None,
    fit: str = "crop",
    background: str = "white",
    labels: str | None = "auto",
    on_corrupt: str = "skip",
    shuffle_shards: int = 8,
    cache: str | None = None,
    cache_bytes: int = 100_000_000_000,
) -> ImageSet:
    """The set that conf/data/shards.yaml describes, where each argument is explained."""
    if on_corrupt not in ("skip", "fail"):
        raise ValueError(f"data.on_corrupt={on_corrupt}; use skip or fail.")
    if shuffle_shards < 1:
        raise ValueError(f"data.shuffle_shards={shuffle_shards}; use 1 or more.")
    files = open_shards(path, shuffle_shards, cache, cache_bytes)
    index = files.index
    report(index.corrupt(), len(files), path, fail=on_corrupt == "fail")
    if not len(files):
        raise ValueError(
            f"data.path={path} holds no images named like 0001.png (see WebDataset); give other shards."
        )
    form = format_of(index.modes(), index.size(), resolution, channels, fit, background)
    replace = on_corrupt == "skip"
    if not labelled(index, labels):
        return Streamed(files, form, replace=replace)
    return Streamed(files, form, torch.from_numpy(index.rows["label"]), index.names, replace)


def open_shards(path: str | None, shuffle_shards: int, cache: str | None, cache_bytes: int) -> "Tars":
    """The images of all shards of data.path, with their index."""
    if path is None:
        raise ValueError("data=shards needs shards: give data.path=DIR, a tar, a pattern or a URL.")
    addresses = find(path)
    remote = [is_remote(address) for address in addresses]
    if any(remote) and not all(remote):
        raise ValueError(f"data.path={path} mixes files and URLs; give one kind.")
    storage: Storage = Disk()
    if all(remote):
        storage = Remote(Path(cache).expanduser() if cache else cache_folder() / "shards", cache_bytes)
    files = Tars(index_of(addresses, storage), addresses, storage, path, shuffle_shards)

    needed = sum(sorted(shard.bytes for shard in files.index.shards)[-2 * shuffle_shards :])
    if all(remote) and needed > cache_bytes:
        raise ValueError(
            f"data.cache_bytes={cache_bytes} cannot hold {2 * shuffle_shards} shards, those shown and those "
            f"shown next; give {needed} or more, or lower data.shuffle_shards={shuffle_shards}."
        )
    return files


def labelled(index: Index, labels: str | None) -> bool:
    """Whether the images get labels. Raises ValueError if some have one and some have none."""
    if labels not in ("auto", "none", None):
        raise ValueError(f"data.labels={labels}; use auto or none.")
    if labels != "auto" or not index.names:
        return False
    missing = sum(shard.unlabelled for shard in index.shards)
    if missing:
        example = next(f"{shard.example} in {shard.name}" for shard in index.shards if shard.unlabelled)
        raise ValueError(
            f"{missing} of {len(index.rows)} images have no label, such as {example}; "
            "add a .cls or a .json to each, or set data.labels=none."
        )
    return True


@final
class Tars(Files):
    """Images in shards, in the order of these.

    Args:
        path: of all of them, for messages.
        mixed: shards whose images are shuffled with each other.
    """

    def __init__(self, index: Index, addresses: Sequence[str], storage: Storage, path: str, mixed: int):
        self.index = index
        self.addresses = list(addresses)
        self.storage = storage
        self.place = path
        self.stretches = Stretches(index.bounds, mixed, self._soon)
        self._opened = Opened(storage)

    def __len__(self) -> int:
        return len(self.index.rows)

    def name(self, position: int) -> str:
        shard, row = self._at(position)
        with self._opened(self.addresses[shard], self._stamp(shard)) as file:
            return f"{self.index.shards[shard].name}/{name_at(file, int(row['offset']))}"

    def read(self, position: int) -> bytes:
        shard, row = self._at(position)
        with self._opened(self.addresses[shard], self._stamp(shard)) as file:
            file.seek(int(row["offset"]))
            return file.read(int(row["size"]))

    def _soon(self, stretches: Sequence[int]) -> None:
        self.storage.soon([(self.addresses[shard], self._stamp(shard)) for shard in stretches])

    def _at(self, position: int) -> tuple[int, np.void]:
        """The number of its shard, and its row in the index."""
        return int(np.searchsorted(self.index.bounds, position, "right")) - 1, self.index.rows[position]

    def _stamp(self, shard: int) -> Stamp:
        facts = self.index.shards[shard]
        return facts.bytes, facts.time
