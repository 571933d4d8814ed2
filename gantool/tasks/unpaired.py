"""Image to image between two piles.

CycleGAN: Zhu et al. (2017), arXiv:1703.10593; DiscoGAN: Kim et al. (2017), arXiv:1703.05192.
"""

from collections.abc import Callable, Mapping
from typing import final

from torch import Tensor, nn

from gantool.duel import Duel
from gantool.history import History
from gantool.shares import WHOLE, Share
from gantool.tasks.task import Batch, Pairs, Task

WAYS = ("ab", "ba")


@final
class Unpaired(Task):
    """Two generators, there and back, each against a discriminator of its own: two duels.

    Args:
        G: makes images (N, C, H, W) in [-1, 1] of those of the other pile; called with `source_channels` and
            `channels`.
        D: makes logits of images; called with `channels`.
        channels: of the images of each pile, by "a" and "b".
        history: old fakes that each D sees among the new.
    """

    entries = ("a", "b")

    def __init__(
        self,
        G: Callable[..., nn.Module],
        D: Callable[..., nn.Module],
        channels: Mapping[str, int],
        history: int = 50,
    ):
        super().__init__()
        a, b = channels["a"], channels["b"]
        self.G = nn.ModuleDict(
            {"ab": G(source_channels=a, channels=b), "ba": G(source_channels=b, channels=a)}
        )
        self.D = nn.ModuleDict({"a": D(channels=a), "b": D(channels=b)})
        identities = ("identity_a", "identity_b") if a == b else ()
        self.compares = ("cycle_ab", "cycle_ba", *identities)
        self.history = nn.ModuleDict({"a": History(history), "b": History(history)})

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        return dict(batch)

    def duels(self, batch: Batch) -> list[Duel]:
        return [self.duel(batch, "a", "b"), self.duel(batch, "b", "a")]

    def duel(self, batch: Batch, here: str, there: str) -> Duel:
        """The way from one pile to the other."""
        forth, back = member(self.G, here + there), member(self.G, there + here)
        source, real = batch[here], batch[there]
        history = self.history[there]
        assert isinstance(history, History)
        return Duel(forth, member(self.D, there), source, real, forth(source), inverse=back, history=history)

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`ab` and `ba`, of whichever pile is in the batch."""
        return {way: member(G, way)(batch[way[0]]) for way in WAYS if way[0] in batch}

    def translator(self, G: nn.Module, direction: str | None) -> nn.Module:
        if direction not in (None, *WAYS):
            raise ValueError(f"direction={direction}: give ab, from a to b, or ba.")
        return member(G, direction or WAYS[0])

    def compared(self, G: nn.Module, batch: Batch) -> Pairs:
        """There and back again, and each generator's answer to what it should leave as it is."""
        pairs: Pairs = {}
        for way, fake in self.generate(G, batch).items():
            here, back = batch[way[0]], member(G, way[::-1])
            pairs[f"cycle_{way}"] = back(fake), here
            if f"identity_{way[0]}" in self.compares:
                pairs[f"identity_{way[0]}"] = back(here), here
        return pairs

    def pictures(self, G: nn.Module, batch: Batch) -> dict[str, list[Tensor]]:
        made = self.generate(G, batch)
        return {way: [batch[way[0]], fake, member(G, way[::-1])(fake)] for way, fake in made.items()}


def member(team: nn.Module, name: str) -> nn.Module:
    assert isinstance(team, nn.ModuleDict)
    return team[name]
