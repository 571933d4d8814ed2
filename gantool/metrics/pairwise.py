"""What compares two images: how far apart they are, or how alike."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.image_set import ImageSet
from gantool.metrics.classifier_features import ClassifierFeatures
from gantool.metrics.content import digest_of
from gantool.metrics.extractor import rgb
from gantool.metrics.lpips import FILES, LPIPS, SERVER, Network
from gantool.metrics.metric import Direction
from gantool.weights import fetched, pretrained

Tell = Callable[[str], None]


class Pairwise(ABC):
    """A number of each pair of images (N, C, H, W) in [-1, 1]: (N,), in the kind of numbers they have."""

    name: str  # one word, for columns: what makes other numbers has another
    diverse: Direction  # whether pairs differ more where there is more or less of it

    @abstractmethod
    def check(self, metric: str, data: DictConfig, height: int, width: int) -> None:
        """Raise ValueError, in the name of a metric, for images that it cannot compare; reads no files."""

    @abstractmethod
    def prepare(self, metric: str, images: ImageSet, device: torch.device, tell: Tell) -> None:
        """Get ready.

        Args:
            metric: that asks, for errors.
            images: that the generator learnt from.
            device: where to compute.
            tell: takes a sentence about what takes a while.
        """

    @abstractmethod
    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Of a few pairs, on the device."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """What it is, in a few words; once prepared."""


class Distance(Pairwise):
    """0 of equal images, and a squared length of small differences: twice as different is 4 times as far."""

    diverse = "maximize"


@final
class Perceptual(Distance):
    """LPIPS: Zhang et al. (2018), arXiv:1801.03924.

    Args:
        network: the classifier that compares: vgg or alex.
        weights: file of its weights, as torchvision names them; None = torch's cache, or its server.
    """

    def __init__(self, network: Network, weights: str | None = None):
        if network not in FILES:
            raise ValueError(f"network={network}: LPIPS compares by alex or vgg.")
        self.network: Network = network
        self.weights = weights
        self.name = f"lpips_{network}"
        self.lpips: LPIPS | None = None
        self.device = torch.device("cpu")
        self.digest = ""

    def check(self, metric: str, data: DictConfig, height: int, width: int) -> None:
        side, least = min(height, width), LPIPS.least[self.network]
        if side < least:
            other = f"give metrics.{metric}.measure.network=vgg, which needs {LPIPS.least['vgg']}"
            cure = other if side >= LPIPS.least["vgg"] else "use metrics=path_length_classifier or ms_ssim"
            raise ValueError(
                f"metrics={metric}: LPIPS by {self.network} needs images of {least} pixels or more, not of "
                f"{height}x{width}; {cure}."
            )

    def prepare(self, metric: str, images: ImageSet, device: torch.device, tell: Tell) -> None:
        url, key = f"{SERVER}/{FILES[self.network]}", f"metrics.{metric}.measure.weights=PATH"
        pretrained(url, key, self.weights)  # which refuses what is no plain table of tensors
        path = fetched(url, key) if self.weights is None else Path(self.weights)
        try:
            self.lpips, self.device = LPIPS(self.network, str(path)).to(device), device
        except ValueError as error:
            raise ValueError(
                f"{path} holds no weights of torchvision's {self.network}; give {key}."
            ) from error
        self.digest = digest_of(path)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        assert self.lpips is not None
        self.lpips.to(x.dtype)
        return self.lpips(rgb(x).to(self.device), rgb(y).to(self.device))

    @property
    def protocol(self) -> str:
        published = f"-{self.digest}." in FILES[self.network]
        which = "" if published else ", NOT the published ones: compare with nothing published"
        return f"LPIPS 0.1 by {self.network}, weights {self.digest}{which}"


@final
class OfFeatures(Distance):
    """Mean squared difference of the features of a classifier learnt from the data set, in their own units.

    Two images that have nothing in common are 2 apart, on the mean: a feature varies by 1 over the data.

    Args:
        learn: images that it learns from, in all.
        cache: folder that keeps it; None = ~/.cache/gantool.
    """

    name = "classifier"

    def __init__(self, learn: int = 150_000, cache: str | None = None):
        self.features = ClassifierFeatures(learn, cache)
        self.device = torch.device("cpu")

    def check(self, metric: str, data: DictConfig, height: int, width: int) -> None:
        if (data.classes or 0) < 2:
            raise ValueError(
                f"metrics={metric} learns a classifier of the labels of the data, but there are "
                f"{data.classes or 'no'} classes; use metrics=perceptual_path_length or lpips_diversity."
            )

    def prepare(self, metric: str, images: ImageSet, device: torch.device, tell: Tell) -> None:
        self.features.prepare(metric, images, device, tell)
        assert self.features.learnt is not None
        self.classifier, self.device = copy.deepcopy(self.features.learnt.classifier), device

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        classifier = self.classifier.to(x.dtype)
        one, other = (classifier.seen(images.to(self.device)) for images in (x, y))  # (N, F)
        return ((one - other) / classifier.unit).square().mean(1)

    @property
    def protocol(self) -> str:
        return f"mean squared difference of {self.features.protocol}"
