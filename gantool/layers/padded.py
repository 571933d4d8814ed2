"""Images of any size for networks that need a multiple of some size."""

from abc import ABC

from torch import Tensor, nn
from torch.nn.functional import pad


class Padded(nn.Module, ABC):
    """A network that pads images whose sides are no multiples of `multiple` pixels."""

    def __init__(self, multiple: int):
        super().__init__()
        self.multiple = multiple

    def padded(self, x: Tensor) -> Tensor:
        return padded(x, self.multiple)


def padded(x: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) with the last row and column repeated until both sides are multiples of `multiple`."""
    height, width = x.shape[2:]
    missing = (-height % multiple, -width % multiple)
    return pad(x, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else x


def cropped(x: Tensor, like: Tensor) -> Tensor:
    """What of a padded image, or of one made from it, belongs to the original `like`."""
    return x[:, :, : like.shape[2], : like.shape[3]]
