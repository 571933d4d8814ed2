"""What every format is: a way of writing a trained generator into one file."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from gantool.gan import GAN

Rows = list[tuple[str, str]]


@final
@dataclass(frozen=True)
class Subject:
    """A generator that is to be written.

    Attributes:
        gan: in evaluation mode, on the CPU, with the statistics and the truncation that it is to have.
        card: what it says of itself: see `artefact.card`.
        direction: `ab` or `ba` of one that translates both ways; None = the first, or only one, or both where
            the format holds both.
        seed: of examples.
    """

    gan: GAN
    card: dict[str, Any]
    direction: str | None
    seed: int


class Format(ABC):
    """How a file is written, checked, and named."""

    suffix: str  # of its files, with the dot

    @abstractmethod
    def check(self, subject: Subject) -> None:
        """Raise ValueError for a generator that cannot be written so, or where a package is missing."""

    @abstractmethod
    def write(self, subject: Subject, path: Path) -> Rows:
        """Write the file, whole or not at all, and compare it with the generator; lines for people."""
