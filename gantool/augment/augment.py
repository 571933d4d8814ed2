"""What stands between images and the discriminator."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, final

from torch import Tensor, nn


class Chance(Protocol):
    def __call__(self, purpose: str, *shape: int) -> Tensor:
        """U[0, 1) for each sample, (N, *shape), different for each purpose."""
        ...


class Augment(nn.Module, ABC):
    """A differentiable change of images, random for each sample, with a gradient to the image."""

    def advance(self, images: int) -> None:
        """Move what is scheduled to its value at `images` seen; called before each iteration."""

    @abstractmethod
    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        """(N, C, H, W) to the same shape."""

    def substitute(self, real: Tensor, fake: Tensor, chance: Chance) -> Tensor:
        """What passes for the reals: they themselves, unless some fakes pose as real; (N, C, H, W)."""
        return real

    def see(self, margins: Tensor) -> None:
        """Watch how far above its boundary D's answers to the reals of its turn lie, (N, ...)."""

    def settle(self, images: int) -> None:
        """Adapt to what was seen in a step of D on so many images; called after the step."""

    def remarks(self) -> dict[str, Tensor]:
        """What this augmentation knows about the state of the game, by name: scalars for the log."""
        return {}


@final
class Chain(Augment):
    """One augmentation after another."""

    def __init__(self, steps: Sequence[Augment]):
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def advance(self, images: int) -> None:
        for step in self.steps:
            step.advance(images)  # pyright: ignore

    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        for step in self.steps:
            image = step(image, chance)
        return image

    def substitute(self, real: Tensor, fake: Tensor, chance: Chance) -> Tensor:
        for step in self.steps:
            real = step.substitute(real, fake, chance)  # pyright: ignore
        return real

    def see(self, margins: Tensor) -> None:
        for step in self.steps:
            step.see(margins)  # pyright: ignore

    def settle(self, images: int) -> None:
        for step in self.steps:
            step.settle(images)  # pyright: ignore

    def remarks(self) -> dict[str, Tensor]:
        return {name: value for step in self.steps for name, value in step.remarks().items()}  # pyright: ignore
