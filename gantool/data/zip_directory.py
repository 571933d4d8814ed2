"""The directory of a zip in few bytes: zipfile holds an object of 700 bytes for each file and process."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterable
from typing import BinaryIO, final

import numpy as np

HEADER = 30  # bytes in front of a file's name
ENTRY = np.dtype(
    [
        ("name", "<u8"),
        ("offset", "<i8"),
        ("packed", "<i8"),
        ("size", "<i8"),
        ("crc", "<u4"),
        ("method", "<u2"),
    ]
)


@final
class Directory:
    """Where the files of a zip lie: 38 bytes each, ordered by the hash of their name. Can be pickled."""

    def __init__(self, infos: Iterable[zipfile.ZipInfo]):
        rows = [
            (_hash(i.filename), i.header_offset, i.compress_size, i.file_size, i.CRC, _method(i))
            for i in infos
        ]
        entries = np.array(rows, ENTRY)
        self.entries = entries[np.argsort(entries["name"], kind="stable")]
        self.names = np.ascontiguousarray(self.entries["name"])

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def read(self, file: BinaryIO, name: str) -> bytes:
        """The content of a file of the open zip.

        Raises KeyError for a name that is not there, BadZipFile for damage, and NotImplementedError for a
        compression that only zipfile knows.
        """
        entry = self._find(name)
        if entry is None:
            raise KeyError(f"There is no {name} in the zip")
        if entry["method"] not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotImplementedError(f"{name} is compressed by method {entry['method']}")
        file.seek(int(entry["offset"]))
        header = file.read(HEADER)
        if header[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile(f"Bad header of {name}")
        file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
        content = file.read(int(entry["packed"]))
        if entry["method"] == zipfile.ZIP_DEFLATED:
            content = zlib.decompress(content, -zlib.MAX_WBITS, int(entry["size"]))
        if zlib.crc32(content) != entry["crc"]:
            raise zipfile.BadZipFile(f"Bad CRC-32 of {name}")
        return content

    def _find(self, name: str) -> np.void | None:
        """The entry of this name; of several the last, as zipfile does."""
        place = int(np.searchsorted(self.names, np.uint64(_hash(name)), "right")) - 1
        return self.entries[place] if place >= 0 and self.names[place] == _hash(name) else None


def _hash(name: str) -> int:
    """64 bits. Two of a million names share theirs once in 40 million zips, and then the CRC tells."""
    digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _method(info: zipfile.ZipInfo) -> int:
    return 0xFFFF if info.flag_bits & 1 else info.compress_type  # encrypted
