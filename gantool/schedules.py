"""Numbers that change while training: a schedule maps images seen to a value; a number is a constant."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Schedule = float | Callable[[int], float]


def at(schedule: Any, images: int) -> Any:
    """The value of a schedule at `images`; a list is taken element by element, anything else as it is."""
    if isinstance(schedule, list | tuple):
        return type(schedule)(at(element, images) for element in schedule)
    return schedule(images) if callable(schedule) else schedule


def moves(schedule: Any) -> bool:
    """Whether the value depends on time."""
    if isinstance(schedule, list | tuple):
        return any(moves(element) for element in schedule)
    return callable(schedule)


@dataclass(frozen=True)
class Switch:
    """`before` until `images` have been seen, `after` from then on."""

    before: float
    after: float
    images: int

    def __call__(self, images: int) -> float:
        return self.before if images < self.images else self.after


@dataclass(frozen=True)
class Linear:
    """`start` for a share `hold` of `images`, a straight line to `end` over the rest, then `end`."""

    start: float
    end: float
    images: int
    hold: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.hold < 1:
            raise ValueError(
                f"hold={self.hold}: the share of the images before the line is from 0 to below 1."
            )

    def __call__(self, images: int) -> float:
        progress = min(max(images / self.images - self.hold, 0.0) / (1 - self.hold), 1.0)
        return self.start + (self.end - self.start) * progress


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from `start` to `end` over `images`, then `end`."""

    start: float
    end: float
    images: int

    def __call__(self, images: int) -> float:
        progress = min(images / self.images, 1.0)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class Exponential:
    """`start`, halved every `half_life` images, never below `floor`."""

    start: float
    half_life: float
    floor: float = 0.0

    def __call__(self, images: int) -> float:
        return max(self.start * 0.5 ** (images / self.half_life), self.floor)


@dataclass(frozen=True)
class Steps:
    """`start`, multiplied by `factor` at each of `images`."""

    start: float
    factor: float
    images: Sequence[int]

    def __call__(self, images: int) -> float:
        return self.start * self.factor ** sum(images >= moment for moment in self.images)


@dataclass(frozen=True)
class Phases:
    """`first` until `images` have been seen; from then on `second`, for which time begins anew."""

    first: Schedule
    second: Schedule
    images: int

    def __call__(self, images: int) -> float:
        return at(self.first, images) if images < self.images else at(self.second, images - self.images)
