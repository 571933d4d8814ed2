"""When numbers are no longer numbers: what is looked at, and what is said of it."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from gantool.optim import Recipe
from gantool.schedules import at


class Diverged(RuntimeError):
    """A loss, a gradient or a weight became infinite or not a number.

    Args:
        text: what it was, and when.
        seen: whether this process knows it, and not only that another one does.
    """

    def __init__(self, text: str, seen: bool = True):
        super().__init__(text)
        self.seen = seen


def infinite_loss(player: str, losses: Mapping[str, Tensor], images: int) -> Diverged:
    """Names those of a player's losses that are to blame."""
    values = {f"{player}/{name}": value.item() for name, value in losses.items()}
    bad = ", ".join(f"{name} = {value}" for name, value in values.items() if not isfinite(value))
    what = bad or f"the sum of the losses of {player} is infinite"
    return Diverged(f"{what} at {images:,} images.", seen=bool(bad))


def infinite_gradient(player: str, images: int) -> Diverged:
    """Of losses that were finite themselves."""
    return Diverged(f"the gradient of {player} is infinite at {images:,} images.")


def agreed(diverged: Diverged) -> Diverged:
    """The same in all processes, which must all ask: what the first of those says that know it."""
    if not distributed.is_initialized():
        return diverged
    told: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(told, (not diverged.seen, str(diverged)))
    return Diverged(min(told, key=lambda it: it[0])[1])


def gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


@torch.no_grad()
def extent(tensors: list[Tensor]) -> Tensor:
    """The sum of their norms, a scalar: infinite or NaN if any element is, or beyond 1e19 in float32.

    So large a gradient or weight is lost as well, and the largest element takes 20 times as long to find.
    """
    if not tensors:
        return torch.zeros(())
    return torch.stack(torch._foreach_norm(tensors)).sum()  # pyright: ignore


def brake(optimizer: Optimizer, recipe: Recipe, images: int, pace: float) -> None:
    """Set learning rates to `pace` times what the recipe says at `images`."""
    rate = pace * at(recipe.settings.get("lr", optimizer.defaults["lr"]), images)
    for group in optimizer.param_groups:
        group["lr"] = rate
