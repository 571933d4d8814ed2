"""Distances between what a generator makes and what it learnt from, as clouds of features."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Literal, final

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from gantool import clouds
from gantool.data.cache import cache_folder
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.layers.resolution import height_and_width
from gantool.metrics.comparison import Comparison
from gantool.metrics.content import content, kept
from gantool.metrics.extractor import Extractor, eight_bit, extracted
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Fakes, Shown, Sight
from gantool.metrics.statistic import Statistic
from gantool.metrics.translations import Translations, sides
from gantool.tasks.task import Task

TOGETHER = 500  # reals that are read at once
log = logging.getLogger(__name__)


@final
class Distribution(Metric):
    """One statistic of features of fakes and reals, after a protocol.

    Of a model that makes images of images: of the translations of what is held out against the held-out
    targets, as CycleGAN's are judged, test A made B against test B; in both directions where it knows two.

    Beside each number stands what real images score: one half of the reals, chosen at random, as if it were
    fakes, against the other. Beside that of translations, what the sources score as they are, too.

    Args:
        name: of the metric: its column where it finds one number; several are called NUMBER_FEATURES. Of
            translators with two directions, the direction comes first: ab_NAME.
        statistic: of the features.
        features: of an image, as a file of 8 bits would keep it.
        count: fakes of the protocol; of translations, no more than sources are held out.
        reals: of the protocol; None = all there are. Their features are kept in memory, 4 bytes each.
        split: of the data, to take reals from: `train`, which the generator has seen, or `test`, which it has
            not: of a set without a test split, what is held out of training.
        cache: folder that keeps the features of reals, by their content; None = ~/.cache/gantool.
    """

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
        self.name, self.statistic, self.features = name, statistic, features
        self.count, self.reals = count, reals
        if split not in ("train", "test"):
            raise ValueError(f"metrics.{name}.split={split}: give train or test.")
        self.split: Literal["train", "test"] = split
        self.cache = cache_folder() if cache is None else Path(cache).expanduser()
        self.deciding = self.column("") if statistic.deciding else None
        for key, value in (("count", count), ("reals", reals)):
            if value is not None and value < statistic.least:
                raise ValueError(f"metrics.{name}.{key}={value}: give {statistic.least} or more.")
        self.sight: Sight = Fakes()
        self.device = torch.device("cpu")
        self.asked = {"": count}  # fakes, by the name that they are shown by
        self.comparisons: dict[str, Comparison] = {}
        self.labels: Tensor | None = None  # (M,), of the reals in the order of their features
        self.doubted = False

    def check(self, task: Task, data: DictConfig) -> None:
        self.sight = Translations() if task.translates else Fakes()
        if clouds.is_point((data.channels, *height_and_width(data.resolution))):
            raise ValueError(
                f"metrics={self.name} measures images, not points; use metrics=modes or table_fidelity."
            )
        if self.statistic.of_training and (self.sight.held_out or self.split == "test"):
            raise ValueError(
                f"metrics={self.name} compares with the images that were learnt from: it is for split=train, "
                "and models that make images of noise."
            )
        if self.split == "test" and "split" not in data.set:
            if self.sight.held_out or "held_out" not in data:
                raise ValueError(f"metrics={self.name}: this data set has no test split; use another metric.")
            if data.hold_out == 0:
                raise ValueError(
                    f"metrics={self.name}: this data set has no test split, and nothing is held out of it; "
                    "data.hold_out=200 keeps 200 images back to compare with."
                )
        self.features.check(self.name, data)

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        self.device = torch.device("cpu") if device.type == "mps" else device  # which has no float64
        self.doubted, most = False, self.count if count is None else count
        if self.sight.held_out:
            sources, targets = sides(images)
            self.asked = {name: min(most, len(source)) for name, source in sources.items()}
        else:
            sources = dict[str, ImageSet]()
            targets = {"": unseen(data) if self.split == "test" else images}
            self.asked = {"": most}
        reals = {name: min(self.reals or len(those), len(those)) for name, those in targets.items()}
        for what, numbers in (("count", self.asked), ("reals", reals)):
            if min(numbers.values()) < self.statistic.least:
                raise ValueError(
                    f"metrics={self.name} needs {self.statistic.least} images or more, not "
                    f"{what}={min(numbers.values())}."
                )
        self.features.prepare(self.name, images, device, tell)
        learnt = {name: self.learnt(those, reals[name], tell) for name, those in targets.items()}
        of = {name: self.learnt(those, self.asked[name], tell) for name, those in sources.items()}
        entry = self.statistic.entry
        self.comparisons = {
            name: Comparison(
                self.statistic, real[entry], of[name][entry] if name in of else None, self.device
            )
            for name, real in learnt.items()
        }
        self.labels = learnt[""].get("label") if "" in learnt else None
        return max(self.asked.values())

    def learnt(self, images: ImageSet, count: int, tell: Callable[[str], None]) -> Seen:
        """Of so many reals, in random order, as `look` sees fakes; kept by the content of the data."""
        key = f"{content(images)} {count} {self.features.identity} and labels"
        file = self.cache / "features" / f"{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}.pt"

        def make() -> Seen:
            tell(f"Features of {count:,} real images, once; kept in {file}.")
            chosen = chosen_of(images, count)
            parts: list[Seen] = []
            for start in range(0, count, TOGETHER):
                batch = images[chosen[start : start + TOGETHER]]
                labels = {"label": batch["label"]} if "label" in batch else {}
                parts.append({**extracted(self.features, as_bytes(batch["image"])), **labels})
            order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
            return {name: torch.cat([part[name] for part in parts])[order] for name in parts[0]}

        return kept(file, make)

    def columns(self, task: Task) -> dict[str, Direction]:
        return {
            prefixed(way, self.column(number)): better
            for way in self.asked
            for number, better in self.statistic.directions.items()
        }

    def column(self, number: str) -> str:
        return f"{number}_{self.features.name}" if number else self.name

    @property
    def glance(self) -> str:
        return self.features.identity

    @torch.no_grad()
    def look(self, shown: Shown) -> Seen:
        """Labels (N,) where any were asked for; and by name of the images, features (N, F) and logits (N, K).

        NaN of an image that is not finite.
        """
        seen: Seen = {} if shown.labels is None else {"label": shown.labels.cpu()}
        for name, [fake] in shown.images.items():
            broken = ~fake.flatten(1).isfinite().all(1).cpu()  # (N,), which 8 bits would hide
            for entry, value in extracted(self.features, eight_bit(fake.nan_to_num())).items():
                seen[prefixed(name, entry)] = value.masked_fill(broken[:, None], nan)
        return seen

    @torch.no_grad()
    def judge(self, seen: Seen) -> Found:
        found = Found({}, {}, [])
        for way, comparison in self.comparisons.items():
            fake = seen[prefixed(way, self.statistic.entry)]
            name = prefixed(way, self.name)
            if not self.doubted and (doubt := comparison.doubt(len(fake))):
                log.warning("%s: %s", name, doubt)
            numbers = comparison(fake) if finite(name, fake) else {}
            for number in self.statistic.directions:
                column = prefixed(way, self.column(number))
                if number in numbers:
                    found.values[column] = numbers[number]
                found.record[column] = numbers.get(number)
                for what, others in (("real", comparison.floor), ("source", comparison.untouched)):
                    if others:
                        found.record[f"{what}_{column}"] = others[number]
                found.rows.append((column, comparison.row(number, numbers)))
            aside = numbers.keys() - self.statistic.directions.keys()  # such as a standard deviation
            found.record.update({f"{name}_{number}": numbers[number] for number in sorted(aside)})
            sizes = {"fakes": len(fake), "reals": len(comparison.real)}
            found.record.update({prefixed(way, what): size for what, size in sizes.items()})
        self.doubted = True
        return found

    @property
    def protocol(self) -> str:
        return f"{self.statistic.protocol}; {self.clouds()}; {self.features.protocol}"

    def clouds(self) -> str:
        """How many fakes, and against what."""
        what, of = "fakes", f"reals of {self.split}"
        if self.sight.held_out:
            what, of = "translations of held-out images", "held-out targets"
        told: list[str] = []
        for way, comparison in self.comparisons.items():
            asked = self.asked[way]
            usual = "" if asked == self.count else f" (NOT the {self.count:,} of {self.name})"
            told.append(
                f"{way + ': ' if way else ''}{asked:,} {what}{usual} against {len(comparison.real):,} {of}"
            )
        return ", ".join(told)


def unseen(data: DictConfig) -> ImageSet:
    """The test split of a set, or else what is held out of it."""
    return instantiate(data.set, split="test") if "split" in data.set else instantiate(data.held_out)


def prefixed(way: str, name: str) -> str:
    """What belongs to the images of this name, which is "" where there are no others."""
    return f"{way}_{name}" if way else name


def finite(name: str, fake: Tensor) -> bool:
    """Whether features are; otherwise that is told."""
    if bool(fake.isfinite().all()):
        return True
    log.warning("%s is undefined: the generator makes images that are not finite", name)
    return False


def chosen_of(images: ImageSet, count: int) -> list[int]:
    """Positions of some images, chosen at random, always the same, in rising order."""
    stretches = images.stretches and replace(images.stretches, soon=None)
    return sorted(Order(len(images), 0, stretches)(0, count))


def as_bytes(images: Tensor) -> Tensor:
    """uint8 of images as a set holds them."""
    return images if images.dtype == torch.uint8 else eight_bit(to_range(images, torch.float32))
