"""What a translated image must keep: terms of G, mean distances over pixels."""

from collections.abc import Callable
from typing import final

from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from gantool.duel import Duel
from gantool.layers.unobserved import unobserved
from gantool.losses.term import Term
from gantool.schedules import Schedule
from gantool.tasks.task import Task
from gantool.tasks.unpaired import Unpaired

DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1_loss, "l2": mse_loss}


class Distance(Term):
    """A mean distance of images.

    Args:
        distance: `l1`, the mean of |x - y|, or `l2`, of (x - y)^2.
    """

    def __init__(self, weight: Schedule = 1.0, every: int = 1, distance: str = "l1"):
        super().__init__(weight, every)
        if distance not in DISTANCES:
            raise ValueError(f"distance={distance}: choose one of {', '.join(DISTANCES)}.")
        self.between = DISTANCES[distance]


@final
class Reconstruction(Distance):
    """Of the fake from the real: pix2pix, Isola et al. (2017), arXiv:1611.07004, eq. 3. Needs pairs."""

    def forward(self, duel: Duel) -> Tensor:
        return self.between(duel.fake, duel.real)


@final
class Cycle(Distance):
    """Of the source from what the way back makes of its fake: Zhu et al. (2017), arXiv:1703.10593, eq. 2."""

    def check(self, name: str, task: Task) -> None:
        two_ways(name, task)

    def forward(self, duel: Duel) -> Tensor:
        assert duel.inverse is not None
        with unobserved(duel.inverse) as inverse:  # whose sources are real ones once it is used
            return self.between(inverse(duel.fake), duel.source)


@final
class Identity(Distance):
    """Of reals from what G makes of them: Zhu et al. (2017), arXiv:1703.10593, section 5.2.

    An image that is there already should stay as it is. Where both piles have not equally many channels,
    ValueError: give the term a weight of 0, or leave it out.
    """

    def check(self, name: str, task: Task) -> None:
        two_ways(name, task)
        if self.weight != 0 and isinstance(task, Unpaired) and "identity_a" not in task.compares:
            raise ValueError(
                f"loss.{name} shows each G images of the other's channels, but data.source_channels and "
                f"data.channels differ: remove that term with '~loss.{name}'."
            )

    def forward(self, duel: Duel) -> Tensor:
        if duel.real.shape[1] != duel.source.shape[1]:
            raise ValueError(
                f"G takes {duel.source.shape[1]} channels, but identity shows it images of "
                f"{duel.real.shape[1]}: remove that term with '~loss.G.identity'."
            )
        with unobserved(duel.generator) as generator:
            return self.between(generator(duel.real), duel.real)


def two_ways(name: str, task: Task) -> None:
    """Raise ValueError for a task that has no way back."""
    if not isinstance(task.G, nn.ModuleDict):
        raise ValueError(f"loss.{name} needs a way back, as task=unpaired has it.")
