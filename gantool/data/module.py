"""The one DataModule: any set of images, as batches in an order that depends on nothing but the seed."""

from collections.abc import Callable, Iterator
from typing import Any, final

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from gantool.data.image_set import Batch, ImageSet
from gantool.gan import GAN
from gantool.seeds import mix


@final
class Order:
    """Positions 0, 1, 2, … of an endless walk through `count` images, each epoch in an order of its own.

    The permutation of epoch e depends on (seed, e) alone: any stretch of the walk can be had at once, without
    what came before. No image is left out or shown twice within an epoch, whatever the batch size.
    """

    def __init__(self, count: int, seed: int):
        self.count = count
        self.seed = seed
        self.epoch = -1
        self.permutation = torch.empty(0, dtype=torch.long)

    def __call__(self, start: int, length: int) -> list[int]:
        indices: list[int] = []
        while length > 0:
            epoch, place = divmod(start, self.count)
            if epoch != self.epoch:
                generator = torch.Generator().manual_seed(mix(self.seed, "order", epoch))
                self.epoch, self.permutation = epoch, torch.randperm(self.count, generator=generator)
            stretch = self.permutation[place : place + length].tolist()
            indices += stretch
            start, length = start + len(stretch), length - len(stretch)
        return indices


@final
class Batches(Sampler[list[int]]):
    """Endless batches of indices, from the iteration at which training stands when first asked for."""

    def __init__(self, order: Order, batch_size: int, iteration: Callable[[], int]):
        self.order = order
        self.batch_size = batch_size
        self.iteration = iteration

    def __iter__(self) -> Iterator[list[int]]:
        start = self.iteration() * self.batch_size
        while True:
            yield self.order(start, self.batch_size)
            start += self.batch_size


@final
class Mirrored(torch.utils.data.Dataset[Batch]):
    """A set followed by its mirror images: index N + i is image i, left and right exchanged."""

    def __init__(self, images: ImageSet):
        self.images = images

    def __len__(self) -> int:
        return 2 * len(self.images)

    def __getitem__(self, indices: list[int]) -> Batch:
        count = len(self.images)
        batch = self.images[[index % count for index in indices]]
        mirrored = torch.tensor([index >= count for index in indices])
        image = batch["image"]
        return {**batch, "image": torch.where(mirrored[:, None, None, None], image.flip(3), image)}


@final
class ImageData(LightningDataModule):
    """Batches of a set: `image` (N, C, H, W) in [-1, 1], and `label` (N,) where the set has labels.

    Args:
        images: the set.
        batch_size: images of one iteration: n_critic minibatches.
        seed: of the order.
        mirror: show every image mirrored as well, as a set twice as large (Karras et al. 2020,
            arXiv:2006.06676).
        workers: processes that load; 0 = this one, None = 2 for a set that is streamed.
    """

    def __init__(
        self, images: ImageSet, batch_size: int, seed: int, mirror: bool = False, workers: int | None = 0
    ):
        super().__init__()
        self.images = images
        self.batch_size = batch_size
        self.seed = seed
        self.mirror = mirror
        self.workers = (2 if images.streamed else 0) if workers is None else workers

    def train_dataloader(self) -> DataLoader[Batch]:
        shown = Mirrored(self.images) if self.mirror else self.images
        order = Order(len(shown), self.seed)
        return DataLoader(
            shown,  # pyright: ignore  # indexed by whole batches
            sampler=Batches(order, self.batch_size, self.iteration),
            batch_size=None,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
        )

    def iteration(self) -> int:
        """Where training stands."""
        return self.gan.iteration

    @property
    def gan(self) -> GAN:
        assert self.trainer is not None
        assert isinstance(self.trainer.lightning_module, GAN)
        return self.trainer.lightning_module

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        dtype = self.gan.dtype
        assert isinstance(dtype, torch.dtype)
        return {**batch, "image": to_range(batch["image"], dtype)}

    def preview(self, count: int) -> Batch:
        """`count` images for a picture: class after class where there are labels."""
        order = Order(len(self.images), mix(self.seed, "preview"))(0, len(self.images))
        if self.images.labels is not None:
            labels = self.images.labels[torch.tensor(order)]
            order = [order[place] for place in by_class(labels, count, self.images.classes)]
        return self.on_range(self.images[(order * (1 + count // len(order)))[:count]])

    def on_range(self, batch: Batch) -> Batch:
        return {**batch, "image": to_range(batch["image"], torch.get_default_dtype())}


def to_range(image: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 or uint16 to [-1, 1]; a floating image is in that range already."""
    if image.is_floating_point():
        return image.to(dtype)
    return image.to(dtype) / (32767.5 if image.dtype == torch.uint16 else 127.5) - 1


def by_class(labels: Tensor, count: int, classes: int) -> list[int]:
    """Positions of `count` samples, class after class and as many of each as may be."""
    share = [count // classes + (k < count % classes) for k in range(classes)]
    return [place for k in range(classes) for place in (labels == k).nonzero().flatten()[: share[k]].tolist()]


def summary(images: ImageSet) -> dict[str, Any]:
    """What a configuration needs to know of a set: channels, resolution, classes, names."""
    channels, height, width = images.shape
    resolution = height if height == width else [height, width]
    return {
        "channels": channels,
        "resolution": resolution,
        "classes": images.classes,
        "names": list(images.names),
    }
