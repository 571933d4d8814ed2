"""An index of the images in a folder or zip: each is decoded once, so that corrupt files are known at once.

The result is cached by path and listing (names, sizes, times), which makes every later start instant. All is
held in arrays, below 100 bytes an image.
"""

import hashlib
import json
import logging
import os
import zipfile
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from gantool.data.cache import cache_folder
from gantool.data.decode import MODES, Corrupt, decode, mode_of
from gantool.data.files import Files, Lost
from gantool.data.names import Names
from gantool.data.source import Entry, Source
from gantool.data.threads import counted, in_threads
from gantool.data.tree import Tree

VERSION = 2  # of the cache's format and of what decode() makes of a file
KINDS = list(MODES)  # a mode is held as its place here
FACTS = np.dtype([("height", "<i4"), ("width", "<i4"), ("mode", "u1"), ("digest", "<u8", 2)])
log = logging.getLogger(__name__)


class Listing(NamedTuple):
    """Files, before anybody has looked into them."""

    names: Names
    stamps: np.ndarray  # (N, 2) int64, of Entry


class Seen(NamedTuple):
    """What files turned out to be.

    Args:
        readable: (N,) bool, which of the files are images.
        facts: (R,) of FACTS, of these.
        corrupt: name -> reason, of all others.
        missed: whether some could not be read at all, perhaps only now.
    """

    readable: np.ndarray
    facts: np.ndarray
    corrupt: dict[str, str]
    missed: bool


@final
@dataclass(frozen=True)
class Scan:
    """The readable images as they are in their files, upright.

    Args:
        names: (N,), in natural order.
        facts: (N,) of FACTS.
        corrupt: name -> reason, of all others.
    """

    names: Names
    facts: np.ndarray
    corrupt: dict[str, str]


def modes(facts: np.ndarray) -> Counter[str]:
    """Images of each of decode.MODES."""
    numbers = np.bincount(facts["mode"], minlength=len(KINDS)).tolist()
    return Counter({mode: number for mode, number in zip(KINDS, numbers, strict=True) if number})


def sizes(facts: np.ndarray) -> Counter[tuple[int, int]]:
    """Images of each (H, W)."""
    both = facts["height"].astype(np.int64) << 32 | facts["width"]
    found, numbers = (array.tolist() for array in np.unique(both, return_counts=True))
    return Counter({(size >> 32, size & 0xFFFFFFFF): n for size, n in zip(found, numbers, strict=True)})


def listing(entries: Iterable[Entry], title: str) -> Listing:
    stamps = array("q")

    def names() -> Iterable[str]:
        for entry in counted(entries, title):
            stamps.extend(entry.stamp)
            yield entry.name

    return Listing(Names.of(names()), np.frombuffer(stamps, np.int64).reshape(-1, 2))


def scan(source: Source, files: Listing, subset: str = "") -> Scan:
    """Look at every image once, or take the result from the cache where nothing has changed.

    Args:
        files: the images to look at.
        subset: a name for this choice of images, so that several of one source are remembered.
    """
    cache = cache_folder() / "scans" / f"{_digest(str(source.path.resolve() / subset)).hex()}.npz"
    stamp = _digest(f"{VERSION} {len(files.names)}", files.names.text, files.names.ends, files.stamps)
    known = _load(cache, stamp)
    if known is not None:
        return known

    seen = look_at(Tree(source, files.names), f"Looking at {source.path.name}")
    names = files.names.chosen(seen.readable.nonzero()[0]) if seen.corrupt else files.names
    result = Scan(names, seen.facts, seen.corrupt)
    if not seen.missed:
        _save(cache, stamp, result)
    return result


def look_at(files: Files, title: str) -> Seen:
    """Decode every file once."""
    facts = np.zeros(len(files), FACTS)
    readable = np.ones(len(files), bool)
    corrupt: dict[str, str] = {}
    missed = []

    def look(position: int) -> str | None:
        """Fill in the facts, or answer why there are none."""
        try:
            content = files.read(position)
        except Lost:
            raise
        except Exception as error:  # of the disk, of the zip, of its compression
            missed.append(position)
            return " ".join(str(error).split()) or type(error).__name__
        try:
            image = decode(content)
        except Corrupt as error:
            return str(error)
        height, width, _ = image.shape
        mode = mode_of(image)
        digest = np.frombuffer(_digest(f"{mode} {height} {width}", image), np.uint64)
        facts[position] = height, width, KINDS.index(mode), digest
        return None

    for position, reason in enumerate(in_threads(look, range(len(files)), title)):
        if reason is not None:
            corrupt[files.name(position)] = reason
            readable[position] = False
    return Seen(readable, facts[readable], corrupt, missed=bool(missed))


def _load(cache: Path, stamp: bytes) -> Scan | None:
    try:
        with np.load(cache, allow_pickle=False) as content:
            if content["stamp"].tobytes() != stamp:
                return None
            corrupt = json.loads(content["corrupt"].tobytes())
            return Scan(Names(content["text"], content["ends"]), content["facts"], corrupt)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):  # none yet, or damaged: scan again
        return None


def _save(cache: Path, stamp: bytes, result: Scan) -> None:
    unfinished = cache.with_suffix(f".{os.getpid()}")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            np.savez(
                file,
                stamp=np.frombuffer(stamp, np.uint8),
                text=result.names.text,
                ends=result.names.ends,
                facts=result.facts,
                corrupt=np.frombuffer(json.dumps(result.corrupt).encode(), np.uint8),
            )
        unfinished.replace(cache)
    except OSError as error:
        log.info("The index of images could not be kept in %s: %s.", cache, error)


def _digest(text: str, *contents: np.ndarray) -> bytes:
    """16 bytes"""
    digest = hashlib.blake2b(text.encode(errors="surrogateescape") + b"\n", digest_size=16)
    for content in contents:
        digest.update(np.ascontiguousarray(content).data)
    return digest.digest()
