"""Image files by their position: what a streamed set decodes."""

from abc import ABC, abstractmethod

from gantool.data.order import Stretches


class Lost(ValueError):
    """Not one image is unreadable but the place where it lies; looking at its neighbours would not help."""


class Files(ABC):
    """Can be pickled, and read by several threads and processes at once."""

    place: str  # where they lie, for messages
    stretches: Stretches | None = None  # files that are best read together

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def name(self, position: int) -> str: ...

    @abstractmethod
    def read(self, position: int) -> bytes:
        """The whole file. Raises Lost, or whatever the disk does."""
