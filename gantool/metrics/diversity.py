"""Diversity among fakes: how far apart, or how alike, two of them are, beside what two reals are."""

import logging
from collections.abc import Callable
from math import nan, sqrt
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool import clouds
from gantool.data.image_set import ImageSet
from gantool.layers.resolution import height_and_width
from gantool.metrics.distribution import as_bytes
from gantool.metrics.extractor import eight_bit
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.pairwise import Pairwise
from gantool.metrics.sight import Couples, Shown
from gantool.tasks.generation import Generation
from gantool.tasks.pyramid import Pyramid
from gantool.tasks.task import Task
from gantool.tasks.text import Text

TOGETHER = 50  # pairs compared together
ALL, CLASS, CAPTIONS = "of any classes", "of one class each", "of any captions"
log = logging.getLogger(__name__)


@final
class Diversity(Metric):
    """The mean over random pairs of fakes, of one class where the model knows classes; no image is in two.

    MS-SSIM: Odena, Olah & Shlens (2017), arXiv:1610.09585, section 4.2, and Karras et al. (2018),
    arXiv:1710.10196; LPIPS: Zhu et al. (2017), arXiv:1711.11586, section 5. Beside it stand as many pairs of
    reals, chosen alike: noise is more diverse than any photographs, so that only what is as diverse as they
    are is right.

    Differs from Odena et al., who take 100 pairs of each class: classes are as frequent as in the data.

    Args:
        name: of the metric, for errors.
        measure: of two images, as a file of 8 bits would keep them.
        count: pairs of the protocol.
    """

    sight = Couples()

    def __init__(self, name: str, measure: Pairwise, count: int):
        if count < 1:
            raise ValueError(f"metrics.{name}.count={count}: give a number of pairs, 1 or more.")
        self.name, self.measure, self.count, self.asked = name, measure, count, count
        self.column = f"pair_{measure.name}"
        self.kind = ALL  # what pairs have in common
        self.real = torch.empty(0)  # (M,), of pairs of reals

    def check(self, task: Task, data: DictConfig) -> None:
        if task.translates:
            raise ValueError(
                f"metrics={self.name} measures models that make images of noise; this one makes images of "
                "images: use metrics=likeness."
            )
        size = height_and_width(data.resolution)
        if clouds.is_point((data.channels, *size)):
            raise ValueError(
                f"metrics={self.name} measures images, not points; use metrics=modes or table_fidelity."
            )
        self.measure.check(self.name, data, *size)
        if isinstance(task, Text):
            self.kind = CAPTIONS
        elif isinstance(task, Generation | Pyramid) and task.conditional:
            self.kind = CLASS

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        self.asked = self.count if count is None else count
        self.measure.prepare(self.name, images, device, tell)
        labels = images.labels if self.kind == CLASS else None
        pairs = couples(len(images), labels, self.asked)  # (M, 2)
        parts = [
            self.compared(*(as_bytes(images[side.tolist()]["image"]) for side in some.T))
            for some in pairs.split(TOGETHER)
            if len(some)
        ]
        self.real = torch.cat([torch.empty(0, dtype=torch.float64), *parts])
        return self.asked

    @torch.no_grad()
    def compared(self, x: Tensor, y: Tensor) -> Tensor:
        """Of a few pairs of images (N, C, H, W), uint8: (N,), float64."""
        return self.measure(*(it.float() / 127.5 - 1 for it in (x, y))).double().cpu()

    def columns(self, task: Task) -> dict[str, Direction]:
        return {self.column: self.measure.diverse}

    @property
    def glance(self) -> None:
        return None

    def look(self, shown: Shown) -> Seen:
        """The measure of each pair, (N,); NaN where an image is not finite."""
        first, second = shown.images[""]
        broken = ~(first.isfinite() & second.isfinite()).flatten(1).all(1).cpu()  # (N,), hidden by 8 bits
        pairs = zip(*(eight_bit(it.nan_to_num()).split(TOGETHER) for it in (first, second)), strict=True)
        return {"pairs": torch.cat([self.compared(x, y) for x, y in pairs]).masked_fill(broken, nan)}

    def judge(self, seen: Seen) -> Found:
        fake = seen["pairs"]
        record: dict[str, Any] = {self.column: None}
        values: dict[str, float] = {}
        text = "undefined"
        if fake.isfinite().all():
            values = {self.column: float(fake.mean())}
            text = told(fake)
            record |= values | {"error": error(fake)}
        else:
            log.warning("%s is undefined: the generator makes images that are not finite", self.column)
        if len(self.real):
            text += f" (pairs of reals {told(self.real)})"
            record |= {f"real_{self.column}": float(self.real.mean()), "real_error": error(self.real)}
        record |= {"pairs": len(fake), "real_pairs": len(self.real)}
        return Found(values, record, [(self.column, text)])

    @property
    def protocol(self) -> str:
        usual = "" if self.asked == self.count else f" (NOT the {self.count:,} of {self.name})"
        return (
            f"{self.measure.protocol}; {self.asked:,} disjoint pairs of fakes{usual} and {len(self.real):,} "
            f"of reals of train, {self.kind}; 8-bit images"
        )


def told(values: Tensor) -> str:
    return f"{float(values.mean()):.4f} ± {error(values):.2g}"


def error(values: Tensor) -> float:
    """The standard error of the mean of (N,)."""
    return float(values.std(correction=0)) / sqrt(len(values))


def couples(images: int, labels: Tensor | None, count: int) -> Tensor:
    """Up to so many random pairs of numbers of images, of one class each, no number in two: (M, 2).

    Classes are as frequent as among the images.
    """
    numbers = torch.Generator().manual_seed(0)
    order = torch.randperm(images, generator=numbers)
    if labels is not None:
        order = order[labels[order].argsort(stable=True)]
    kinds = torch.zeros(images, dtype=torch.long) if labels is None else labels[order].long()
    lengths = torch.unique_consecutive(kinds, return_counts=True)[1]
    pairs = [
        some[: len(some) // 2 * 2].view(-1, 2) for some in order.split(lengths.tolist())
    ]  # (m, 2) of each class
    every = torch.cat(pairs)
    return every[torch.randperm(len(every), generator=numbers)[:count]]
