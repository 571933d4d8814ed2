"""Affine maps of the plane, one per image, and images seen through them.

Everything here is elementwise: products of matrices would be rounded by TF32 and by autocast.
"""

import torch
from torch import Tensor


def matrix(rows: list[list[Tensor | float]], like: Tensor) -> Tensor:
    """(N, len(rows), len(rows[0])) from numbers and tensors of (N,)."""
    cells = [
        cell if isinstance(cell, Tensor) else torch.full_like(like, cell) for row in rows for cell in row
    ]
    return torch.stack(cells, 1).view(len(like), len(rows), -1)


def product(a: Tensor, b: Tensor) -> Tensor:
    """(N, I, J) times (N, J, K)."""
    return (a[:, :, :, None] * b[:, None, :, :]).sum(2)


def warp(image: Tensor, inverse: Tensor) -> Tensor:
    """Each pixel of (N, C, H, W) from where `inverse` takes it, bilinear, over a plane of mirrored images.

    Linear in the image, by sums of gathered pixels, so it has derivatives of any order; grid_sample has one.

    Args:
        image: (N, C, H, W).
        inverse: (N, 2, 3), from a place in the result to one in the image: (x, y) in pixels from the centre.
    """
    N, C, H, W = image.shape
    y = torch.arange(H, device=image.device, dtype=inverse.dtype)[:, None] - (H - 1) / 2
    x = torch.arange(W, device=image.device, dtype=inverse.dtype) - (W - 1) / 2
    by_x, by_y, by_1 = inverse[:, :, :, None, None].unbind(2)  # (N, 2, 1, 1) each
    source_x, source_y = (by_x * x + by_y * y + by_1).unbind(1)  # (N, H, W) each
    source_x, source_y = source_x + (W - 1) / 2, source_y + (H - 1) / 2
    left, top = source_x.floor(), source_y.floor()
    right_weight, low_weight = source_x - left, source_y - top
    flat = image.flatten(2)  # (N, C, H * W)
    result = torch.zeros_like(flat)
    for down, by_row in ((0, 1 - low_weight), (1, low_weight)):
        for along, by_column in ((0, 1 - right_weight), (1, right_weight)):
            place = mirrored(top + down, H) * W + mirrored(left + along, W)  # (N, H, W)
            corner = flat.gather(2, place.view(N, 1, -1).expand(N, C, -1))
            result = result + corner * (by_row * by_column).view(N, 1, -1)
    return result.view(N, C, H, W)


def mirrored(place: Tensor, side: int) -> Tensor:
    """Whole numbers folded into 0 ... side - 1 by reflection at the middle of the outermost pixels."""
    period = max(2 * (side - 1), 1)
    place = place.long() % period
    return torch.minimum(place, period - place) if side > 1 else torch.zeros_like(place)
