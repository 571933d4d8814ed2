"""The one DataModule: any set of images, as batches in an order that depends on nothing but the seed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal, final

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from gantool import batches, clouds
from gantool.data.image_set import Batch, ImageSet, Walk, is_image
from gantool.data.order import Order
from gantool.data.resident import Positions, Resident, check, resident
from gantool.gan import GAN
from gantool.schedules import Schedule
from gantool.seeds import mix
from gantool.shares import WHOLE, Share

PIECE = 10_000  # positions of a walk that are looked at together


@final
class Batches(Sampler[list[int]]):
    """Endless batches of indices, from where training stands when first asked for.

    Args:
        order: the walk through all images.
        batch_size: of a minibatch, over all processes.
        images: seen so far.
        share: of this process: every `world`-th image of the batch.
        minibatches: of one batch.
    """

    def __init__(
        self,
        order: Walk,
        batch_size: Schedule,
        images: Callable[[], int],
        share: Share = WHOLE,
        minibatches: int = 1,
    ):
        self.order = order
        self.batch_size = batch_size
        self.images = images
        self.share = share
        self.minibatches = minibatches

    def __iter__(self) -> Iterator[list[int]]:
        start = self.images()
        while True:
            size = self.minibatches * batches.size(self.batch_size, start)
            yield self.share.of(self.order(start, size))
            start += size


@final
class ImageData(LightningDataModule):
    """Batches of a set: images (N, C, H, W) in [-1, 1], and `label` (N,) where the set has labels.

    Args:
        images: the set.
        batch_size: images of a minibatch over all processes.
        seed: of the order.
        mirror: show every image mirrored as well, as a set twice as large (Karras et al. 2020,
            arXiv:2006.06676).
        workers: processes that load; 0 = this one, None = 2 for a set that is streamed.
        on_device: whether the set lies on the device; "auto" = where a GPU has room for it.
        minibatches: of one iteration: n_critic.

    Raises ValueError for a set that cannot lie on a device, but should, and for one that may not be mirrored.
    """

    def __init__(
        self,
        images: ImageSet,
        batch_size: Schedule,
        seed: int,
        mirror: bool = False,
        workers: int | None = 0,
        on_device: Literal["auto"] | bool = False,
        minibatches: int = 1,
    ):
        super().__init__()
        check(images, on_device)
        self.on_device = on_device
        self.resident: Resident | None = None
        self.images = images
        self.shown = images.mirrored() if mirror else images
        self.batch_size = batch_size
        self.minibatches = minibatches
        self.seed = seed
        self.workers = (2 if images.streamed else 0) if workers is None else workers

    def train_dataloader(self) -> DataLoader[Batch]:
        self.resident = resident(self.images, self.on_device, self.gan.device)
        source = self.shown if self.resident is None else Positions(len(self.shown))
        return DataLoader(
            source,  # pyright: ignore  # indexed by whole batches
            sampler=Batches(
                self.shown.walk(self.seed), self.batch_size, self.seen, self.gan.share, self.minibatches
            ),
            batch_size=None,
            num_workers=self.workers if self.resident is None else 0,
            pin_memory=torch.cuda.is_available(),
        )

    def seen(self) -> int:
        """Where training stands, in images."""
        return self.gan.images

    @property
    def gan(self) -> GAN:
        assert self.trainer is not None
        assert isinstance(self.trainer.lightning_module, GAN)
        return self.trainer.lightning_module

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        dtype = self.gan.dtype
        assert isinstance(dtype, torch.dtype)
        if self.resident is not None:
            batch = self.resident(batch["index"])
        return in_range(batch, dtype)

    def preview(self, count: int) -> Batch:
        """`count` images for a picture: class after class where there are labels, or points for a cloud."""
        return in_range(self.images[self.previewed(count)], torch.get_default_dtype())

    def captions(self, count: int) -> list[str]:
        """Of the images of such a preview; [] = they have none."""
        return self.images.captions(self.previewed(count))

    def previewed(self, count: int) -> list[int]:
        """Indices of the images of such a preview."""
        count = max(count, clouds.COUNT) if clouds.is_point(self.images.shape) else count
        total, labels = len(self.images), self.images.labels
        stretches = self.images.stretches and replace(self.images.stretches, soon=None)
        order = Order(total, mix(self.seed, "preview"), stretches)
        if labels is None:
            chosen = order(0, min(count, total))
        else:
            walk = (order(start, min(PIECE, total - start)) for start in range(0, total, PIECE))
            chosen = by_class(walk, labels, count, self.images.classes) or order(0, min(count, total))
        return (chosen * (1 + count // len(chosen)))[:count]


def in_range(batch: Batch, dtype: torch.dtype) -> Batch:
    """All images of a batch in [-1, 1]."""
    return {name: to_range(value, dtype) if is_image(value) else value for name, value in batch.items()}


def to_range(image: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 or uint16 to [-1, 1]; a floating image is in that range already."""
    if image.is_floating_point():
        return image.to(dtype)
    return image.to(dtype) / (32767.5 if image.dtype == torch.uint16 else 127.5) - 1


def by_class(walk: Iterable[list[int]], labels: Tensor, count: int, classes: int) -> list[int]:
    """The first positions of a walk, class after class and as many of each as may be, `count` in all.

    Args:
        walk: piece by piece; no further than needed.
        labels: (N,), of all positions.
    """
    wanted = [count // classes + (k < count % classes) for k in range(classes)]
    chosen: list[list[int]] = [[] for _ in range(classes)]
    for piece in walk:
        found = labels[torch.tensor(piece)]
        for k, places in enumerate(chosen):
            if len(places) < wanted[k]:
                mine = (found == k).nonzero().flatten()[: wanted[k] - len(places)]
                places += [piece[i] for i in mine.tolist()]
        if all(len(places) == number for places, number in zip(chosen, wanted, strict=True)):
            break
    return [place for places in chosen for place in places]


def summary(images: ImageSet) -> dict[str, Any]:
    """What a configuration needs to know of a set: channels, resolution, classes, names.

    For translation they are those of what is to be made, and there are also the channels of its source.
    """
    channels, height, width = images.shape
    resolution = height if height == width else [height, width]
    source = {} if images.source_shape is None else {"source_channels": images.source_shape[0]}
    return {
        **source,
        "channels": channels,
        "resolution": resolution,
        "classes": images.classes,
        "names": list(images.names),
        **images.facts,
    }
