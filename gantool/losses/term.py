"""The interfaces of a loss: an adversarial pair, a weighted term beside it, a lens that G looks through."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from gantool.duel import Duel
from gantool.optim import Recipe
from gantool.schedules import Schedule, at
from gantool.tasks.task import Task


class Adversarial(nn.Module, ABC):
    """How each player reads the logits. The weight scales G's side; while it is 0 nobody plays.

    Attributes:
        undecided: what a D minimises that holds every image equally likely real and fake, where a D that is
            sure of all comes to 0; None where a loss has no such scale, as a critic's has none.
    """

    undecided: float | None = None

    def __init__(self, weight: Schedule = 1.0):
        super().__init__()
        self.weight = weight

    @abstractmethod
    def discriminator(self, duel: Duel) -> Tensor:
        """What D minimises: a scalar."""

    @abstractmethod
    def generator(self, duel: Duel) -> Tensor:
        """What G minimises: a scalar."""

    def boundary(self, duel: Duel) -> Tensor:
        """The logit, a scalar, of an image that D holds equally likely real and fake.

        Where the loss sets no such level, halfway between the reals' mean and the fakes'.
        """
        return (duel.real_logits.mean() + duel.fake_logits.mean()).detach() / 2

    def constrain(self, discriminator: nn.Module) -> None:
        """Bring D back to where this loss is defined; called after each of its steps."""

    def settle(self) -> None:
        """Move what this loss remembers, from what it observed; called after each step of D."""

    def remarks(self) -> dict[str, Tensor]:
        """What this loss knows about the state of the game, by name: scalars for the log."""
        return {}


class Term(nn.Module, ABC):
    """A scalar that one player minimises beside the adversarial loss.

    A term with `every=k` is lazy: it is computed on one iteration in k and counts k times there.
    """

    differentiates: ClassVar[frozenset[str]] = (
        frozenset()
    )  # "real", "fake": views whose input gradient it takes

    def __init__(self, weight: Schedule = 1.0, every: int = 1):
        super().__init__()
        if every < 1:
            raise ValueError(
                f"every={every}: a lazy term is computed on one iteration in `every`; use 1 or more."
            )
        self.weight = weight
        self.every = every

    def weight_now(self, iteration: int, images: int) -> float:
        """The factor of this iteration; 0 means "not computed"."""
        return self.every * at(self.weight, images) if iteration % self.every == 0 else 0.0

    def check(self, name: str, task: Task) -> None:
        """Raise ValueError if this term, called `name` in the configuration, does not suit the players."""

    def prepare(self, name: str) -> None:
        """Fetch what only training needs, before it starts: a run is opened for use without it.

        Raises ValueError where that cannot be had.
        """

    def settle(self) -> None:
        """Move what this term remembers, from what it observed; called after each step of its player."""

    @abstractmethod
    def forward(self, duel: Duel) -> Tensor: ...


class Lens(nn.Module, ABC):
    """How G looks at a duel before the adversarial loss is taken; D's turn and G's terms see it plainly."""

    def check(self, name: str, D: Recipe, adversarial: Adversarial) -> None:
        """Raise ValueError if this lens, called `name` in the configuration, suits not optimizer or loss."""

    def meet(self, optimizer: Optimizer) -> None:
        """Learn of D's optimizer, once training starts."""

    @abstractmethod
    def forward(self, duel: Duel, adversarial: Adversarial, images: int) -> Duel:
        """The duel that G plays.

        Args:
            duel: on G's turn.
            adversarial: the loss of both players.
            images: reals shown to D so far.
        """
