"""From a generator to its numbers: passes through G, shared by the processes, seen by metrics."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gantool.batches import sizes
from gantool.data.image_set import ImageSet
from gantool.data.module import in_range
from gantool.data.order import Order
from gantool.data.piles import Piles
from gantool.finished import drawn, labels_for
from gantool.gan import GAN
from gantool.layers.synced import alone
from gantool.metrics.metric import Found, Metric, Seen, Shown
from gantool.seeds import mix, reseed
from gantool.shares import WHOLE, Share
from gantool.standing import needs_standing_statistics, standing_statistics
from gantool.tasks.task import Batch, moved

MOST = {True: 16, False: 500}  # images of a pass at most: where images come in, and where latents do


@final
@dataclass(frozen=True)
class Subject:
    """A generator to be measured, and what it is measured on.

    Attributes:
        gan: its own generator stays as it is.
        config: of its training.
        images: what training never saw for a metric of images `alike`, otherwise what it learnt from.
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
    def generator(self, alike: bool) -> nn.Module:
        """A copy of the generator for this process alone, in evaluation mode, with standing statistics."""
        if self.standing not in (True, False, "auto"):
            raise ValueError(f"standing={self.standing}: give true, false or auto.")
        G = alone(copy.deepcopy(self.gan.generator))
        if self.stands:
            some = range(self.together)
            example = self.originals(some[: len(self.images)]) if alike else {"label": self.labels(some)}
            with self.chance("standing"):
                standing_statistics(G, self.gan.task, example)
        return G.eval()

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
        norm = f", {kind} statistics of batch norm" if norms else ""
        return f"fakes of {whose}{norm}, seed {self.seed}{latents}{labels}"

    def labels(self, numbers: range) -> Tensor:
        """Of the fakes of these numbers, each class as often as in the data: (N,)."""
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
    def compared(self, G: nn.Module, numbers: range) -> Shown:
        """What G makes of these images beside what it should be."""
        with self.chance("compared", numbers.start):
            batch = moved(self.gan.task.draw(self.originals(numbers)), G)
            return {**self.gan.task.compared(G, batch)}

    @torch.no_grad()
    def generated(self, G: nn.Module, numbers: range) -> Shown:
        """The fakes of these numbers, of the latents that `gantool sample` draws for them."""
        batch = moved(drawn(self.gan.task, numbers, self.labels(numbers), self.seed), G)
        with self.chance("generated", numbers.start):
            return {"": (self.gan.task.generate(G, batch)["fake"].cpu(),)}

    @contextmanager
    def chance(self, *purpose: int | str) -> Iterator[None]:
        """Random numbers of this moment and purpose; training goes on with its own."""
        device = self.gan.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            reseed(device, self.seed, *purpose)
            yield


@final
@dataclass(frozen=True)
class Request:
    """A metric that is ready, and the samples that it is asked to look at."""

    metric: Metric
    count: int


def measure(requests: Sequence[Request], subject: Subject, share: Share = WHOLE) -> list[Found]:
    """What each metric finds; all are `alike`, or none. The same in any number of processes.

    Every sample is made once and looked at once for all metrics of the same glance. Each process takes its
    share of the passes, and all learn what all have seen.
    """
    alike = requests[0].metric.alike
    G = subject.generator(alike)
    make = subject.compared if alike else subject.generated
    glances = [it.metric.glance or f"{place}" for place, it in enumerate(requests)]
    most = max(it.count for it in requests)
    mine: dict[int, dict[str, Seen]] = {}
    for begin in share.of(list(range(0, most, subject.together))):
        shown = make(G, range(begin, min(begin + subject.together, most)))
        mine[begin] = {}
        for glance, it in zip(glances, requests, strict=True):
            if begin < it.count and glance not in mine[begin]:
                mine[begin][glance] = it.metric.look(shown)
    everyone = sorted(gathered(mine, share).items())
    seen = {glance: joined([looks[glance] for _, looks in everyone if glance in looks]) for glance in glances}
    return [
        it.metric.judge(first(seen[glance], it.count)) for glance, it in zip(glances, requests, strict=True)
    ]


def gathered(mine: dict[int, dict[str, Seen]], share: Share) -> dict[int, dict[str, Seen]]:
    """What each process has seen, by the first number of a pass."""
    if share.world == 1:
        return mine
    everyone: list[Any] = [None] * share.world
    distributed.all_gather_object(everyone, mine)
    return {begin: looks for theirs in everyone for begin, looks in theirs.items()}


def joined(passes: Sequence[Seen]) -> Seen:
    """All samples, in the order of the passes."""
    names = dict.fromkeys(name for seen in passes for name in seen)
    return {name: torch.cat([seen[name] for seen in passes if name in seen]) for name in names}


def first(seen: Seen, count: int) -> Seen:
    """No more samples than asked for: a pass may have been made for another metric."""
    return {name: value[:count] for name, value in seen.items()}


def together(config: DictConfig, alike: bool) -> int:
    """Images of a pass that have room where training had: it keeps more of each image."""
    return min(MOST[alike], config.micro_batch or MOST[alike], sizes(config, "batch_size")[-1])
