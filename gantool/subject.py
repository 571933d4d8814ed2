"""A generator that is to be measured: the images that it makes, the same on every occasion."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gantool.batches import sizes
from gantool.chance import uniform
from gantool.data.captioned import Captioned
from gantool.data.image_set import ImageSet
from gantool.data.module import in_range
from gantool.data.order import Order
from gantool.data.piles import Piles
from gantool.finished import drawn, evenly, labels_for
from gantool.gan import GAN
from gantool.layers.synced import alone
from gantool.prompts import is_told
from gantool.seeds import mix, reseed
from gantool.standing import needs_standing_statistics, standing_statistics
from gantool.tasks.task import Batch, Pairs, moved

MOST = {True: 16, False: 500}  # images of a pass at most: where images come in, and where latents do


@final
@dataclass(frozen=True)
class Subject:
    """A generator to be measured, and what it is measured on.

    Attributes:
        gan: its own generator stays as it is.
        config: of its training.
        images: that it translates, and is compared with; or whose labels its fakes borrow.
        seed: of latents and noise, which do not depend on where training stands.
        together: images of a pass.
        standing: as `standing` of `gantool evaluate`.
        truncation: of the latents, which `gan` already has; for the protocol.
    """

    gan: GAN
    config: DictConfig
    images: ImageSet
    seed: int
    together: int
    standing: bool | str = "auto"
    truncation: float | None = None

    @torch.no_grad()
    def generator(self) -> nn.Module:
        """A copy of the generator for this process alone, in evaluation mode, with standing statistics."""
        if self.standing not in (True, False, "auto"):
            raise ValueError(f"standing={self.standing}: give true, false or auto.")
        G = alone(copy.deepcopy(self.gan.generator))
        if self.stands:
            some = range(self.together)[: len(self.images)]
            example = self.originals(some) if self.translates else {"label": evenly(self.config)}
            with self.chance("standing"):
                standing_statistics(G, self.gan.task, example)
        return G.eval()

    @property
    def translates(self) -> bool:
        """Whether it makes images of images, rather than of latents."""
        return self.gan.task.translates

    @property
    def stands(self) -> bool:
        """Whether batch norm has standing statistics."""
        return bool(needs_standing_statistics(self.gan) if self.standing == "auto" else self.standing)

    @property
    def protocol(self) -> str:
        """How fakes are made of latents, in one line."""
        whose = "G" if self.gan.G_ema is None else "the averaged G"
        norms = any(isinstance(module, _BatchNorm) for module in self.gan.generator.modules())
        kind = "standing" if self.stands else "running"
        latents = "" if self.truncation is None else f", truncation {self.truncation:g}"
        labels = ", labels as often as in the data" if self.config.task.get("conditional") else ""
        labels = ", captions as often as in the data" if is_told(self.config) else labels
        norm = f", {kind} statistics of batch norm" if norms else ""
        return f"fakes of {whose}{norm}, seed {self.seed}{latents}{labels}"

    def labels(self, numbers: range) -> Tensor:
        """Of the fakes of these numbers, each class, or caption, as often as in the data: (N, ...)."""
        if is_told(self.config) and isinstance(self.images, Captioned):
            return self.images.first(self.order(numbers.start, len(numbers)))
        known = self.images.labels
        if known is None or not self.config.task.get("conditional"):
            return labels_for(None, numbers, self.config)
        return known[torch.tensor(self.order(numbers.start, len(numbers)))].long()

    def originals(self, numbers: range) -> Batch:
        """The images of these numbers; those of a smaller pile end earlier."""
        batch = in_range(self.images[numbers], torch.get_default_dtype())
        if isinstance(self.images, Piles):
            ends = {"a": len(self.images.a), "b": len(self.images.b)}
            batch = {name: value[: max(0, ends[name] - numbers.start)] for name, value in batch.items()}
        return {name: self.gan.in_format(value) for name, value in batch.items() if len(value)}

    @cached_property
    def order(self) -> Order:
        """Of the images whose labels fakes borrow."""
        return Order(len(self.images), mix(self.seed, "evaluate"))

    @torch.no_grad()
    def compared(self, G: nn.Module, numbers: range) -> Pairs:
        """What G makes of these images beside what it should be."""
        with self.chance("compared", numbers.start):
            batch = moved(self.gan.task.draw(self.originals(numbers)), G)
            return self.gan.task.compared(G, batch)

    def drawn(self, numbers: range, labels: Tensor, end: int = 0) -> Batch:
        """What fakes are made of, as `gantool sample` draws it; at another `end` of a path, others."""
        return drawn(self.gan.task, numbers, labels, mix(self.seed, "end", end) if end else self.seed)

    def shares(self, numbers: range) -> Tensor:
        """Where on a path the fakes of these numbers are: U[0, 1), (N,), float64."""
        seeds = [mix(self.seed, "share", number) >> 1 for number in numbers]
        return uniform(torch.tensor(seeds), "share", dtype=torch.float64)

    @torch.no_grad()
    def generated(self, G: nn.Module, numbers: range, labels: Tensor) -> Tensor:
        """The fakes of these numbers, of the latents that `gantool sample` draws for them: (N, C, H, W)."""
        batch = moved(self.drawn(numbers, labels), G)
        with self.chance("generated", numbers.start):
            return self.gan.task.generate(G, batch)["fake"].cpu()

    @contextmanager
    def chance(self, *purpose: int | str) -> Iterator[None]:
        """Random numbers of this moment and purpose; training goes on with its own."""
        device = self.gan.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            reseed(device, self.seed, *purpose)
            yield


def together(config: DictConfig, translates: bool) -> int:
    """Images of a pass that have room where training had: it keeps more of each image."""
    return min(MOST[translates], config.micro_batch or MOST[translates], sizes(config, "batch_size")[-1])
