"""A look at copies of both players: variety of the fakes, what D knows by heart, units that never fire."""

import copy
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from gantool.data.image_set import ImageSet
from gantool.data.module import in_range
from gantool.data.order import Order
from gantool.doctor.units import Units
from gantool.doctor.variety import NEAR, coverage, distances, memorised, relative, repeated, small
from gantool.gan import GAN
from gantool.layers.synced import alone
from gantool.seeds import mix, reseed
from gantool.tasks.task import Batch, Task, moved

COUNT = 64  # images of an examination: costs little, and pairs enough for a mean
KEPT = 4 * COUNT  # images that examinations take their turns with
FEWEST = 16  # held-out images that say anything


@final
@dataclass(frozen=True)
class Played:
    """What is kept of a duel, on the CPU.

    Attributes:
        real, fake: (N, D), as small pictures.
        real_logits, fake_logits: flat; empty where D does not play.
    """

    real: Tensor
    fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor


@final
class Examination:
    """Plays some duels as training does, with copies that are thrown away and random numbers of its own.

    Args:
        training: some images of the training set, as files have them.
        held_out: some that training never sees; None = there are none.
        together: images of a pass.
        seed: of what is random about it.
    """

    def __init__(self, training: Batch, held_out: Batch | None, together: int, seed: int):
        self.training = training
        self.held_out = held_out if held_out is not None and fewest(held_out) >= FEWEST else None
        self.together = together
        self.seed = seed
        self.means: list[Tensor] = []  # of the last examination's fakes, (D,) for each duel

    @torch.no_grad()
    def __call__(self, gan: GAN, number: int) -> dict[str, float]:
        """What the `number`-th finds, by name."""
        device = gan.device
        task = copy.deepcopy(gan.task)
        alone(task)  # the other processes do not take part
        units = {"G": Units(task.G), "D": Units(task.D)}
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            seen = self.played(task, gan, self.training, "seen", number)
            held_out = self.held_out
            unseen = [] if held_out is None else self.played(task, gan, held_out, "unseen", number)
        found = self.variety(seen)
        found |= {f"{player}_dead": it.dead for player, it in units.items() if it.known}
        ratios = [
            memorised(one.real_logits, other.real_logits, torch.cat([one.fake_logits, other.fake_logits]))
            for one, other in zip(seen, unseen, strict=False)
            if len(one.real_logits)
        ]
        known = [ratio for ratio in ratios if ratio is not None]
        return found | ({"memorised": max(known)} if known else {})

    def played(self, task: Task, gan: GAN, images: Batch, kind: str, number: int) -> list[Played]:
        """Every duel, over this examination's images, in passes of equal size."""
        each = min(self.together, fewest(images))
        passes: list[list[Played]] = []
        for begin in range(0, max(1, min(COUNT, fewest(images)) // each) * each, each):
            drawn = self.drawn(task, images, kind, torch.arange(begin, begin + each) + number * COUNT)
            passes.append([])
            for duel in task.duels({name: gan.in_format(value) for name, value in drawn.items()}):
                logits = torch.empty(0), torch.empty(0)
                if gan.objective.plays("D", gan.images):
                    logits = duel.real_logits.flatten().cpu(), duel.fake_logits.flatten().cpu()
                passes[-1].append(Played(small(duel.real), small(duel.fake), *logits))
        return [joined(list(parts)) for parts in zip(*passes, strict=True)]

    def drawn(self, task: Task, images: Batch, kind: str, places: Tensor) -> Batch:
        """What a pass needs, each sample with a seed of its own: the size of the pass changes nothing of it.

        So several processes, whose passes are smaller, find the same as one. What layers draw by themselves,
        as dropout does, is other noise of the same kind.
        """
        chosen = {name: value[places % len(value)] for name, value in images.items()}
        batch = moved(in_range(chosen, torch.get_default_dtype()), task.G)
        device = next(task.parameters()).device
        singles: list[Batch] = []
        for i, place in enumerate(places.tolist()):
            reseed(device, self.seed, "doctor", kind, place)
            singles.append(task.draw({name: value[i : i + 1] for name, value in batch.items()}))
        return {name: torch.cat([one[name] for one in singles]) for name in singles[0]}

    def variety(self, seen: list[Played]) -> dict[str, float]:
        """Of the fakes beside the reals; of the duel that fares worst."""
        before, self.means = self.means, [duel.fake.mean(0) for duel in seen]
        found: list[dict[str, float]] = []
        swings: list[float] = []
        for place, duel in enumerate(seen):
            apart, pairs = distances(duel.real), distances(duel.fake)
            unit = apart.mean().item()
            found.append(
                {
                    "diversity": relative(pairs.mean().item(), unit),
                    "coverage": coverage(duel.real, duel.fake),
                    "repeated": repeated(pairs, NEAR * unit),
                    "real_repeated": repeated(apart, NEAR * unit),
                }
            )
            if place < len(before):
                swings.append(relative((self.means[place] - before[place]).norm().item(), unit))
        worst = min(found, key=lambda numbers: numbers["diversity"])
        return worst | ({"swing": max(swings)} if swings else {})


def joined(parts: list[Played]) -> Played:
    """The passes of one duel."""
    names = ("real", "fake", "real_logits", "fake_logits")
    return Played(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def fewest(images: Batch) -> int:
    """Of the entries: piles may differ in size."""
    return min(len(value) for value in images.values())


def some(images: ImageSet, seed: int) -> Batch:
    """At most KEPT images of a set, chosen by chance, which lie close together where reading is slow."""
    stretches = images.stretches and replace(images.stretches, soon=None)
    order = Order(len(images), mix(seed, "doctor"), stretches)
    return images[order(0, min(KEPT, len(images)))]


def passes_of(batch: int, pack: int) -> int:
    """Images of a pass: as many as divide a training's batch, at most COUNT, in whole packs."""
    fitting = [size for size in range(min(COUNT, batch), 7, -1) if batch % size == 0 and size % pack == 0]
    return fitting[0] if fitting else max(pack, min(COUNT, batch) // pack * pack)
