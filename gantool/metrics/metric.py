"""What every metric of `gantool evaluate` is: fakes and as many reals go in, numbers come out."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.image_set import ImageSet

Numbers = dict[str, float | int | None]  # None = undefined


class Metric(ABC):
    """Numbers of a generator: `check`, `prepare`, then `update` batch by batch, then `compute`."""

    @abstractmethod
    def check(self, data: DictConfig) -> None:
        """Raise ValueError if a generator of this data cannot be measured; reads no files."""

    @abstractmethod
    def prepare(
        self, data: DictConfig, images: ImageSet, device: torch.device, tell: Callable[[str], None]
    ) -> int:
        """Get ready; answers how many fakes the protocol asks for.

        Args:
            data: the configuration of the data.
            images: the data that the generator was trained on.
            device: where to compute.
            tell: takes a sentence about what takes a while.
        """

    @abstractmethod
    def update(self, real: Tensor, fake: Tensor) -> None:
        """Take in as many of each, (N, C, H, W) in [-1, 1]."""

    @abstractmethod
    def compute(self) -> dict[str, Numbers]:
        """Numbers by name, of what was taken in: `fake`, and `real` for the same of the reals."""

    @abstractmethod
    def report(self) -> list[tuple[str, str]]:
        """The same for people: lines of a label and a text."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """How this was measured, in one line."""
