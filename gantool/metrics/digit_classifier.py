"""A small classifier of MNIST's digits: learnt in a minute or two, kept, and asked what stacks show."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from gantool.data.image_set import InMemory
from gantool.data.lock import locked
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.data.torchvision_sets import mnist

SIDE = 28  # pixels of a digit
BATCH = 128
RATE = 4e-3  # largest learning rate
SHIFT = 2  # pixels that a digit is moved by in training, at most
VERSION = 1  # of network and training: a change that changes answers makes it another


@final
class Classifier(nn.Module):
    """Two convolutions and two linear layers, as LeCun et al. (1998), Proc. IEEE 86, with maxima and ReLU."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 5, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Linear(128, 10),
        )

    def forward(self, digit: Tensor) -> Tensor:
        return self.layers(digit)  # (N, 1, 28, 28) in [-1, 1] -> (N, 10)


def triples(classifier: Classifier, images: Tensor) -> Tensor:
    """The digits that the channels of (N, 3, H, W) in [-1, 1] show, in their middle: (N, 3), int64."""
    top, left = ((side - SIDE) // 2 for side in images.shape[2:])
    digits = images[:, :, top : top + SIDE, left : left + SIDE].reshape(-1, 1, SIDE, SIDE)
    return classifier(digits.float()).argmax(1).view(-1, 3)


def learnt(
    root: str, cache: Path, epochs: int, device: torch.device, tell: Callable[[str], None]
) -> tuple[Classifier, float]:
    """The classifier, ready to be asked, and its accuracy on the 10,000 digits of the test set.

    Args:
        root: of MNIST, as data.root.
        cache: folder that keeps what was learnt, by the digits it was learnt from.
        epochs: of training.
        device: where it learns and answers.
        tell: takes a sentence before it learns.
    """
    train, test = mnist(root, "train"), mnist(root, "test")
    assert train.labels is not None
    digest = hashlib.blake2b(
        train.images.tobytes() + train.labels.numpy().tobytes(), digest_size=8
    ).hexdigest()
    file = cache / f"digit-classifier-{VERSION}-{epochs}-{digest}.pt"
    with locked(cache / ".digit-classifier.lock"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = Classifier().to(device)
        if not file.exists():
            tell(f"Learning to read digits, once, for a minute or two; kept in {file}.")
            learn(classifier, train, epochs, device)
            beside = file.with_suffix(".part")
            torch.save(classifier.state_dict(), beside)
            beside.replace(file)
    classifier.load_state_dict(torch.load(file, map_location=device, weights_only=True))
    classifier.eval().requires_grad_(False)
    return classifier, accuracy(classifier, test, device)


def learn(classifier: Classifier, train: InMemory, epochs: int, device: torch.device) -> None:
    """Adam with a rate that rises and falls once: Smith & Topin (2018), arXiv:1708.07120."""
    optimizer = torch.optim.Adam(classifier.parameters(), RATE)
    steps = epochs * -(-len(train) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps)
    order = Order(len(train), seed=0)
    for step in range(steps):
        batch = train[order(step * BATCH, BATCH)]
        digits = shifted(to_range(batch["image"], torch.float32)).to(device)
        optimizer.zero_grad()
        cross_entropy(classifier(digits), batch["label"].to(device)).backward()
        optimizer.step()
        schedule.step()


def shifted(digits: Tensor) -> Tensor:
    """All digits of a batch moved by the same few pixels."""
    down, right = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    wide = pad(digits, [SHIFT] * 4, value=-1.0)
    return wide[:, :, down : down + SIDE, right : right + SIDE]


@torch.no_grad()
def accuracy(classifier: Classifier, test: InMemory, device: torch.device) -> float:
    right = 0
    for start in range(0, len(test), 1000):
        batch = test[range(start, min(start + 1000, len(test)))]
        guess = classifier(to_range(batch["image"], torch.float32).to(device)).argmax(1).cpu()
        right += int((guess == batch["label"]).sum())
    return right / len(test)
