"""From a generator to its numbers: passes through G, shared by the processes, seen by a metric."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import distributed, nn

from gantool.batches import sizes
from gantool.data.image_set import ImageSet
from gantool.data.module import in_range, to_range
from gantool.data.order import Order
from gantool.data.piles import Piles
from gantool.finished import drawn, labels_for
from gantool.gan import GAN
from gantool.layers.synced import alone
from gantool.metrics.metric import Found, Metric, Seen
from gantool.seeds import mix, reseed
from gantool.shares import WHOLE, Share
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
        images: what training never saw for a metric of images `alike`, otherwise what it learnt from.
        seed: of latents and noise, which do not depend on where training stands.
        together: images of a pass.
        standing: as `standing` of `gantool evaluate`.
    """

    gan: GAN
    config: DictConfig
    images: ImageSet
    seed: int
    together: int
    standing: bool | str = "auto"

    @torch.no_grad()
    def generator(self, alike: bool) -> nn.Module:
        """A copy of the generator for this process alone, in evaluation mode, with standing statistics."""
        if self.standing not in (True, False, "auto"):
            raise ValueError(f"standing={self.standing}: give true, false or auto.")
        G = alone(copy.deepcopy(self.gan.generator))
        if needs_standing_statistics(self.gan) if self.standing == "auto" else self.standing:
            example = self.originals(range(min(self.together, len(self.images)))) if alike else self.labels()
            with self.chance("standing"):
                standing_statistics(G, self.gan.task, example)
        return G.eval()

    def labels(self) -> Batch:
        return {"label": labels_for(None, range(self.together), self.config)}

    def originals(self, numbers: range) -> Batch:
        """The images of these numbers; those of a smaller pile end earlier."""
        batch = in_range(self.images[numbers], torch.get_default_dtype())
        if isinstance(self.images, Piles):
            ends = {"a": len(self.images.a), "b": len(self.images.b)}
            batch = {name: value[: max(0, ends[name] - numbers.start)] for name, value in batch.items()}
        return {name: self.gan.in_format(value) for name, value in batch.items() if len(value)}

    @cached_property
    def order(self) -> Order:
        """Of the reals, for a metric that wants some."""
        return Order(len(self.images), mix(self.seed, "evaluate"))

    @torch.no_grad()
    def compared(self, G: nn.Module, numbers: range) -> Pairs:
        """What G makes of these images beside what it should be."""
        with self.chance("compared", numbers.start):
            batch = moved(self.gan.task.draw(self.originals(numbers)), G)
            return self.gan.task.compared(G, batch)

    @torch.no_grad()
    def generated(self, G: nn.Module, numbers: range) -> Pairs:
        """The fakes of these numbers, as `gantool sample` makes them, and as many reals."""
        labels = labels_for(None, numbers, self.config)
        batch = moved(drawn(self.gan.task, numbers, labels, self.seed), G)
        fake = self.gan.task.generate(G, batch)["fake"].cpu()
        real = self.images[self.order(numbers.start, len(numbers))]["image"]
        return {"": (fake, to_range(real, fake.dtype))}

    @contextmanager
    def chance(self, *purpose: int | str) -> Iterator[None]:
        """Random numbers of this moment and purpose; training goes on with its own."""
        device = self.gan.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            reseed(device, self.seed, *purpose)
            yield


def measure(metric: Metric, subject: Subject, count: int, share: Share = WHOLE) -> Found:
    """What `metric` finds in `count` samples; the same in any number of processes.

    Each process takes its share of the passes, and all learn what all have seen.
    """
    G = subject.generator(metric.alike)
    make: Callable[[nn.Module, range], Pairs] = subject.compared if metric.alike else subject.generated
    begins = list(range(0, count, subject.together))
    mine = {
        begin: metric.look(make(G, range(begin, min(begin + subject.together, count))))
        for begin in share.of(begins)
    }
    return metric.judge(joined(gathered(mine, share)))


def gathered(mine: dict[int, Seen], share: Share) -> dict[int, Seen]:
    """What each process has seen, by the first number of a pass."""
    if share.world == 1:
        return mine
    everyone: list[Any] = [None] * share.world
    distributed.all_gather_object(everyone, mine)
    return {begin: seen for theirs in everyone for begin, seen in theirs.items()}


def joined(passes: dict[int, Seen]) -> Seen:
    """All samples, in the order of their numbers."""
    names = dict.fromkeys(name for _, seen in sorted(passes.items()) for name in seen)
    return {
        name: torch.cat([seen[name] for _, seen in sorted(passes.items()) if name in seen]) for name in names
    }


def together(config: DictConfig, alike: bool) -> int:
    """Images of a pass that have room where training had: it keeps more of each image."""
    return min(MOST[alike], config.micro_batch or MOST[alike], sizes(config, "batch_size")[-1])
