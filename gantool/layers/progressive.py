"""Networks that grow: Karras, Aila, Laine & Lehtinen (2018), arXiv:1710.10196, section 2 and figure 2.

Images that go in and come out have their whole size all the time: beyond the size that a network has reached,
each pixel is a square of equal ones.
"""

from abc import ABC, abstractmethod
from math import ceil
from typing import final

import torch
from torch import Tensor, nn

from gantool.layers.residual import down, up


class Progressive(ABC):
    """A network whose stages join one after another, from the smallest size on."""

    @abstractmethod
    def grow(self, level: float) -> None:
        """Take part up to `level`.

        Level k is the smallest size doubled k times; a fraction is how far the next stage is faded in.
        """


@final
class Level(nn.Module):
    """How far a network has grown, as a number that goes into checkpoints with its weights.

    Args:
        highest: the level of the whole network, which is where it begins.
    """

    value: Tensor

    def __init__(self, highest: int):
        super().__init__()
        self.highest = highest
        self.register_buffer("value", torch.tensor(float(highest)))
        self.held: float | None = None

    def move(self, level: float) -> None:
        """Raises ValueError for a level that the network has not."""
        if not 0 <= level <= self.highest:
            raise ValueError(f"level={level}: these networks have the levels 0 to {self.highest}.")
        self.value.fill_(level)

    def hold(self) -> None:
        """Stay where it is, for an export, in which it is no number among others."""
        self.held = self.value.item()

    def read(self) -> tuple[int, Tensor | None]:
        """The last stage that takes part, and its share, a scalar between 0 and 1; None = all of it."""
        level = self.value.item() if self.held is None else self.held
        stage = ceil(level)
        return stage, None if stage == level else self.value - (stage - 1)


def enlarged(image: Tensor, doublings: int) -> Tensor:
    """(N, C, H, W) -> (N, C, 2^d H, 2^d W), nearest."""
    for _ in range(doublings):
        image = up(image)
    return image


def shrunk(image: Tensor, halvings: int) -> Tensor:
    """(N, C, 2^d H, 2^d W) -> (N, C, H, W), means of squares; in steps, so that sizes agree bit for bit."""
    for _ in range(halvings):
        image = down(image)
    return image


def blend(old: Tensor, new: Tensor, share: Tensor) -> Tensor:
    """(1 - share) old + share new."""
    return torch.lerp(old, new, share.to(new.dtype))


def reduced(image: Tensor, highest: int, level: float) -> Tensor:
    """What images of (N, C, H, W) look like to networks of `level`; in a fade, a blend of two sizes.

    As G's image blends two sizes, so that D cannot tell fakes by it: the authors' code.
    """
    stage = ceil(level)
    if level == highest:
        return image
    image = shrunk(image, highest - stage)
    if level < stage:
        image = torch.lerp(up(down(image)), image, level - (stage - 1))
    return enlarged(image, highest - stage)
