"""Numbers within each class: intra FID, Miyato & Koyama (2018), arXiv:1802.05637, section 6."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.image_set import ImageSet
from gantool.metrics.comparison import Comparison
from gantool.metrics.distribution import Distribution, finite
from gantool.metrics.extractor import Extractor
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Fakes, Shown
from gantool.metrics.statistic import Numbers, Statistic
from gantool.tasks.generation import Generation
from gantool.tasks.pyramid import Pyramid
from gantool.tasks.task import Task
from gantool.tasks.text import Text

MOST_ROWS = 20  # classes that are told one by one
log = logging.getLogger(__name__)


@final
class PerClass(Metric):
    """A statistic of the fakes of each class against the reals of that class, then its mean over classes.

    What a generator makes of the wrong class counts here, and does not in a distance of all fakes and all
    reals. The same images and features serve both. A class with too few fakes or reals for the statistic is
    left out of the mean, and told.

    The arguments are those of Distribution; fakes are of each class as often as the data.
    """

    sight = Fakes()

    def __init__(
        self,
        name: str,
        statistic: Statistic,
        features: Extractor,
        count: int,
        reals: int | None = None,
        split: Literal["train", "test"] = "train",
        cache: str | None = None,
    ):
        self.name, self.statistic = name, statistic
        self.whole = Distribution(name, statistic, features, count, reals, split, cache)
        self.deciding = self.whole.deciding
        self.classes: tuple[str, ...] = ()
        self.floors: list[Numbers] = []

    def check(self, task: Task, data: DictConfig) -> None:
        if not (isinstance(task, Generation | Pyramid) and task.conditional) or isinstance(task, Text):
            raise ValueError(
                f"metrics={self.name} measures each class by itself, but this model makes no images of a "
                "class that one asks for: use a conditional model, such as model=cgan, or another metric."
            )
        self.whole.check(task, data)

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        self.classes, self.floors = images.names, []
        return self.whole.prepare(data, images, device, tell, count)

    def columns(self, task: Task) -> dict[str, Direction]:
        return self.whole.columns(task)

    @property
    def glance(self) -> str:
        return self.whole.glance

    def look(self, shown: Shown) -> Seen:
        return self.whole.look(shown)

    @torch.no_grad()
    def judge(self, seen: Seen) -> Found:
        fake = seen[self.statistic.entry]
        sizes = self.sizes(seen["label"])
        enough = [place for place, pair in enumerate(sizes) if min(pair) >= self.statistic.least]
        if not self.floors:
            self.tell(sizes, enough, fake.shape[1])
            self.floors = [self.comparison(place).floor for place in range(len(self.classes))]
        known = finite(self.name, fake)
        numbers: list[Numbers] = [{} for _ in self.classes]
        for place in enough if known else ():
            numbers[place] = self.comparison(place)(fake[seen["label"] == place])  # whose parts are not kept
        values = {self.whole.column(number): mean for number, mean in self.means(numbers).items()}
        floors = {
            f"real_{self.whole.column(number)}": mean for number, mean in self.means(self.floors).items()
        }
        record: dict[str, Any] = dict.fromkeys(map(self.whole.column, self.statistic.directions))
        record |= {**values, **floors, "fakes": len(fake), "reals": sum(reals for _, reals in sizes)}
        record["classes"] = {
            name: self.record(numbers[place], self.floors[place], sizes[place])
            for place, name in enumerate(self.classes)
        }
        return Found(values, record, self.rows(values, floors, numbers, sizes))

    def comparison(self, place: int) -> Comparison:
        """Of one class; made anew each time, for statistics of a thousand classes have no room."""
        whole, labels = self.whole.comparisons[""], self.whole.labels
        assert labels is not None
        return Comparison(self.statistic, whole.real[labels == place], None, whole.device)

    def sizes(self, labels: Tensor) -> list[tuple[int, int]]:
        """Fakes and reals of each class."""
        assert self.whole.labels is not None
        count = partial(torch.bincount, minlength=len(self.classes))
        return list(zip(count(labels).tolist(), count(self.whole.labels).tolist(), strict=True))

    def means(self, numbers: list[Numbers]) -> Numbers:
        """Over the classes that have some."""
        some = [one for one in numbers if one]
        return {
            name: sum(one[name] for one in some) / len(some) for name in self.statistic.directions if some
        }

    def tell(self, sizes: list[tuple[int, int]], enough: list[int], width: int) -> None:
        """Why numbers are doubtful, or not there."""
        missing = [name for place, name in enumerate(self.classes) if place not in enough]
        if missing:
            log.warning(
                "%s: %s left out of the mean, for want of %d fakes and reals: %s",
                self.name,
                "1 class is" if len(missing) == 1 else f"{len(missing)} classes are",
                self.statistic.least,
                listed(missing),
            )
        doubts = {self.classes[place]: self.statistic.doubt(*sizes[place], width) for place in enough}
        doubtful = [name for name, doubt in doubts.items() if doubt is not None]
        if doubtful:
            log.warning(
                "%s: %d of %d classes are doubtful (%s), the first because %s",
                self.name,
                len(doubtful),
                len(self.classes),
                listed(doubtful),
                doubts[doubtful[0]],
            )

    def record(self, numbers: Numbers, floor: Numbers, sizes: tuple[int, int]) -> dict[str, Any]:
        """Of one class."""
        column, names = self.whole.column, self.statistic.directions
        mine = {column(name): numbers.get(name) for name in names}
        real = {f"real_{column(name)}": floor[name] for name in names if floor}
        return {**mine, **real, "fakes": sizes[0], "reals": sizes[1]}

    def rows(
        self, values: Numbers, floors: Numbers, numbers: list[Numbers], sizes: list[tuple[int, int]]
    ) -> list[tuple[str, str]]:
        """The means, then each class; of many, the worst."""
        rows: list[tuple[str, str]] = []
        measured = sum(bool(one) for one in numbers)
        for column in map(self.whole.column, self.statistic.directions):
            text = f"{values[column]:.4g}, mean of {measured} classes" if column in values else "undefined"
            floor = floors.get(f"real_{column}")
            rows.append(
                (
                    column,
                    text + (f" (halves of the reals of a class {floor:.4g})" if floor is not None else ""),
                )
            )
        for place in self.worst(numbers):
            each = [told(name, numbers[place], self.floors[place]) for name in self.statistic.directions]
            fakes, reals = sizes[place]
            rows.append((f"  {self.classes[place]}", f"{', '.join(each)}; {fakes:,} fakes, {reals:,} reals"))
        if len(self.classes) > MOST_ROWS:
            rows.append(("", f"these {MOST_ROWS} are the worst of {len(self.classes):,} classes"))
        return rows

    def worst(self, numbers: list[Numbers]) -> list[int]:
        """Places of those classes that are told one by one: all, or of many the worst, these first."""
        places = list(range(len(self.classes)))
        if len(places) <= MOST_ROWS:
            return places
        [(name, better), *_] = self.statistic.directions.items()
        sign = -1 if better == "minimize" else 1
        badness = [sign * one[name] if one else torch.inf for one in numbers]
        return sorted(places, key=badness.__getitem__)[:MOST_ROWS]

    @property
    def protocol(self) -> str:
        return f"mean over classes, each against its own reals: {self.whole.protocol}"


def told(name: str, numbers: Numbers, floor: Numbers) -> str:
    """One number of one class."""
    text = f"{numbers[name]:.4g}" if name in numbers else "undefined"
    beside = f" ({floor[name]:.4g})" if name in floor else ""
    return f"{name} {text}{beside}".strip()


def listed(names: list[str]) -> str:
    """Some names of classes, and how many more there are."""
    few = ", ".join(names[:5])
    return few if len(names) <= 5 else f"{few} and {len(names) - 5:,} more"
