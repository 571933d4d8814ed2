"""Images of any size for networks that need a multiple of some size."""

from torch import Tensor
from torch.nn.functional import pad


def padded(x: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) with the last row and column repeated until both sides are multiples of `multiple`."""
    height, width = x.shape[2:]
    missing = (-height % multiple, -width % multiple)
    return pad(x, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else x


def cropped(x: Tensor, like: Tensor) -> Tensor:
    """What of a padded image, or of one made from it, belongs to the original `like`."""
    return x[:, :, : like.shape[2], : like.shape[3]]
