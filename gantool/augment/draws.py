"""Distributions made of U[0, 1), and which channels of an image are colour."""

from torch import Tensor

from gantool.augment.augment import Chance
from gantool.chance import bell


def normal(chance: Chance, purpose: str, *shape: int) -> Tensor:
    """N(0, 1) of (N, *shape)."""
    return bell(chance(f"{purpose} radius", *shape), chance(f"{purpose} angle", *shape))


def whole(chance: Chance, purpose: str, count: int, *shape: int) -> Tensor:
    """Whole numbers of 0 to `count` - 1, each as likely as the others, as floats of (N, *shape)."""
    return (chance(purpose, *shape) * count).floor()


def colours(channels: int) -> int:
    """How many of an image's first channels are colour: the others (grey and alpha, RGBA) are opacity."""
    return 3 if channels >= 3 else 1
