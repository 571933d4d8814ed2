"""Perceptual path length: how much images change along a path through latent space, and how evenly.

Karras et al. (2019), arXiv:1812.04948, section 4.1; of any moment or of the beginnings of paths alone.
"""

import logging
from collections.abc import Callable
from math import sqrt
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool import clouds
from gantool.data.image_set import ImageSet
from gantool.layers.resolution import height_and_width
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.pairwise import Distance, Pairwise
from gantool.metrics.sight import Latents, Moments, Paths, Precision, Shown, full_floats
from gantool.tasks.task import Task

PUBLISHED = "lpips_vgg"  # the distance without which it is no perceptual path length
LEAST, MOST = 0.01, 0.99  # quantiles beyond which distances are left out
TOGETHER = 50  # pairs compared together
log = logging.getLogger(__name__)


@final
class PathLength(Metric):
    """E[d(G(p(t)), G(p(t + eps)))] / eps^2 over ways p between random points and moments t, eq. 2 and 3.

    Distances below their 1st and above their 99th percentile are left out, as in the authors' code. Less is
    smoother; a generator that always makes one image scores 0.

    Args:
        measure: d. Only LPIPS by VGG makes the published number; any other has a name of its own.
        count: pairs of the protocol.
        space: w, z, or auto = w where there are styles. A column each: they do not compare.
        moments: full = t uniform in [0, 1]; end = t is 0.
        epsilon: as above.
        crop: compare only the middle of images, as published for StyleGAN's faces.
        precision: single, or double for a smaller epsilon; see `Paths`.
    """

    def __init__(
        self,
        measure: Pairwise,
        count: int = 50_000,
        space: Latents = "auto",
        moments: Moments = "full",
        epsilon: float = 1e-4,
        crop: bool = False,
        precision: Precision = "single",
    ):
        self.name = "perceptual_path_length" if measure.name == PUBLISHED else f"path_length_{measure.name}"
        if not isinstance(measure, Distance):
            raise ValueError(f"metrics.{self.name}.measure: {measure.name} is no distance; use lpips_vgg.")
        if count < 1:
            raise ValueError(f"metrics.{self.name}.count={count}: give a number of pairs, 1 or more.")
        self.measure, self.count, self.asked = measure, count, count
        self.sight = self.paths = Paths(space, moments, epsilon, crop, precision)
        self.paths.check(self.name)

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
        self.paths.suit(self.name, task.G)
        self.measure.check(self.name, data, *self.paths.size(*size))

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
        return self.asked

    def columns(self, task: Task) -> dict[str, Direction]:
        return {self.column(self.paths.space_of(task.G)): "minimize"}

    def column(self, space: str) -> str:
        end = "_end" if self.paths.moments == "end" else ""
        return f"{self.name}_{space}{end}{'_crop' if self.paths.crop else ''}"

    @property
    def glance(self) -> None:
        return None

    @torch.no_grad()
    def look(self, shown: Shown) -> Seen:
        """d / eps^2 of each pair, (N,), float64, by the name of its space."""
        [(space, ends)] = shown.images.items()
        pairs = zip(*(images.split(TOGETHER) for images in ends), strict=True)
        with full_floats():
            far = torch.cat([self.measure(x, y).double().cpu() for x, y in pairs])
        return {space: far / self.paths.epsilon**2}

    def judge(self, seen: Seen) -> Found:
        [(space, lengths)] = seen.items()
        column, count = self.column(space), len(lengths)
        record: dict[str, Any] = {column: None, "pairs": count}
        if not lengths.isfinite().all():
            log.warning("%s is undefined: the generator makes images that are not finite", column)
            return Found({}, record, [(column, "undefined")])
        kept = usual(lengths)
        mean = float(kept.mean())
        record |= {column: mean, "error": float(kept.std(correction=0)) / sqrt(len(kept)), "kept": len(kept)}
        record |= {"median": float(lengths.median())}
        text = f"{mean:.4g} ± {record['error']:.2g} (standard error; median {record['median']:.4g})"
        return Found({column: mean}, record, [(column, text)])

    @property
    def protocol(self) -> str:
        usual = "" if self.asked == self.count else f" (NOT the {self.count:,} of {self.name})"
        return (
            f"{self.measure.protocol}, / {self.paths.epsilon:g}^2, mean without the lowest and the highest "
            f"percent of {self.asked:,} pairs{usual}"
        )


def usual(lengths: Tensor) -> Tensor:
    """Those of (N,) from the 1st to the 99th percentile, of which neither is interpolated."""
    least = torch.quantile(lengths, LEAST, interpolation="lower")
    most = torch.quantile(lengths, MOST, interpolation="higher")
    return lengths[(lengths >= least) & (lengths <= most)]
