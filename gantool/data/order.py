"""In which order the images of a set are shown: an endless walk that depends on the seed alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from gantool.seeds import mix


@final
@dataclass(frozen=True)
class Stretches:
    """Consecutive images that lie together, such as those of one shard, and are best shown together.

    Args:
        bounds: (S + 1,), stretch s holds the positions from bounds[s] to bounds[s + 1].
        mixed: stretches whose images are shuffled with each other.
        soon: told, whenever the walk enters a group, the stretches of this group and of the next; answers at
            once.
    """

    bounds: np.ndarray
    mixed: int
    soon: Callable[[Sequence[int]], None] | None = None


@final
class Order:
    """Positions 0, 1, 2, … of an endless walk through `count` images, each epoch in an order of its own.

    Each epoch shuffles the stretches, takes them in groups of `mixed`, and shuffles the images of each group;
    a set without stretches is one group. Everything in epoch e depends on (seed, e) alone: any part of the
    walk can be had at once, without what came before. No image is left out or shown twice within an epoch,
    whatever the batch size. Memory: 8 bytes for each image of a group.
    """

    def __init__(self, count: int, seed: int, stretches: Stretches | None = None):
        self.count = count
        self.seed = seed
        self.stretches = stretches or Stretches(np.array([0, count]), mixed=1)
        self.groups = -(-(len(self.stretches.bounds) - 1) // self.stretches.mixed)
        self.epoch, self.group = -1, -1
        self.turns = np.empty(0, np.int64)  # (S,), the stretches as this epoch shuffles them
        self.ends = np.empty(0, np.int64)  # (groups,), where each group ends in this epoch
        self.permutation = torch.empty(0, dtype=torch.long)  # the images of this group

    def __call__(self, start: int, length: int) -> list[int]:
        indices: list[int] = []
        while length > 0:
            epoch, place = divmod(start, self.count)
            self._enter(epoch, place)
            left = int(self.ends[self.group]) - place  # images of this group
            begin = len(self.permutation) - left
            part = self.permutation[begin : begin + length].tolist()
            indices += part
            start, length = start + len(part), length - len(part)
        return indices

    def _enter(self, epoch: int, place: int) -> None:
        """Have the permutation of the group in which this place of this epoch lies."""
        if epoch != self.epoch:
            self.epoch, self.group = epoch, -1
            self.turns = self._turns(epoch)
            sizes = np.diff(self.stretches.bounds)[self.turns]
            last = np.minimum(np.arange(1, self.groups + 1) * self.stretches.mixed, len(sizes)) - 1
            self.ends = np.cumsum(sizes)[last]

        group = int(np.searchsorted(self.ends, place, side="right"))
        if group == self.group:
            return
        self.group = group
        members = self._members(self.turns, group)
        bounds = self.stretches.bounds
        images = torch.cat([torch.arange(int(bounds[s]), int(bounds[s + 1])) for s in members])
        self.permutation = images[self._shuffled(len(images), f"order{group or ''}", epoch)]
        if self.stretches.soon is not None:
            self.stretches.soon([*members, *self._next(epoch, group)])

    def _next(self, epoch: int, group: int) -> list[int]:
        """The stretches of the group after this one."""
        if group + 1 < self.groups:
            return self._members(self.turns, group + 1)
        return self._members(self._turns(epoch + 1), 0)

    def _members(self, turns: np.ndarray, group: int) -> list[int]:
        return turns[group * self.stretches.mixed : (group + 1) * self.stretches.mixed].tolist()

    def _turns(self, epoch: int) -> np.ndarray:
        return self._shuffled(len(self.stretches.bounds) - 1, "stretches", epoch).numpy()

    def _shuffled(self, count: int, what: str, epoch: int) -> Tensor:
        return torch.randperm(count, generator=torch.Generator().manual_seed(mix(self.seed, what, epoch)))
