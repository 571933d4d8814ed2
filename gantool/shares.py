"""Several processes that train as one: what each takes of a batch, and of the random numbers drawn for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, final

from torch import Tensor

Whole = TypeVar("Whole", list[int], Tensor)


@final
@dataclass(frozen=True)
class Share:
    """Every `world`-th sample of a batch, from number `rank` on.

    So the k-th minibatch of a process is its share of the k-th minibatch of all, and its last n samples are
    its share of the last n * world.
    """

    rank: int = 0
    world: int = 1

    def of(self, whole: Whole) -> Whole:
        return whole[self.rank :: self.world]

    def draw(self, numbers: Callable[[int], Tensor], count: int) -> Tensor:
        """Random numbers for the `count` samples here, (count, ...), out of those drawn for all processes.

        Every process draws them all from the same seed, so that their number changes nothing.

        Args:
            numbers: draws for as many samples as it is told.
            count: samples of this process.
        """
        return self.of(numbers(count * self.world)).contiguous()

    def check(self, **sizes: Any) -> None:
        """Raise ValueError for a number of images that cannot be shared equally."""
        for name, size in sizes.items():
            if size % self.world:
                nearest = max(self.world, size // self.world * self.world)
                raise ValueError(
                    f"{name}={size} cannot be shared by {self.world} processes; use a multiple of "
                    f"{self.world}, such as {nearest}."
                )


WHOLE = Share()
