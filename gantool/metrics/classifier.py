"""A small classifier of a labelled set of images: learnt in about a minute, then asked what they show."""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from gantool.data.held_out import part
from gantool.data.image_set import Batch, ImageSet
from gantool.data.lock import locked
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.metrics.content import content
from gantool.metrics.extractor import shrunk

FEATURES = 64
LARGEST = 32  # pixels of the longer side that it sees
BATCH = 128
RATE = 4e-3  # largest learning rate
SHIFT = 2  # pixels that images are moved by in training, at most
TOGETHER = 500  # images looked at together
TO_SCALE = 10_000  # images that tell the scale of the features
HELD_OUT = 10  # one image of so many is kept from training, to tell how good it is
MOST_HELD_OUT = 10_000
VERSION = 2  # of network and training: a change that changes answers makes it another


@final
class Classifier(nn.Module):
    """Three 3x3 convolutions with batch norm and maxima, and two linear layers.

    Args:
        channels: of the images.
        classes: of their labels.
    """

    def __init__(self, channels: int, classes: int):
        super().__init__()
        widths = [channels, 16, 32, 64]
        stages: list[nn.Module] = []
        for before, width in zip(widths, widths[1:], strict=False):
            convolution = nn.Conv2d(before, width, 3, padding=1, bias=False)
            stages += [convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        self.stages = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.features = nn.Sequential(nn.Linear(64 * 4 * 4, FEATURES), nn.ReLU())
        self.logits = nn.Sequential(nn.Dropout(0.3), nn.Linear(FEATURES, classes))
        self.register_buffer("unit", torch.ones(()))
        self.unit: Tensor

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(self.seen(images))  # (N, C, H, W) in [-1, 1] -> (N, K)

    def seen(self, images: Tensor) -> Tensor:
        """Features (N, FEATURES); divided by `unit` they vary by 1 from image to image, on the mean."""
        return self.features(self.stages(shrunk(images, LARGEST)))


class Learnt(NamedTuple):
    """A classifier, ready to be asked."""

    classifier: Classifier
    accuracy: float  # on images that it did not learn from
    tested: int  # how many those are
    digest: str  # of its weights


@final
class Part(ImageSet):
    """Some images of a set.

    Args:
        images: the set.
        positions: (M,), of those.
    """

    def __init__(self, images: ImageSet, positions: np.ndarray):
        self.images, self.positions = images, positions
        self.shape, self.names = images.shape, images.names
        self.labels = None if images.labels is None else images.labels[torch.from_numpy(positions)]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return self.images[self.positions[np.asarray(indices)].tolist()]


@lru_cache(maxsize=4)  # the parts of a set are read once to know their content
def parted(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """What to learn from, and what to test on."""
    count = min(MOST_HELD_OUT, max(1, len(images) // HELD_OUT))
    train, test = (Part(images, part(len(images), count, held_out)) for held_out in (False, True))
    return train, test


def learnt(
    train: ImageSet,
    test: ImageSet,
    cache: Path,
    images: int,
    device: torch.device,
    tell: Callable[[str], None],
) -> Learnt:
    """The classifier of a labelled set; of the same images, labels and length it is learnt once.

    Args:
        train: to learn from.
        test: others of the same kind.
        cache: folder that keeps what was learnt.
        images: to learn from, in all, each of the set as often as need be.
        device: where it learns and answers.
        tell: takes a sentence before it learns.
    """
    settings = f"{VERSION}-{images}-{content(train)}"
    file = cache / f"classifier-{settings}.pt"
    with locked(cache / ".classifier.lock"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = Classifier(train.shape[0], train.classes).to(device)
        if not file.exists():
            tell(f"Learning a classifier of {train.classes} classes, once; kept in {file}.")
            learn(classifier, train, images, device)
            beside = file.with_suffix(".part")
            torch.save(classifier.state_dict(), beside)
            beside.replace(file)
    weights = torch.load(file, map_location="cpu", weights_only=True)
    classifier.load_state_dict(weights)
    classifier.eval().requires_grad_(False)
    return Learnt(classifier, accuracy(classifier, test, device), len(test), digest_of(weights))


def learn(classifier: Classifier, train: ImageSet, images: int, device: torch.device) -> None:
    """Adam with a rate that rises and falls once: Smith & Topin (2018), arXiv:1708.07120."""
    steps = -(-images // BATCH)
    optimizer = torch.optim.AdamW(classifier.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, max(2, steps))
    order = Order(len(train), seed=0)
    for step in range(steps):
        batch = train[order(step * BATCH, BATCH)]
        seen = shifted(to_range(batch["image"], torch.float32)).to(device)
        optimizer.zero_grad()
        cross_entropy(classifier(seen), batch["label"].long().to(device)).backward()
        optimizer.step()
        schedule.step()
    classifier.unit.copy_(deviation(classifier.eval(), train, device))


@torch.no_grad()
def deviation(classifier: Classifier, images: ImageSet, device: torch.device) -> Tensor:
    """Root mean square distance of a feature of these images from its mean, over images and features."""
    some = Order(len(images), seed=1)(0, min(len(images), TO_SCALE))
    seen = [
        classifier.seen(to_range(images[some[start : start + TOGETHER]]["image"], torch.float32).to(device))
        for start in range(0, len(some), TOGETHER)
    ]
    return torch.cat(seen).var(0, correction=0).mean().sqrt().clamp(min=1e-12)


def shifted(images: Tensor) -> Tensor:
    """All images of a batch moved by the same few pixels; their edges reach as far as need be."""
    down, right = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    height, width = images.shape[2:]
    return pad(images, [SHIFT] * 4, mode="replicate")[:, :, down : down + height, right : right + width]


@torch.no_grad()
def accuracy(classifier: Classifier, test: ImageSet, device: torch.device) -> float:
    right = 0
    for start in range(0, len(test), TOGETHER):
        batch = test[range(start, min(start + TOGETHER, len(test)))]
        guess = classifier(to_range(batch["image"], torch.float32).to(device)).argmax(1).cpu()
        right += int((guess == batch["label"]).sum())
    return right / len(test)


def digest_of(weights: dict[str, Tensor]) -> str:
    """Eight letters that differ where weights do."""
    digest = hashlib.blake2b(digest_size=4)
    for name, value in weights.items():
        digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()
