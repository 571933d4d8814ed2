"""What can be said of two clouds of features: of fakes, and of reals."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

from torch import Tensor

from gantool.metrics.metric import Direction

Numbers = dict[str, float]


class Statistic(ABC):
    """Numbers of fakes (N, F) against reals (M, F).

    Summed in float64, where the features lie; memory grows with N + M, never with N * M.
    """

    entry: Literal["features", "logits"] = "features"  # of what an extractor answers
    deciding: bool = False  # whether checkpoints are best by it
    of_training: bool = False  # whether only what the generator has learnt from gives it a meaning
    directions: dict[str, Direction]  # of its numbers by name, "" for the only one; others are kept aside
    least: int = 2  # images of a cloud

    @abstractmethod
    def against(self, real: Tensor) -> Callable[[Tensor], Numbers]:
        """What is to be known of the reals, once: a function of fakes."""

    @abstractmethod
    def doubt(self, fakes: int, reals: int, width: int) -> str | None:
        """Why clouds of these sizes, with so many features, make doubtful numbers; None = they do not."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """Its definition, in a few words."""
