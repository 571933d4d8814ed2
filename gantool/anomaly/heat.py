"""Where an image differs from what a model makes of it, as colours: black, red, yellow, white."""

from collections.abc import Sequence

import torch
from torch import Tensor

SHARE = 0.999  # of the pixels that are not yet white


def error(image: Tensor, made: Tensor) -> Tensor:
    """|x - x'| of images (..., C, H, W), a mean over channels: (..., H, W)."""
    return (image.float() - made.float().clamp(-1, 1)).abs().mean(-3)


def scale(errors: Sequence[Tensor]) -> float:
    """The error that becomes white: what all but a thousandth of the pixels of (..., H, W) stay below."""
    every = torch.cat([one.flatten() for one in errors])
    return every.kthvalue(max(1, round(SHARE * len(every)))).values.item()


def picture(errors: Tensor, top: float) -> Tensor:
    """Errors (H, W) as a picture (3, H, W) in [-1, 1], whose white is `top` and more."""
    share = (errors / top if top > 0 else torch.zeros_like(errors)).clamp(0, 1)
    return torch.stack([(3 * share - third).clamp(0, 1) for third in range(3)], -3) * 2 - 1
