"""A training set that lies on the device: batches are cut out there, and only their positions travel."""

from typing import Any, final

import torch
from torch import Tensor

from gantool.data.image_set import Batch, ImageSet, InMemory

PART = 0.25  # of a GPU's memory that a set may take


@final
class Positions(torch.utils.data.Dataset[Batch]):
    """Answers a batch of positions with themselves: `index` of (N,)."""

    def __init__(self, count: int):
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, indices: list[int]) -> Batch:
        return {"index": torch.tensor(indices)}


@final
class Resident:
    """Images and labels of a set in memory, on a device.

    Args:
        images: of uint8.
        device: where they shall lie.
    """

    def __init__(self, images: InMemory, device: torch.device):
        self.images = torch.from_numpy(images.images).to(device)  # (N, C, H, W)
        self.labels = None if images.labels is None else images.labels.to(device)  # (N,)

    def __call__(self, index: Tensor) -> Batch:
        """The batch at `index` of (B,); from N on the mirror images."""
        count = len(self.images)
        place = index % count
        image = self.images[place]
        mirrored = (index >= count)[:, None, None, None]
        batch = {"image": torch.where(mirrored, image.flip(3), image)}
        if self.labels is not None:
            batch["label"] = self.labels[place]
        return batch


def resident(images: ImageSet, wanted: Any, device: torch.device) -> Resident | None:
    """The set on `device`, if that is wanted: True, False, or "auto", which means a GPU with room enough."""
    if wanted is False or (wanted == "auto" and not fits(images, device)):
        return None
    assert isinstance(images, InMemory)
    return Resident(images, device)


def fits(images: ImageSet, device: torch.device) -> bool:
    """Whether a set lies in memory and takes a small part of a GPU's."""
    if device.type != "cuda" or not isinstance(images, InMemory) or images.images.dtype != "uint8":
        return False
    return images.images.nbytes < PART * torch.cuda.get_device_properties(device).total_memory


def check(images: ImageSet, wanted: Any) -> None:
    """Raise ValueError where a set cannot lie on a device, or for a word that means nothing."""
    if wanted not in ("auto", True, False):
        raise ValueError(f"on_device={wanted}: give true, false or auto.")
    if wanted is True and not (isinstance(images, InMemory) and images.images.dtype == "uint8"):
        raise ValueError(
            "on_device=true: this set is read from files as it is needed, or has 16 bits; use on_device=auto."
        )
