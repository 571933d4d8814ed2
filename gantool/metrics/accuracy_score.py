"""What a classifier learns from fakes alone: Ravuri & Vinyals (2019), arXiv:1905.10887."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.cache import cache_folder
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.module import to_range
from gantool.metrics.classifier import LARGEST, TOGETHER, Classifier, Part, learn, learnt
from gantool.metrics.distribution import as_bytes, chosen_of
from gantool.metrics.extractor import eight_bit, shrunk
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Fakes, Shown
from gantool.tasks.generation import Generation
from gantool.tasks.pyramid import Pyramid
from gantool.tasks.task import Task
from gantool.tasks.text import Text

MANY = 20  # classes, from which five guesses say something
log = logging.getLogger(__name__)


@final
class AccuracyScore(Metric):
    """Accuracy on real test images of a classifier that has seen only labelled fakes.

    Beside it stands the accuracy of the same classifier, of equal beginnings and equally long at school, that
    has learnt from as many real images: what lies between is what the generator has lost, variety within
    classes above all. Top-5, too, of 20 classes or more.

    Differs from the paper: the classifier is the small one of `gantool.metrics.classifier`, not a ResNet-50
    (of ImageNet) or a ResNet-56 (of CIFAR-10), so numbers compare only among themselves, and are not called
    CAS. With any classifier the measure is also known as GAN-train: Shmelkov, Schmid & Alahari
    (2018), arXiv:1807.09499.

    Args:
        name: of the metric, and of its column.
        count: fakes, of labels as frequent as in the data; None = as many as training images: the paper.
        learn: images shown to each classifier, each of its set as often as need be.
        cache: folder that keeps the classifier of reals; None = ~/.cache/gantool.
    """

    sight = Fakes()

    def __init__(self, name: str, count: int | None = None, learn: int = 150_000, cache: str | None = None):
        for key, value in (("count", count), ("learn", learn)):
            if value is not None and value < 1:
                raise ValueError(f"metrics.{name}.{key}={value}: give a number of images, 1 or more.")
        self.name, self.count, self.learn = name, count, learn
        self.cache = cache_folder() if cache is None else Path(cache).expanduser()
        self.device = torch.device("cpu")
        self.names: tuple[str, ...] = ()
        self.test = Small(InMemory(np.zeros((0, 1, 1, 1), np.uint8)))
        self.asked = 0
        self.real: Tensor = torch.empty(0)  # (K',) accuracies of what learnt from reals

    def check(self, task: Task, data: DictConfig) -> None:
        if not (isinstance(task, Generation | Pyramid) and task.conditional) or isinstance(task, Text):
            raise ValueError(
                f"metrics={self.name} learns from labelled fakes, but this model is not told classes: choose "
                "one that is, such as model=cgan, or another metric."
            )
        if data.set.get("split") != "train":
            raise ValueError(
                f"metrics={self.name} tests on real images of a test split, of which training saw none: use "
                "data=mnist, fashion_mnist or cifar10 with data.split=train."
            )

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        self.device, self.names = device, images.names
        self.asked = count or self.count or len(images)
        self.test = Small(instantiate(data.set, split="test"))
        chosen = np.array(chosen_of(images, min(self.asked, len(images))))
        reals = Part(Small(images), chosen)
        classifier = learnt(reals, self.test, self.cache, self.learn, device, tell).classifier
        self.real = accuracies(ranks(classifier, self.test, device))
        return self.asked

    def columns(self, task: Task) -> dict[str, Direction]:
        top5: dict[str, Direction] = {f"{self.name}_top5": "maximize"} if len(self.names) >= MANY else {}
        return {self.name: "maximize", **top5}

    @property
    def glance(self) -> None:
        return None

    def look(self, shown: Shown) -> Seen:
        """Images of 8 bits, no larger than the classifier sees them, their labels, and what is not finite."""
        [fake] = shown.images[""]
        assert shown.labels is not None
        broken = ~fake.flatten(1).isfinite().all(1).cpu()  # (N,)
        return {"image": small(eight_bit(fake.nan_to_num())), "label": shown.labels.cpu(), "broken": broken}

    def judge(self, seen: Seen) -> Found:
        if seen["broken"].any():
            log.warning("%s is undefined: the generator makes images that are not finite", self.name)
            return Found({}, {self.name: None}, [(self.name, "undefined")])
        fakes = InMemory(seen["image"].numpy(), seen["label"].numpy(), self.names)
        found = ranks(self.taught(fakes), self.test, self.device)  # (T,)
        tops = [self.name, f"{self.name}_top5"][: 1 + (len(self.names) >= MANY)]
        fake, real = (dict(zip(tops, it.tolist(), strict=False)) for it in (accuracies(found), self.real))
        assert self.test.labels is not None
        of_class = {
            name: float((found[self.test.labels == label] == 0).double().mean())
            for label, name in enumerate(self.names)
        }
        record: dict[str, Any] = {
            **fake,
            **{f"real_{name}": value for name, value in real.items()},
            "gap": real[self.name] - fake[self.name],
            "of_class": of_class,
            "fakes": len(fakes),
            "test_images": len(self.test),
        }
        rows = [
            (name, f"{value:.2%} (learnt from as many real images {real[name]:.2%})")
            for name, value in fake.items()
        ]
        worst = min(of_class, key=lambda name: of_class[name])
        return Found(fake, record, [*rows, ("Worst class", f"{worst}: {of_class[worst]:.1%}")])

    def taught(self, fakes: ImageSet) -> Classifier:
        """A classifier of these images alone; it begins as the one of the reals began."""
        cuda = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda), torch.enable_grad():
            torch.manual_seed(0)
            classifier = Classifier(fakes.shape[0], len(self.names)).to(self.device)
            learn(classifier, fakes, self.learn, self.device)
        return classifier.eval()

    @property
    def protocol(self) -> str:
        usual = (
            ""
            if self.count is None or self.asked == self.count
            else f" (NOT the {self.count:,} of {self.name})"
        )
        return (
            f"accuracy on {len(self.test):,} real test images of a small classifier of our own that learnt "
            f"from {self.asked:,} fakes{usual} alone, {self.learn:,} images shown; not comparable with "
            "CAS (arXiv:1905.10887), which has a ResNet"
        )


@final
class Small(ImageSet):
    """A set as the classifier sees it: uint8, larger images shrunk; so that reals are like fakes.

    Args:
        images: the set.
    """

    def __init__(self, images: ImageSet):
        self.images, self.names, self.labels = images, images.names, images.labels
        height, width = small(torch.zeros(1, *images.shape, dtype=torch.uint8)).shape[2:]
        self.shape = images.shape[0], height, width

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Any) -> dict[str, Tensor]:
        batch = self.images[indices]
        return {**batch, "image": small(as_bytes(batch["image"]))}


def small(images: Tensor) -> Tensor:
    """uint8 (N, C, H, W), with no side longer than LARGEST."""
    if max(images.shape[2:]) <= LARGEST:
        return images
    return eight_bit(shrunk(to_range(images, torch.float32), LARGEST))


@torch.no_grad()
def ranks(classifier: Classifier, test: ImageSet, device: torch.device) -> Tensor:
    """How many other classes are held to be as likely as the true one or likelier, of each image: (T,)."""
    found: list[Tensor] = []
    for start in range(0, len(test), TOGETHER):
        batch = test[range(start, min(start + TOGETHER, len(test)))]
        logits = classifier(to_range(batch["image"], torch.float32).to(device)).cpu()  # (T', K)
        true = logits.gather(1, batch["label"].long()[:, None])  # (T', 1)
        found.append((~(logits < true)).sum(1) - 1)  # so that NaN is wrong, too
    return torch.cat(found)


def accuracies(ranks: Tensor) -> Tensor:
    """Top-1 and top-5 of ranks (T,): (2,)."""
    return torch.stack([(ranks < top).double().mean() for top in (1, 5)])
