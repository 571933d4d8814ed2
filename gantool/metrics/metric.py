"""What every metric is: samples go in, batch by batch and in several processes, numbers come out."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.image_set import ImageSet
from gantool.metrics.sight import Shown, Sight
from gantool.tasks.task import Task

Direction = Literal["minimize", "maximize"]
Seen = dict[str, Tensor]  # what is known of samples, (N, …), by name


@final
@dataclass(frozen=True)
class Found:
    """What a metric says of a generator.

    Attributes:
        values: by column, for curves; what is undefined is left out.
        record: all that is to be kept, for JSON.
        rows: the same for people: lines of a label and a text.
    """

    values: dict[str, float]
    record: dict[str, Any]
    rows: list[tuple[str, str]]


class Metric(ABC):
    """Numbers of a generator: `check`, `prepare`, `look` at every batch, `judge` what was seen of them all.

    It keeps nothing between batches, so that processes can share them.
    """

    sight: Sight  # what it has to see
    deciding: str | None = (
        None  # the column by which a checkpoint is best, unless `best.metric` names another
    )

    @abstractmethod
    def check(self, task: Task, data: DictConfig) -> None:
        """Raise ValueError if a generator of this task and data cannot be measured; reads no files."""

    @abstractmethod
    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        """Get ready, the reals included; answers how many samples will be looked at.

        Args:
            data: the configuration of the data.
            images: what training never saw where its sight wants that, otherwise what training learns from.
            device: where to compute.
            tell: takes a sentence about what takes a while.
            count: of samples; None = as many as the protocol asks for.
        """

    @abstractmethod
    def columns(self, task: Task) -> dict[str, Direction]:
        """The columns of its `values`, once prepared, and whether more or less of each is better."""

    @property
    @abstractmethod
    def glance(self) -> str | None:
        """Metrics of the same glance see the same, so that one looks for all; None = only it sees this."""

    @abstractmethod
    def look(self, shown: Shown) -> Seen:
        """What has to be known of each sample, on the CPU."""

    @abstractmethod
    def judge(self, seen: Seen) -> Found:
        """The numbers of all samples."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """How this was measured, in one line; once prepared."""
