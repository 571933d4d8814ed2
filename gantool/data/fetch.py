"""Archives of images from the network: fetched and unpacked once, by one process while others wait."""

import os
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from gantool.data.decode import is_image
from gantool.data.lock import locked
from gantool.data.source import visible
from gantool.data.threads import bar

PIECE = 1_000_000  # bytes read at once
SILENCE = 60  # seconds without a byte after which an attempt has failed


def fetched(url: str, place: Path, folders: Sequence[str]) -> None:
    """Fill `place` with the images of an archive, unless it already has the `folders` that are needed.

    What is hidden in the archive or is no image is left out, and so is the folder around everything.

    Raises ValueError or OSError, and whatever the network and damaged archives do.
    """
    if complete(place, folders):
        return
    with locked(place.parent / ".lock"):
        if complete(place, folders):
            return
        if place.exists() and any(place.iterdir()):
            missing = next(folder for folder in folders if not (place / folder).is_dir())
            raise ValueError(f"{place} is there but has no {missing}/: complete or delete it")
        archive, unpacked = (place.parent / f".{place.name}.{what}" for what in ("archive", "unpacked"))
        try:
            download(url, archive)
            shutil.rmtree(unpacked, ignore_errors=True)
            unpack(archive, unpacked)
            if not complete(unpacked, folders):
                raise ValueError(f"{url} lacks one of {', '.join(folders)}")
            os.replace(unpacked, place)
        finally:
            archive.unlink(missing_ok=True)
            shutil.rmtree(unpacked, ignore_errors=True)


def complete(place: Path, folders: Sequence[str]) -> bool:
    return all((place / folder).is_dir() for folder in folders)


def download(url: str, file: Path) -> None:
    with urllib.request.urlopen(url, timeout=SILENCE) as source, file.open("wb") as target:
        size = source.headers.get("Content-Length")
        title = f"Downloading {url.rpartition('/')[2]} (MB)"
        with bar(title, int(size) // PIECE if size else None) as advance:
            while piece := source.read(PIECE):
                target.write(piece)
                advance(1)
    if size and file.stat().st_size != int(size):
        raise OSError(f"the download ended after {file.stat().st_size} of {size} bytes")


def unpack(archive: Path, place: Path) -> None:
    """The images of an archive, without its outermost folder.

    Raises ValueError for a name that would lead out of `place`.
    """
    for name, file in contents(archive):
        path = PurePosixPath(name)
        target = place.joinpath(*path.parts[1:])
        if path.is_absolute() or not target.resolve().is_relative_to(place.resolve()):
            raise ValueError(f"the archive holds {name}, which would lie outside of its folder")
        if is_image(name) and len(path.parts) > 1 and all(map(visible, path.parts)):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as copy:
                shutil.copyfileobj(file, copy)


def contents(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of each file of a zip or tar, one after another; links are none."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as source:
            for info in source.infolist():
                if not info.is_dir():
                    with source.open(info) as file:
                        yield info.filename, file
        return
    with tarfile.open(archive, "r:*") as source:
        for member in source:
            file = source.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name, file
