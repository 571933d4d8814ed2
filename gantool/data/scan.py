"""An index of the images in a folder or zip: each is decoded once, so that corrupt files are known at once.

The result is cached by path and listing (names, sizes, times), which makes every later start instant.
"""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

from gantool.data.decode import Corrupt, decode, mode_of
from gantool.data.source import Entry, Source
from gantool.data.threads import in_threads

VERSION = 1  # of the cache's format and of what decode() makes of a file
log = logging.getLogger(__name__)


class Found(NamedTuple):
    """A readable image as it is in its file, upright."""

    name: str
    height: int
    width: int
    mode: str  # one of decode.MODES
    digest: str  # of the pixels


@final
@dataclass(frozen=True)
class Scan:
    images: list[Found]  # in natural order
    corrupt: dict[str, str]  # name -> reason


def scan(source: Source, entries: Sequence[Entry], subset: str = "") -> Scan:
    """Look at every image once, or take the result from the cache where nothing has changed.

    Args:
        entries: the images to look at.
        subset: a name for this choice of images, so that several of one source are remembered.
    """
    cache = cache_folder() / "scans" / f"{_digest(str(source.path.resolve() / subset))}.json"
    listing = _digest(json.dumps([VERSION, entries]))
    known = _load(cache, listing)
    if known is not None:
        return known

    missed = []  # files that could not be read at all, perhaps only now: no reason to remember it

    def look(entry: Entry) -> Found | str:
        try:
            content = source.read(entry.name)
        except Exception as error:  # of the disk, of the zip, of its compression
            missed.append(entry.name)
            return " ".join(str(error).split()) or type(error).__name__
        try:
            image = decode(content)
        except Corrupt as error:
            return str(error)
        height, width, _ = image.shape
        mode = mode_of(image)
        return Found(entry.name, height, width, mode, _digest(f"{mode} {height} {width}", image.tobytes()))

    seen = list(in_threads(look, entries, f"Looking at {source.path.name}"))
    images = [found for found in seen if isinstance(found, Found)]
    corrupt = {
        entry.name: reason for entry, reason in zip(entries, seen, strict=True) if isinstance(reason, str)
    }
    result = Scan(images, corrupt)
    if not missed:
        _save(cache, listing, result)
    return result


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gantool"


def _load(cache: Path, listing: str) -> Scan | None:
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
        if content["listing"] != listing:
            return None
        return Scan([Found(*row) for row in content["images"]], content["corrupt"])
    except (OSError, ValueError, KeyError, TypeError):  # none yet, or damaged: scan again
        return None


def _save(cache: Path, listing: str, result: Scan) -> None:
    unfinished = cache.with_suffix(f".{os.getpid()}")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        content = {"listing": listing, "images": result.images, "corrupt": result.corrupt}
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(cache)
    except OSError as error:
        log.info("The index of images could not be kept in %s: %s.", cache, error)


def _digest(text: str, content: bytes = b"") -> str:
    return hashlib.blake2b(
        text.encode(errors="surrogateescape") + b"\n" + content, digest_size=16
    ).hexdigest()
