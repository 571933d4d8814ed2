"""Affine maps of the plane, one per image, and images seen through them.

Maps are made elementwise: products of matrices would be rounded by TF32 and by autocast.
"""

from collections.abc import Callable

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

    Exact where every pixel comes from a pixel; elsewhere bilinear sampling blurs: half a pixel aside, detail
    has half of its energy. `gantool.augment.antialias` is for that.

    Args:
        image: (N, C, H, W).
        inverse: (N, 2, 3), from a place in the result to one in the image: (x, y) in pixels from the centre.
    """
    H, W = image.shape[2:]
    y = torch.arange(H, device=image.device, dtype=inverse.dtype) - (H - 1) / 2
    x = torch.arange(W, device=image.device, dtype=inverse.dtype) - (W - 1) / 2
    source_x, source_y = sources(inverse, x, y)
    return bilinear(image, source_x + (W - 1) / 2, source_y + (H - 1) / 2, mirrored)


def sources(inverse: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Where `inverse` takes the places of a grid with the columns x and the rows y: two of (N, H, W)."""
    by_x, by_y, by_1 = inverse[:, :, :, None, None].unbind(2)  # (N, 2, 1, 1) each
    source_x, source_y = (by_x * x + by_y * y[:, None] + by_1).unbind(1)
    return source_x, source_y


def bilinear(image: Tensor, x: Tensor, y: Tensor, folded: Callable[[Tensor, int], Tensor]) -> Tensor:
    """The image at the places (x, y) of (N, I, J), in pixels from the middle of the first: (N, C, I, J).

    Linear in the image, by sums of gathered pixels, so it has derivatives of any order; grid_sample has one.

    Args:
        image: (N, C, H, W).
        x: columns.
        y: rows.
        folded: pixels inside for whole numbers that may lie outside of a side.
    """
    N, C, H, W = image.shape
    left, top = x.floor(), y.floor()
    right, low = x - left, y - top  # how far from there: (N, I, J)
    columns = ((folded(left, W), 1 - right), (folded(left + 1, W), right))
    rows = ((folded(top, H) * W, 1 - low), (folded(top + 1, H) * W, low))
    flat = image.flatten(2)  # (N, C, H * W)
    corners = []
    for row, by_row in rows:
        for column, by_column in columns:
            corner = flat.gather(2, (row + column).flatten(1)[:, None].expand(-1, C, -1))
            corners.append(corner * (by_row * by_column).flatten(1)[:, None])
    return sum(corners[1:], corners[0]).view(N, C, *x.shape[1:])


def mirrored(place: Tensor, side: int) -> Tensor:
    """Whole numbers folded into 0 ... side - 1 by reflection at the middle of the outermost pixels."""
    period = max(2 * (side - 1), 1)
    place = place.long() % period
    return torch.minimum(place, period - place) if side > 1 else torch.zeros_like(place)


def repeated(place: Tensor, side: int) -> Tensor:
    """Whole numbers folded into 0 ... side - 1 by repetition."""
    return place.long() % side
