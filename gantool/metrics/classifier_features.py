"""Features of a classifier that is learnt from the very data set: numbers without anybody's weights."""

from collections.abc import Callable
from pathlib import Path
from typing import final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.cache import cache_folder
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.layers.resolution import height_and_width
from gantool.metrics.classifier import FEATURES, LARGEST, Learnt, learnt, parted
from gantool.metrics.extractor import Extractor
from gantool.metrics.metric import Seen


@final
class ClassifierFeatures(Extractor):
    """The last layer but one of a `Classifier`, after its ReLU, in units of its deviation over the data.

    Numbers can be compared where the classifier is the same, by the letters of its weights, and never with
    those of other features.

    Args:
        learn: images that it learns from, in all.
        cache: folder that keeps it; None = ~/.cache/gantool.
    """

    name = "classifier"
    together = 500

    def __init__(self, learn: int = 150_000, cache: str | None = None):
        if learn < 1:
            raise ValueError(f"features.learn={learn}: give a number of images to learn from, 1 or more.")
        self.learn = learn
        self.cache = cache_folder() if cache is None else Path(cache).expanduser()
        self.learnt: Learnt | None = None
        self.device = torch.device("cpu")
        self.size = ""

    def check(self, metric: str, data: DictConfig) -> None:
        if (data.classes or 0) < 2:
            raise ValueError(
                f"metrics={metric} learns a classifier of the labels of the data, but there are "
                f"{data.classes or 'no'} classes; use metrics=fid50k, whose classifier has been learnt."
            )

    def prepare(
        self, metric: str, images: ImageSet, device: torch.device, tell: Callable[[str], None]
    ) -> None:
        if len(images) < 2:
            raise ValueError(f"metrics={metric}: {len(images)} image is too few to learn a classifier from.")
        self.device = device
        self.learnt = learnt(*parted(images), self.cache, self.learn, device, tell)
        height, width = height_and_width(images.shape[1:])
        self.size = "" if max(height, width) <= LARGEST else f", seen at {LARGEST} pixels"

    def __call__(self, images: Tensor) -> Seen:
        assert self.learnt is not None
        classifier = self.learnt.classifier
        seen = classifier.seen(to_range(images, torch.float32).to(self.device))
        return {"features": seen / classifier.unit, "logits": classifier.logits(seen)}

    @property
    def identity(self) -> str:
        assert self.learnt is not None
        return f"classifier-{self.learnt.digest}"

    @property
    def protocol(self) -> str:
        assert self.learnt is not None
        return (
            f"{FEATURES} features of a classifier of our own, learnt from this data set{self.size}, right "
            f"on {self.learnt.accuracy:.1%} of {self.learnt.tested:,} images that it did not learn from, "
            f"weights {self.learnt.digest}; not comparable with FID"
        )
