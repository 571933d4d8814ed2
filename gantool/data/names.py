"""Many file names in few bytes: a million strings take 100 MB, again in every worker that touches them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import final, overload

import numpy as np


@final
class Names(Sequence[str]):
    """A sequence of strings, held as one array of bytes: their length, and 8 bytes, each.

    Args:
        text: (B,) uint8, all names after each other in UTF-8; bytes that are none stay what they are.
        ends: (N,) int64, where each ends.
    """

    def __init__(self, text: np.ndarray, ends: np.ndarray):
        self.text = text
        self.ends = ends

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        text, ends = bytearray(), []
        pieces = [np.empty(0, np.int64)]
        for name in names:
            text += name.encode(errors="surrogateescape")
            ends.append(len(text))
            if len(ends) == 10_000:
                pieces.append(np.array(ends))
                ends.clear()
        return cls(np.frombuffer(text, np.uint8), np.concatenate([*pieces, np.array(ends, np.int64)]))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        position = range(len(self))[index]
        start = self.ends[position - 1] if position else 0
        return self.text[start : self.ends[position]].tobytes().decode(errors="surrogateescape")

    def __iter__(self) -> Iterator[str]:
        return (self[position] for position in range(len(self)))

    def chosen(self, positions: np.ndarray) -> "Names":
        """Those at these positions."""
        return Names.of(self[position] for position in positions.tolist())
