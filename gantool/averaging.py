"""The averaged generator: an exponential average whose half-life is counted in images."""

import torch
from torch import Tensor

from gantool.schedules import Schedule


def averages(ema: Schedule) -> bool:
    return callable(ema) or ema > 0


@torch.no_grad()
def average(slow: list[Tensor], fast: list[Tensor], images: int, half_life: float) -> None:
    """Move the exponential average `slow` of `fast` on by `images`; a half-life of 0 copies."""
    decay = 0.5 ** (images / half_life) if half_life else 0.0
    torch._foreach_lerp_(slow, fast, 1 - decay)  # pyright: ignore
