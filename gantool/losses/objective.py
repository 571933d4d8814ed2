"""What each player minimises."""

from collections.abc import Mapping
from typing import final

from torch import Tensor, nn

from gantool.duel import Duel
from gantool.losses.term import Adversarial, Term
from gantool.schedules import at
from gantool.tasks.task import Player, Task


@final
class Objective(nn.Module):
    """The adversarial loss of a player plus its weighted terms, each summed over the duels."""

    def __init__(
        self,
        adversarial: Adversarial,
        D: Mapping[str, Term] | None = None,
        G: Mapping[str, Term] | None = None,
    ):
        super().__init__()
        self.adversarial = adversarial
        self.terms = nn.ModuleDict({"D": nn.ModuleDict(D or {}), "G": nn.ModuleDict(G or {})})

    def terms_of(self, player: Player) -> dict[str, Term]:
        return dict(self.terms[player].items())  # pyright: ignore

    def check(self, task: Task) -> None:
        """Raise ValueError if a term does not suit the task's players."""
        for player in ("D", "G"):
            for name, term in self.terms_of(player).items():
                term.check(f"{player}.{name}", task)

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
            side = self.adversarial.discriminator if player == "D" else self.adversarial.generator
            losses["adversarial"] = total([side(duel) for duel in duels]) * (1.0 if player == "D" else weight)
        for name, (now, term) in due.items():
            losses[name] = total([term(duel) for duel in duels]) * now
        return losses

    def constrain(self, task: Task) -> None:
        """Called after each step of D."""
        self.adversarial.constrain(task.D)


def total(values: list[Tensor]) -> Tensor:
    return sum(values[1:], values[0])
