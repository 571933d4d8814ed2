"""What a set of images is: something indexed by whole batches."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from gantool.data.order import Stretches

Batch = dict[str, Tensor]


class ImageSet(ABC):
    """Images of one shape, with or without class labels.

    A set is indexed by a list of positions and answers a whole batch: `image` of (N, C, H, W), uint8
    (or uint16 for 16-bit files), and, where there are labels, `label` of (N,), int64.
    """

    shape: tuple[int, int, int]  # (C, H, W)
    names: tuple[str, ...]  # of the classes, in the order of their labels; () = no labels
    labels: Tensor | None  # (N,), of any integer type
    streamed: bool = False  # decodes files whenever it is indexed, so that worker processes pay off
    stretches: Stretches | None = None  # positions that are best shown together; None = all

    @property
    def classes(self) -> int:
        return len(self.names)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, indices: Sequence[int]) -> Batch: ...


@final
class InMemory(ImageSet):
    """Images held as one array: for sets that fit, many times faster than files and workers.

    Args:
        images: (N, C, H, W), uint8 or uint16.
        labels: (N,) class indices, or None.
        names: one name per class; () without labels.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray | None = None, names: Sequence[str] = ()):
        if images.ndim != 4 or images.dtype not in (np.uint8, np.uint16):
            what = f"{images.shape} of {images.dtype}"
            raise ValueError(f"images must be (N, C, H, W) of uint8 or uint16, not {what}.")
        if (labels is None) != (not names):
            raise ValueError("labels and names of classes belong together: give both or neither.")
        self.images = np.ascontiguousarray(images)
        self.labels = None if labels is None else torch.as_tensor(labels, dtype=torch.long)
        self.names = tuple(names)
        self.shape = images.shape[1], images.shape[2], images.shape[3]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        batch = {"image": torch.from_numpy(self.images[np.asarray(indices)])}
        if self.labels is not None:
            batch["label"] = self.labels[torch.as_tensor(indices)]
        return batch
