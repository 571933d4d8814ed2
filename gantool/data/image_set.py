"""What a set of images is: something indexed by whole batches."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from gantool.data.order import Order, Stretches
from gantool.seeds import mix

Batch = dict[str, Tensor]
Walk = Callable[[int, int], list[int]]  # start and length -> that part of an endless walk, as indices


class ImageSet(ABC):
    """Images of one shape, with or without class labels.

    A set is indexed by a list of positions and answers a whole batch: `image` of (N, C, H, W), uint8
    (or uint16 for 16-bit files), and, where there are labels, `label` of (N,), int64. For translation, two
    entries stand in the place of `image`: `source` and `target`, or `a` and `b`; for translation of video,
    the frames of two windows do: `a0`, `a1`, … and `b0`, `b1`, ….

    Where images can be shown in several ways, such as different crops, index i + k * len(set) is image i in
    way k. Nothing is random about that: chance chooses the way in the walk. Way 0 is for pictures and
    evaluation, chance chooses among the others.
    """

    entries: tuple[str, ...] = ("image",)  # the names of the images in a batch
    shape: tuple[int, int, int]  # (C, H, W) of `image`, `target` or `b`
    source_shape: tuple[int, int, int] | None = None  # (C', H', W') of `source` or `a`
    names: tuple[str, ...]  # of the classes, in the order of their labels; () = no labels
    labels: Tensor | None  # (N,), of any integer type
    streamed: bool = False  # decodes files whenever it is indexed, so that worker processes pay off
    stretches: Stretches | None = None  # positions that are best shown together; None = all
    ways: int = 1  # in which each image can be shown

    @property
    def classes(self) -> int:
        return len(self.names)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, indices: Sequence[int]) -> Batch: ...

    def walk(self, seed: int) -> Walk:
        """Every image once an epoch, each time in a way of its own; depends on `seed` alone."""
        order, count = Order(len(self), seed, self.stretches), len(self)
        if self.ways == 1:
            return order

        def walk(start: int, length: int) -> list[int]:
            return [
                place + count * (1 + mix(seed, "way", position) % (self.ways - 1))
                for position, place in enumerate(order(start, length), start)
            ]

        return walk

    @property
    def facts(self) -> dict[str, Any]:
        """What a configuration needs to know of it beside what all sets have."""
        return {}

    def captions(self, indices: Sequence[int]) -> list[str]:
        """What pictures of these images have written below each; [] = nothing."""
        return []

    def mirrored(self) -> "ImageSet":
        """This set and its mirror images."""
        return Mirrored(self)


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


@final
class Mirrored(ImageSet):
    """A set followed by its mirror images: position N + i is image i, left and right exchanged.

    What belongs together, such as the two images of a pair, is mirrored together.
    """

    def __init__(self, images: ImageSet):
        self.images, self.entries = images, images.entries
        self.shape, self.source_shape = images.shape, images.source_shape
        self.names = images.names
        self.labels = None if images.labels is None else images.labels.repeat(2)
        self.streamed = images.streamed
        self.ways = images.ways
        if images.stretches is not None:
            bounds = images.stretches.bounds
            twice = np.concatenate([bounds, bounds[1:] + len(images)])
            self.stretches = Stretches(twice, images.stretches.mixed, self._soon)

    def __len__(self) -> int:
        return 2 * len(self.images)

    def _soon(self, stretches: Sequence[int]) -> None:
        original = self.images.stretches
        if original is not None and original.soon is not None:
            original.soon([stretch % (len(original.bounds) - 1) for stretch in stretches])

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        count = len(self.images)
        placed = [(index // (2 * count), index % (2 * count)) for index in indices]  # way, position
        batch = self.images[[position % count + way * count for way, position in placed]]
        mirror = torch.tensor([position >= count for _, position in placed])[:, None, None, None]
        return {
            name: torch.where(mirror, value.flip(3), value) if is_image(value) else value
            for name, value in batch.items()
        }


def is_image(value: Tensor) -> bool:
    """Whether an entry of a batch is images, (N, C, H, W)."""
    return value.ndim == 4
