"""Distances between what a generator makes and what it learnt from, as clouds of features."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any, Literal, final

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
from gantool.metrics.content import content, kept
from gantool.metrics.extractor import Extractor, eight_bit, extracted
from gantool.metrics.metric import Direction, Found, Metric, Seen, Shown
from gantool.metrics.statistic import Numbers, Statistic
from gantool.tasks.task import Task

TOGETHER = 500  # reals that are read at once
log = logging.getLogger(__name__)


@final
class Distribution(Metric):
    """One statistic of features of fakes and reals, after a protocol.

    Beside each number stands what real images score: one half of the reals, chosen at random, as if it were
    fakes, against the other.

    Args:
        name: of the metric: its column where it finds one number; several are called NUMBER_FEATURES.
        statistic: of the features.
        features: of an image, as a file of 8 bits would keep it.
        count: fakes of the protocol.
        reals: of the protocol; None = all there are. Their features are kept in memory, 4 bytes each.
        split: of the data, to take reals from: `train`, which the generator has seen, or `test`.
        cache: folder that keeps the features of reals, by their content; None = ~/.cache/gantool.
    """

    alike = False

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
        self.device = torch.device("cpu")
        self.real = torch.empty(0)  # (M, F), in random order
        self.asked = count
        self.against: Callable[[Tensor], Numbers] | None = None
        self.floor: Numbers = {}

    def check(self, task: Task, data: DictConfig) -> None:
        if task.entries != ("image",):
            raise ValueError(
                f"metrics={self.name} measures models that make images of noise; this one makes images of "
                "images: use metrics=likeness."
            )
        if clouds.is_point((data.channels, *height_and_width(data.resolution))):
            raise ValueError(f"metrics={self.name} measures images, not points; use metrics=modes.")
        if self.split == "test" and "split" not in data.set:
            raise ValueError(f"metrics={self.name}: this data set has no test split; use another metric.")
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
        self.asked = self.count if count is None else count
        self.against = None
        reals = instantiate(data.set, split="test") if self.split == "test" else images
        number = len(reals) if self.reals is None else min(self.reals, len(reals))
        for what, there in (("count", self.asked), ("reals", number)):
            if there < self.statistic.least:
                raise ValueError(
                    f"metrics={self.name} needs {self.statistic.least} images or more, not {what}={there}."
                )
        self.features.prepare(self.name, images, device, tell)
        self.real = self.learnt(reals, number, tell)
        return self.asked

    def learnt(self, images: ImageSet, count: int, tell: Callable[[str], None]) -> Tensor:
        """Features of so many reals: (M, F), in random order; kept by the content of the data."""
        key = f"{content(images)} {count} {self.features.identity}"
        file = self.cache / "features" / f"{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}.pt"

        def make() -> Seen:
            tell(f"Features of {count:,} real images, once; kept in {file}.")
            chosen = chosen_of(images, count)
            parts = [
                extracted(self.features, as_bytes(images[chosen[start : start + TOGETHER]]["image"]))
                for start in range(0, count, TOGETHER)
            ]
            order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
            return {name: torch.cat([part[name] for part in parts])[order] for name in parts[0]}

        return kept(file, make)[self.statistic.entry]

    def columns(self, task: Task) -> dict[str, Direction]:
        return {self.column(number): better for number, better in self.statistic.directions.items()}

    def column(self, number: str) -> str:
        return f"{number}_{self.features.name}" if number else self.name

    @property
    def glance(self) -> str:
        return self.features.identity

    @torch.no_grad()
    def look(self, shown: Shown) -> Seen:
        """Features (N, F), and logits (N, K) where there are some; NaN of an image that is not finite."""
        [fake] = shown[""]
        broken = ~fake.flatten(1).isfinite().all(1).cpu()  # (N,), which 8 bits would hide
        seen = extracted(self.features, eight_bit(fake.nan_to_num()))
        return {name: value.masked_fill(broken[:, None], nan) for name, value in seen.items()}

    @torch.no_grad()
    def judge(self, seen: Seen) -> Found:
        fake = seen[self.statistic.entry]
        if self.against is None:
            self.against = self.known(len(fake))
        finite = bool(fake.isfinite().all())
        if not finite:
            log.warning("%s is undefined: the generator makes images that are not finite", self.name)
        numbers = self.against(fake.to(self.device)) if finite else {}
        known = {name: numbers[name] for name in self.statistic.directions if name in numbers}
        values = {self.column(name): value for name, value in known.items()}
        aside = {
            f"{self.name}_{name}": value for name, value in numbers.items() if name not in known
        }  # such as a standard deviation
        floor = {
            f"real_{self.column(name)}": self.floor[name] for name in self.statistic.directions if self.floor
        }
        record: dict[str, Any] = {**dict.fromkeys(self.columns_of(), None), **values, **aside, **floor}
        record |= {"fakes": len(fake), "reals": len(self.real)}
        return Found(values, record, self.rows(numbers))

    def columns_of(self) -> list[str]:
        return [self.column(number) for number in self.statistic.directions]

    def known(self, fakes: int) -> Callable[[Tensor], Numbers]:
        """The statistic that knows the reals, once what they score among themselves is known, too."""
        if doubt := self.statistic.doubt(fakes, len(self.real), self.real.shape[1]):
            log.warning("%s: %s", self.name, doubt)
        real = self.real.to(self.device)
        half = len(real) // 2
        if half >= self.statistic.least:
            self.floor = self.statistic.against(real[half:])(real[:half])
        return self.statistic.against(real)

    def rows(self, numbers: Numbers) -> list[tuple[str, str]]:
        half = len(self.real) // 2
        rows: list[tuple[str, str]] = []
        for name in self.statistic.directions:
            text = f"{numbers[name]:.4g}" if name in numbers else "undefined"
            spread = f" ± {numbers['std']:.2g}" if "std" in numbers else ""
            beside = (
                f" (half of the reals, {half:,}, against the other {self.floor[name]:.4g})"
                if self.floor
                else ""
            )
            rows.append((self.column(name), f"{text}{spread}{beside}"))
        return rows

    @property
    def protocol(self) -> str:
        of = "train" if self.split == "train" else "test"
        usual = "" if self.asked == self.count else f" (NOT the {self.count:,} of {self.name})"
        return (
            f"{self.statistic.protocol}; {self.asked:,} fakes{usual} against {len(self.real):,} reals of "
            f"{of}; {self.features.protocol}"
        )


def chosen_of(images: ImageSet, count: int) -> list[int]:
    """Positions of some images, chosen at random, always the same, in rising order."""
    stretches = images.stretches and replace(images.stretches, soon=None)
    return sorted(Order(len(images), 0, stretches)(0, count))


def as_bytes(images: Tensor) -> Tensor:
    """uint8 of images as a set holds them."""
    return images if images.dtype == torch.uint8 else eight_bit(to_range(images, torch.float32))
