"""What turns images into features that distances between sets of images are taken in."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.functional import interpolate

from gantool.data.image_set import ImageSet
from gantool.metrics.metric import Seen


class Extractor(ABC):
    """Images (N, C, H, W), uint8, to `features` (N, F) and, where it classifies, `logits` (N, K)."""

    name: str  # one word, for columns
    together: int = 64  # images of a pass

    @abstractmethod
    def check(self, metric: str, data: DictConfig) -> None:
        """Raise ValueError, in the name of a metric, for data that it cannot see; reads no files."""

    @abstractmethod
    def prepare(
        self, metric: str, images: ImageSet, device: torch.device, tell: Callable[[str], None]
    ) -> None:
        """Get the network ready.

        Args:
            metric: that asks, for errors.
            images: that the generator learnt from.
            device: where to compute.
            tell: takes a sentence about what takes a while.
        """

    @abstractmethod
    def __call__(self, images: Tensor) -> Seen:
        """float32, on the device, for a few images on the CPU."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Equal only where all answers are equal; once prepared."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """What it is, in a few words; once prepared."""


@torch.no_grad()
def extracted(extractor: Extractor, images: Tensor) -> Seen:
    """Of any number of images (N, C, H, W), uint8, on the CPU."""
    parts = [extractor(some) for some in images.split(extractor.together)]
    return {name: torch.cat([part[name].float().cpu() for part in parts]) for name in parts[0]}


def eight_bit(images: Tensor) -> Tensor:
    """(N, C, H, W) in [-1, 1] to what a file keeps of it, uint8, on the CPU."""
    return ((images.detach().float() + 1) * 127.5).round().clamp(0, 255).to("cpu", torch.uint8)


def rgb(images: Tensor) -> Tensor:
    """(N, 3, H, W) of 1 to 4 channels: grey repeated, alpha left out."""
    return images[:, :3] if images.shape[1] >= 3 else images[:, :1].expand(-1, 3, -1, -1)


def shrunk(images: Tensor, side: int) -> Tensor:
    """Larger images (N, C, H, W) to `side` pixels of their longer side, with antialiasing."""
    height, width = images.shape[2:]
    scale = side / max(height, width)
    if scale >= 1:
        return images
    size = [max(1, round(length * scale)) for length in (height, width)]
    return interpolate(images, size, mode="bilinear", antialias=True)
