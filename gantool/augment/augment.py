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
