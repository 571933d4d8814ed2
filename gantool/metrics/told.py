"""Fakes of the captions that the images of a set have, and networks that this set teaches to judge them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from gantool.data.captioned import Captioned
from gantool.data.held_out import part
from gantool.data.image_set import ImageSet
from gantool.data.lock import locked
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.metrics.classifier import BATCH, HELD_OUT, MOST_HELD_OUT, RATE, digest_of, shifted
from gantool.metrics.content import content
from gantool.metrics.sight import Shown, Sight
from gantool.subject import Subject
from gantool.tasks.task import Task
from gantool.tasks.text import Text

VERSION = 2  # of networks and training: a change that changes answers makes it another


@final
@dataclass(frozen=True)
class Told(Sight):
    """Fakes of captions that reals have; `labels` are the places of these reals in the set, (N,)."""

    held_out = False

    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        assert isinstance(subject.images, Captioned)
        places = subject.order(numbers.start, len(numbers))
        fake = subject.generated(G, numbers, subject.images.first(places))
        return Shown({"": (fake,)}, torch.tensor(places))

    def protocol(self, subject: Subject) -> str:
        return subject.protocol


def refuse_untold(name: str, task: Task, data: DictConfig) -> None:
    """Raise ValueError, in the name of a metric, for a model that makes images of no captions."""
    if not isinstance(task, Text):
        raise ValueError(
            f"metrics={name} compares images with the captions that they were made of: use a model that is "
            "told some, such as model=gan_cls, or another metric."
        )


def told(name: str, images: ImageSet) -> Captioned:
    """Raises ValueError, in the name of a metric, for a set without captions."""
    if not isinstance(images, Captioned):
        raise ValueError(f"metrics={name} needs captioned images: data=captions or data=captioned_shapes.")
    return images


def parted(images: Captioned) -> tuple[list[int], list[int]]:
    """Places of the images to learn from, and to test on."""
    count = min(MOST_HELD_OUT, max(1, len(images) // HELD_OUT))
    learnt, tested = (part(len(images), count, held_out).tolist() for held_out in (False, True))
    return learnt, tested


@final
@dataclass(frozen=True)
class Lesson:
    """Some reals, on the device, and a caption of each.

    Attributes:
        images: (N, C, H, W) in [-1, 1].
        captions: (N, T) or (N, E).
        places: of the images in the set.
        numbers: of the captions among all texts.
    """

    images: Tensor
    captions: Tensor
    places: list[int]
    numbers: list[int]


Loss = Callable[[Lesson], Tensor]


@final
@dataclass(frozen=True)
class Taught:
    """A network that has been taught, and the letters of its weights."""

    network: nn.Module
    digest: str


def taught(
    kind: str,
    make: Callable[[], nn.Module],
    loss: Callable[[nn.Module], Loss],
    images: Captioned,
    shown: int,
    cache: Path,
    device: torch.device,
    tell: Callable[[str], None],
) -> Taught:
    """A network taught by a set; of the same images, captions and length once.

    Args:
        kind: what it judges by, for people and the name of its file.
        make: a new one.
        loss: what one is taught by.
        images: the set, of which only what is to be learnt from is shown.
        shown: images shown in all, each as often as need be.
        cache: folder that keeps it.
        device: where it learns and answers.
        tell: takes a sentence before it learns.
    """
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / f"{kind}-{VERSION}-{shown}-{content(images)}-{sayings(images)}.pt"
    with locked(cache / f".{kind}.lock"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make().to(device)
        if not file.exists():
            tell(f"Learning {kind} from this data set, once; kept in {file}.")
            with torch.enable_grad():
                teach(network, loss(network), images, shown, device)
            beside = file.with_suffix(".part")
            torch.save(network.state_dict(), beside)
            beside.replace(file)
    weights = torch.load(file, map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return Taught(network.eval().requires_grad_(False), digest_of(weights))


def sayings(images: Captioned) -> str:
    """8 letters that depend on all captions, on whose they are, and on how they are read."""
    said = repr((images.texts, images.numbers.tolist(), images.bounds.tolist(), images.reader.facts))
    return hashlib.blake2b(said.encode(errors="surrogateescape"), digest_size=4).hexdigest()


def teach(network: nn.Module, loss: Loss, images: Captioned, shown: int, device: torch.device) -> None:
    """Adam with a rate that rises and falls once: Smith & Topin (2018), arXiv:1708.07120."""
    steps = -(-shown // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, max(2, steps))
    places, count = np.array(parted(images)[0]), len(images)
    order = Order(len(places), seed=0)
    for step in range(steps):
        some = places[order(step * BATCH, BATCH)].tolist()
        batch = images[[place + count * (1 + step) for place in some]]  # another caption each time
        numbers = [images.chosen(place, 1 + step)[0] for place in some]
        seen = shifted(to_range(batch["image"], torch.float32)).to(device)
        optimizer.zero_grad()
        loss(Lesson(seen, batch["caption"].to(device), some, numbers)).backward()
        optimizer.step()
        schedule.step()
