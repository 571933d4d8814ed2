"""Pictures as they are in their files, each of its own size."""

from collections.abc import Sequence
from typing import final, overload

import numpy as np

from gantool.data.decode import Corrupt, decode
from gantool.data.files import Files, Lost


@final
class Pictures(Sequence[np.ndarray]):
    """Upright pictures of (H, W, C), decoded whenever they are asked for. Can be pickled.

    Raises ValueError for one that has become unreadable: no other could take the place of half of a pair.
    """

    def __init__(self, files: Files):
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...
    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[position] for position in range(len(self))[index]]
        try:
            return decode(self.files.read(index))
        except Lost:
            raise
        except Corrupt as error:
            reason = error
        except Exception as error:  # of the disk, of the zip, of its compression
            reason = " ".join(str(error).split()) or type(error).__name__
        name = self.files.name(index)
        raise ValueError(f"{name} in {self.files.place} cannot be read any more ({reason}).")
