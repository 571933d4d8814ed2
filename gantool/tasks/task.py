"""A task owns the two players and turns a batch into duels."""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

from torch import Tensor, nn

from gantool.augment.augment import Augment
from gantool.duel import Duel
from gantool.shares import WHOLE, Share

Batch = dict[str, Tensor]
Pairs = dict[str, tuple[Tensor, Tensor]]  # images that are compared, fake and real, by name
CURES = {
    ("image",): "data=folder, or another set of images",
    ("source", "target"): "data=pairs, data=superres, or another set of pairs",
    ("a", "b"): "data=two_folders, or another set of two piles",
}
FILMS = "data=two_videos, or data=moving_shapes, with as many frames in a window"
Player = Literal["D", "G"]


class Scored(NamedTuple):
    """How abnormal images are to a model of normal ones.

    Attributes:
        score: (N,); more is more abnormal.
        made: (N, C, H, W), the nearest that the model can make of each.
    """

    score: Tensor
    made: Tensor


def moved(batch: Batch, network: nn.Module) -> Batch:
    """The batch where a network is, and in the kind of numbers it computes with."""
    own = next(network.parameters())
    return {
        name: value.to(own.device, own.dtype) if value.is_floating_point() else value.to(own.device)
        for name, value in batch.items()
    }


class Task(nn.Module, ABC):
    """Two players, always: each may be a team, held in a ModuleDict or ModuleList."""

    G: nn.Module
    D: nn.Module
    entries: tuple[str, ...] = ("image",)  # that a batch must hold
    compares: tuple[str, ...] = ()  # the names of `compared`
    judges: bool = False  # whether it learns to tell abnormal images

    @property
    def translates(self) -> bool:
        """Whether G makes images of images, rather than of latents."""
        return self.entries != ("image",)

    @property
    def detects(self) -> bool:
        """Whether it has learnt to tell abnormal images by now: `scored`."""
        return self.judges

    def suit(self, entries: tuple[str, ...]) -> None:
        """Raise ValueError for data that this task cannot learn from."""
        if self.entries != entries:
            needs, there = " and ".join(self.entries), " and ".join(entries)
            raise ValueError(
                f"This model learns from {needs}, but this data set holds {there}: choose "
                f"{CURES.get(self.entries, FILMS)}."
            )

    def check(self, augment: Augment | None) -> None:
        """Raise ValueError for an augmentation that this task's images must not go through."""

    def advance(self, images: int) -> None:
        """Move what is scheduled to its value at `images` seen; called before each iteration."""

    @abstractmethod
    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        """The batch with all randomness that its duels need: latents, noise on the reals.

        Drawn for a whole minibatch before it is cut into micro-batches, so that the cut changes nothing; and
        through `share.draw`, so that the number of processes changes nothing either.
        """

    @abstractmethod
    def duels(self, batch: Batch) -> list[Duel]:
        """What the players are judged on, for a drawn batch."""

    @abstractmethod
    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Every image that G makes of a drawn batch, by name; G may be the averaged copy of self.G."""

    def translator(self, G: nn.Module, direction: str | None) -> nn.Module:
        """The network that makes images of images, for `gantool translate`; G as above.

        Args:
            direction: `ab` or `ba` where there are two; None = the first, or only one.

        Raises ValueError where there is none.
        """
        name = type(self).__name__
        raise ValueError(f"{name} makes images of latents, not of images; use gantool sample.")

    def scored(self, G: nn.Module, image: Tensor) -> Scored:
        """How abnormal images (N, C, H, W) are; G as above. Raises ValueError where that was not learnt."""
        name = type(self).__name__
        raise ValueError(f"{name} has learnt no scores of its own; search for the nearest image instead.")

    def compared(self, G: nn.Module, batch: Batch) -> Pairs:
        """What G makes of a drawn batch beside what it should be, by name; "" where that is the very task.

        Of whichever entries are in the batch; nothing where an image has no original.
        """
        return {}

    def pictures(self, G: nn.Module, batch: Batch) -> dict[str, list[Tensor]]:
        """What to show of a drawn batch, by name: columns of (N, C, H, W), whose rows belong together."""
        return {name: [images] for name, images in self.generate(G, batch).items()}
