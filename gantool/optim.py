"""A player's optimizer as data: its hyper-parameters may be schedules."""

from collections.abc import Iterable
from functools import partial
from typing import Any, final

from torch import nn
from torch.optim import Optimizer

from gantool.schedules import at, moves


@final
class Recipe:
    """An optimizer class with its hyper-parameters, some of which may move with time (images seen).

    Args:
        build: a partial of an optimizer class; keywords may be schedules, or lists that hold some.
    """

    def __init__(self, build: partial[Optimizer]):
        self.kind = build.func
        self.settings: dict[str, Any] = {name: decimal(value) for name, value in build.keywords.items()}
        self.moving = {name: value for name, value in self.settings.items() if moves(value)}

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> Optimizer:
        return self.kind(parameters, **{name: at(value, 0) for name, value in self.settings.items()})

    def anneal(self, optimizer: Optimizer, images: int) -> None:
        """Set what moves to its value at `images`."""
        for name, schedule in self.moving.items():
            for group in optimizer.param_groups:
                group[name] = at(schedule, images)


def decimal(value: Any) -> Any:
    """[0, 0.9] as a command line gives it to (0.0, 0.9) as torch's optimizers want it."""
    if isinstance(value, list):
        return tuple(float(element) if isinstance(element, int) else element for element in value)
    return value
