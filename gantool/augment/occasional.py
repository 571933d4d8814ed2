"""An augmentation that happens to some samples: with a probability that is given, scheduled or adapted."""

from abc import ABC
from typing import ClassVar

import torch
from torch import Tensor

from gantool.augment.adaptive import Adaptive
from gantool.augment.augment import Augment
from gantool.schedules import Schedule, at, moves


class Occasional(Augment, ABC):
    """Holds the probability `p` in a buffer, and moves it.

    Args:
        p: a constant, which whoever controls it may change in the buffer; a schedule; or ADA's feedback.
    """

    name: ClassVar[str]  # in the log
    p: Tensor

    def __init__(self, p: Schedule | Adaptive):
        super().__init__()
        self.controller = p if isinstance(p, Adaptive) else None
        self.schedule = p.start if isinstance(p, Adaptive) else p
        if not moves(self.schedule) and not 0 <= at(self.schedule, 0) <= 1:
            raise ValueError(f"augment: p={p} is a probability; give a number of 0 to 1, or a schedule.")
        self.register_buffer("p", torch.tensor(float(at(self.schedule, 0))))

    def advance(self, images: int) -> None:
        if moves(self.schedule):
            self.p.fill_(at(self.schedule, images))

    def see(self, margins: Tensor) -> None:
        if self.controller is not None:
            self.controller.see(margins)

    def settle(self, images: int) -> None:
        if self.controller is not None:
            self.controller.settle(self.p, images)

    def remarks(self) -> dict[str, Tensor]:
        if self.controller is None:
            return {}
        return {f"{self.name}_p": self.p, f"{self.name}_r": self.controller.r}
