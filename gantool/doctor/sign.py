"""One thing that goes wrong: how bad it is, when it begins and ends, and what is said of it, once."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any, ClassVar, final

Advice = Callable[[tuple[str, ...]], tuple[str, ...]]  # those of some cures that are worth a try
Numbers = dict[str, float]  # of one examination, by name; what was not measured is missing

WINDOW = 3  # examinations that must agree, by their median
TINY = 1e-30  # instead of 0, to divide by
CALM = 0.5  # of the badness that alarms: below that an episode is over
END = 0.9  # of a run: what is still wrong then has not righted itself


@final
@dataclass(frozen=True)
class Moment:
    """When an examination took place.

    Attributes:
        images: seen.
        iterations: done.
        progress: the share of the run that is over.
    """

    images: int
    iterations: int
    progress: float


class Sign(ABC):
    """Something that goes wrong: a badness, 1 or more of which alarms.

    It speaks once in an episode, which begins when the median of the last `window` badnesses reaches 1 and
    ends when it falls below CALM. What it remembers is in `state`, as plain values.

    What is wrong at first often rights itself: before `settles` it speaks only at the END of the run.
    """

    window: ClassVar[int] = WINDOW
    settles: ClassVar[int] = 0  # iterations
    cures: ClassVar[tuple[str, ...]]  # keys and choices of the command line that usually help, the best first

    def __init__(self):
        self.recent: list[float] = []  # badnesses
        self.moments: list[int] = []  # of these, in images
        self.usual: float | None = None  # what this run was like at its best; what that is, the sign knows
        self.told = False
        self.advise: Advice = tuple  # by default all cures

    @abstractmethod
    def badness(self, numbers: Numbers, now: Moment) -> float | None:
        """Of an examination; None where it cannot be told."""

    @abstractmethod
    def words(self, numbers: Numbers) -> str:
        """What was seen."""

    def hear(self, numbers: Numbers, now: Moment) -> str | None:
        """Take an examination in; answers a sentence where an episode begins."""
        bad = self.badness(numbers, now)
        if bad is None:
            return None
        self.recent = [*self.recent, bad][-self.window :]
        self.moments = [*self.moments, now.images][-self.window :]
        level = median(self.recent) if len(self.recent) == self.window else 0.0
        if self.told:
            self.told = level >= CALM
            return None
        early = now.iterations < self.settles and now.progress < END
        if level < 1 or bad < 1 or early:
            return None
        self.told = True
        since = min(moment for moment, it in zip(self.moments, self.recent, strict=True) if it >= 1)
        cures = self.advise(self.cures)
        helps = f": {listed(cures)}" if cures else " is in force already"
        return f"{self.words(numbers)} since {since:,} images. What usually helps{helps}."

    @property
    def state(self) -> dict[str, Any]:
        return {"recent": self.recent, "moments": self.moments, "usual": self.usual, "told": self.told}

    def recall(self, state: dict[str, Any]) -> None:
        self.recent, self.moments = list(state["recent"]), list(state["moments"])
        self.usual, self.told = state["usual"], state["told"]


def listed(cures: tuple[str, ...]) -> str:
    *most, last = cures
    return f"{', '.join(most)} or {last}" if most else last
