"""Random crops: pix2pix's jitter, Isola et al. (2017), arXiv:1611.07004, section 6.2."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from gantool.data.image_set import Batch, ImageSet, is_image
from gantool.data.resize import Size

SPOTS = 2**20  # that chance chooses from along each side: so many that all corners are equally likely
WAYS = 1 + SPOTS**2


def corner(way: int, room: Size) -> tuple[int, int]:
    """Row and column where a crop begins: in way 0 the middle, otherwise one for each way from 1 to SPOTS^2.

    Args:
        room: rows and columns that the image has more than the crop.
    """
    if way == 0:
        return room[0] // 2, room[1] // 2
    down, right = divmod(way - 1, SPOTS)
    return down * (room[0] + 1) // SPOTS, right * (room[1] + 1) // SPOTS


@final
class Cropped(ImageSet):
    """Crops of a set whose images are all larger. Images that belong together are cropped alike.

    Args:
        images: which can be shown in one way only.
        size: (H, W) of the crops.
    """

    def __init__(self, images: ImageSet, size: Size):
        assert images.ways == 1
        channels, height, width = images.shape
        assert height >= size[0]
        assert width >= size[1]
        self.images, self.entries = images, images.entries
        self.size = size
        self.room = height - size[0], width - size[1]
        self.shape = channels, *size
        if images.source_shape is not None:
            assert images.source_shape[1:] == images.shape[1:]
            self.source_shape = images.source_shape[0], *size
        self.names, self.labels = images.names, images.labels
        self.streamed, self.stretches = images.streamed, images.stretches
        self.ways = WAYS

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        count = len(self.images)
        batch = self.images[[index % count for index in indices]]
        corners = [corner(index // count, self.room) for index in indices]
        return {name: self.cut(value, corners) if is_image(value) else value for name, value in batch.items()}

    def cut(self, images: Tensor, corners: Sequence[tuple[int, int]]) -> Tensor:
        """Of each image of (N, C, H', W') its crop: (N, C, H, W)."""
        height, width = self.size
        crops = [
            image[:, top : top + height, left : left + width]
            for image, (top, left) in zip(images, corners, strict=True)
        ]
        return torch.stack(crops)
