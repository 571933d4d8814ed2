"""Plain pixels as features: what needs neither labels nor anybody's weights."""

from collections.abc import Callable
from typing import final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.image_set import ImageSet
from gantool.metrics.extractor import Extractor, shrunk
from gantool.metrics.metric import Seen


@final
class Pixels(Extractor):
    """Pixels of an image that is shrunk where it is larger, so that distances are grey levels of 255.

    The distance of two images is the root mean square difference of their values. It sees where things are,
    not what they are: an image that is moved by two pixels is far from itself.

    Args:
        side: pixels of the longer side, at most; with antialiasing.
    """

    name = "pixels"
    together = 500

    def __init__(self, side: int = 32):
        if side < 1:
            raise ValueError(f"features.side={side}: give a number of pixels, 1 or more.")
        self.side = side

    def check(self, metric: str, data: DictConfig) -> None: ...

    def prepare(
        self, metric: str, images: ImageSet, device: torch.device, tell: Callable[[str], None]
    ) -> None: ...

    def __call__(self, images: Tensor) -> Seen:
        values = shrunk(images.float(), self.side).flatten(1)  # (N, F)
        return {"features": values / values.shape[1] ** 0.5}

    @property
    def identity(self) -> str:
        return f"pixels-{self.side}"

    @property
    def protocol(self) -> str:
        return f"pixels of images of at most {self.side} pixels a side, distances in grey levels of 255"
