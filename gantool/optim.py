"""A player's optimizer as data: its hyper-parameters may be schedules."""

from collections.abc import Iterable
from functools import partial
from math import ceil, floor
from typing import Any, final

from torch import nn
from torch.optim import Optimizer

from gantool.schedules import at, moves

FORGET = "forget"  # the one setting that is ours; it lies among the optimizer's, so that checkpoints keep it


@final
class Recipe:
    """An optimizer class with its hyper-parameters, some of which may move with time (images seen).

    One of them may be `forget`, which is none of torch's: whenever this number comes to a whole one, or
    leaves it, what the optimizer remembers of earlier gradients is cleared. ProGAN does so when a stage
    begins to fade in and when it is in: Karras et al. (2018), arXiv:1710.10196, the authors' code.

    Args:
        build: a partial of an optimizer class; keywords may be schedules, or lists that hold some.
    """

    def __init__(self, build: partial[Optimizer]):
        self.kind = build.func
        self.settings: dict[str, Any] = {name: decimal(value) for name, value in build.keywords.items()}
        self.moving = {name: value for name, value in self.settings.items() if moves(value)}

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        settings = {name: at(value, 0) for name, value in self.settings.items()}
        phase = settings.pop(FORGET, 0)
        optimizer = self.kind(parameters, **settings)
        for group in optimizer.param_groups if FORGET in self.moving else []:
            group[FORGET] = phase
        return optimizer

    def anneal(self, optimizer: Optimizer, images: int) -> None:
        """Set what moves to its value at `images`."""
        for name, schedule in self.moving.items():
            value = at(schedule, images)
            for group in optimizer.param_groups:
                if name == FORGET and between(value) != between(group[FORGET]):
                    optimizer.state.clear()
                group[name] = value


def between(number: float) -> tuple[int, int]:
    """The whole numbers around a number."""
    return floor(number), ceil(number)


def decimal(value: Any) -> Any:
    """[0, 0.9] as a command line gives it to (0.0, 0.9) as torch's optimizers want it."""
    if isinstance(value, list):
        return tuple(float(element) if isinstance(element, int) else element for element in value)
    return value
