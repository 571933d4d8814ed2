"""What each player minimises."""

from collections.abc import Mapping
from typing import final

from torch import Tensor, nn
from torch.optim import Optimizer

from gantool.duel import Duel
from gantool.losses.term import Adversarial, Lens, Term
from gantool.models.resting import Discriminator as Resting
from gantool.optim import Recipe
from gantool.schedules import at
from gantool.tasks.task import Player, Task


@final
class Objective(nn.Module):
    """The adversarial loss of a player plus its weighted terms, each summed over the duels.

    Args:
        adversarial: both players' reading of the logits.
        D: terms that D minimises as well, by name.
        G: the same for G.
        lenses: through which G looks at each duel before its adversarial loss is taken, one after another.
    """

    def __init__(
        self,
        adversarial: Adversarial,
        D: Mapping[str, Term] | None = None,
        G: Mapping[str, Term] | None = None,
        lenses: Mapping[str, Lens] | None = None,
    ):
        super().__init__()
        self.adversarial = adversarial
        self.terms = nn.ModuleDict({"D": nn.ModuleDict(D or {}), "G": nn.ModuleDict(G or {})})
        self.lenses = nn.ModuleDict(lenses or {})

    def terms_of(self, player: Player) -> dict[str, Term]:
        return dict(self.terms[player].items())  # pyright: ignore

    def named_lenses(self) -> dict[str, Lens]:
        return dict(self.lenses.items())  # pyright: ignore

    def check(self, task: Task, D: Recipe) -> None:
        """Raise ValueError if a term does not suit the players, or a lens the optimizer of D or the loss."""
        for player in ("D", "G"):
            for name, term in self.terms_of(player).items():
                term.check(f"{player}.{name}", task)
        for name, lens in self.named_lenses().items():
            lens.check(f"lenses.{name}", D, self.adversarial)
        if isinstance(task.D, Resting) and self.adversarial.weight != 0:
            raise ValueError(
                "The D of this model tells no image from another, but loss.adversarial lets it play: choose "
                "loss=mean_squared_error, or a model with a D, such as model=srgan."
            )

    def prepare(self) -> None:
        """Let all terms fetch what only training needs. Raises ValueError where that cannot be had."""
        for player in ("D", "G"):
            for name, term in self.terms_of(player).items():
                term.prepare(f"{player}.{name}")

    def meet(self, optimizer: Optimizer) -> None:
        """Show D's optimizer to whoever looks ahead with it."""
        for lens in self.named_lenses().values():
            lens.meet(optimizer)

    def plays(self, player: Player, images: int) -> bool:
        """Whether the player has anything to play for; D rests while the adversarial weight is 0."""
        return player == "G" or bool(at(self.adversarial.weight, images))

    def forward(self, player: Player, duels: list[Duel], iteration: int, images: int) -> dict[str, Tensor]:
        """The player's losses by name, weighted.

        Args:
            player: "D" or "G".
            duels: of one minibatch.
            iteration: iterations done.
            images: reals shown to D so far.
        """
        weight = at(self.adversarial.weight, images)
        due = {
            name: (now, term)
            for name, term in self.terms_of(player).items()
            if (now := term.weight_now(iteration, images))
        }
        differentiated = frozenset().union(*(term.differentiates for _, term in due.values()))
        for duel in duels:
            duel.differentiated = differentiated

        losses = {}
        if weight:
            if player == "D":
                losses["adversarial"] = total([self.adversarial.discriminator(duel) for duel in duels])
            else:
                seen = [self.through_lenses(duel, images) for duel in duels]
                losses["adversarial"] = total([self.adversarial.generator(duel) for duel in seen]) * weight
        for name, (now, term) in due.items():
            losses[name] = total([term(duel) for duel in duels]) * now
        return losses

    def through_lenses(self, duel: Duel, images: int) -> Duel:
        for lens in self.named_lenses().values():
            duel = lens(duel, self.adversarial, images)
        return duel

    def settle(self, player: Player, task: Task) -> None:
        """Called after each step of a player."""
        if player == "D":
            self.adversarial.constrain(task.D)
            self.adversarial.settle()
        for term in self.terms_of(player).values():
            term.settle()


def total(values: list[Tensor]) -> Tensor:
    return sum(values[1:], values[0])
