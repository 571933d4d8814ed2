"""When a network grows, and what changes with its size: schedules of images seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor
from typing import Any

from gantool.layers.resolution import Resolution, halvings
from gantool.schedules import Schedule, at


@dataclass(frozen=True)
class Growth:
    """Images seen -> level: Karras et al. (2018), arXiv:1710.10196, section 2 and appendix A.1.

    At level k images have been halved so often that k halvings are left until 4x4; between k and k + 1, the
    fraction is how far the next size is faded in. Each level lasts `stable` images, each fade `fade`.

    Args:
        resolution: of the images, in pixels.
        stable: images at each level; 0 = one fade after another.
        fade: images from each level to the next; 0 = at once.
        start: level of the beginning: 0 = 4x4 (28 pixels: 7x7), 1 = 8x8; 0.5 = in the middle of a fade. The
            last one, or more: nothing grows.
    """

    resolution: Resolution
    stable: int
    fade: int
    start: float = 0.0

    def __post_init__(self) -> None:
        if self.stable < 0 or self.fade < 0 or not self.stable + self.fade:
            raise ValueError(
                f"task.growth.stable={self.stable}, task.growth.fade={self.fade}: give numbers of images, "
                "one of them at least above 0."
            )
        if self.start < 0:
            raise ValueError(f"task.growth.start={self.start}: the first level is 0, which is 4x4 pixels.")
        assert self.highest > 0

    @cached_property
    def highest(self) -> int:
        """The level of the whole image."""
        return halvings(self.resolution)[0]

    @cached_property
    def skipped(self) -> float:
        """Images before the start, had it begun at level 0."""
        whole, part = floor(self.start), self.start % 1
        return whole * (self.stable + self.fade) + (self.stable + part * self.fade if part else 0)

    def __call__(self, images: int) -> float:
        level, beyond = divmod(images + self.skipped, self.stable + self.fade)
        fading = beyond - self.stable
        return float(min(level + (fading / self.fade if fading > 0 else 0), self.highest))


@dataclass(frozen=True)
class PerLevel:
    """Images seen -> what belongs to the size that the networks have, or are about to have.

    Args:
        growth: images seen -> level; a number = always that level.
        values: for each level from 0 on; the last one also holds for all above.
    """

    growth: Schedule
    values: Sequence[Any]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("values=[]: give a value for each level, one at least.")
        object.__setattr__(self, "values", tuple(self.values))  # what a configuration holds is slow to read

    def __call__(self, images: int) -> Any:
        return self.values[min(ceil(at(self.growth, images)), len(self.values) - 1)]
