"""Affine maps at twice the size of an image: ADA, Karras et al. (2020), arXiv:2006.06676, appendix B.

The image is doubled with an orthogonal low-pass filter, sampled bilinearly, and halved with the same filter
reversed, so that turning and moving neither blur detail nor fold it over.
"""

import torch
from torch import Tensor

from gantool.augment.warp import bilinear, mirrored, repeated, sources, warp

# The symlet of six vanishing moments: Daubechies (1992), Ten Lectures on Wavelets, table 6.3.
SYMLET = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
REACH = len(SYMLET) // 2 - 1  # taps before a pixel's own two
CENTRE = (
    sum(place * tap for place, tap in enumerate(SYMLET)) / sum(SYMLET) - REACH
)  # of a pixel in the double


def antialiased(image: Tensor, inverse: Tensor) -> Tensor:
    """What `warp` does, with filters where not every pixel comes from a pixel.

    Linear in the image, with derivatives of any order. A line of brightness stays exactly one under any map,
    away from the border: the filter has more than two vanishing moments, and its pixels are taken to lie at
    its centre of mass.

    Differs from the authors' code: the plane of mirrored images goes on for ever (there: zeros beyond the
    first mirror images); mirrored, turned and shifted pixels are copied; the filter is not taken to be
    symmetric, which it is but nearly.

    Args:
        image: (N, C, H, W).
        inverse: (N, 2, 3), from a place in the result to one in the image: (x, y) in pixels from the centre.
    """
    copied = whole(inverse, *image.shape[2:])  # (N,)
    plain = warp(image, inverse)
    some = concerned(copied)
    filtered = resampled(image[some], inverse[some]).to(plain.dtype)
    chosen = torch.where(copied[some, None, None, None], plain[some], filtered)
    return plain.index_copy(0, some, chosen)


def concerned(copied: Tensor) -> Tensor:
    """Which images are filtered: on a CPU those that need it; an accelerator would have to wait to know."""
    if copied.device.type == "cpu":
        return torch.where(~copied)[0]
    return torch.arange(len(copied), device=copied.device)


def whole(inverse: Tensor, height: int, width: int) -> Tensor:
    """Whether each map takes pixels to pixels and none away, (N,): whole numbers, determinant 1 or -1."""
    corner = inverse.new_tensor([-(width - 1) / 2, -(height - 1) / 2])
    place = (inverse[:, :, :2] * corner).sum(2) + inverse[:, :, 2] - corner  # (N, 2)
    numbers = torch.cat([inverse[:, :, :2].flatten(1), place], 1)
    area = inverse[:, 0, 0] * inverse[:, 1, 1] - inverse[:, 0, 1] * inverse[:, 1, 0]
    return (numbers == numbers.round()).all(1) & (area.abs() == 1)


def resampled(image: Tensor, inverse: Tensor) -> Tensor:
    """Doubled, sampled, halved: (N, C, H, W) to the same shape."""
    H, W = image.shape[2:]
    with torch.autocast(image.device.type, enabled=False):
        image = image.to(inverse.dtype).contiguous()
        plane = doubling(H, image) @ image @ doubling(W, image).T  # (N, C, 4H - 4, 4W - 4): one period
        y, x = (halves(side, image) for side in (H, W))
        source_x, source_y = sources(inverse, x, y)  # (N, 2H + 10, 2W + 10) each
        source_x, source_y = (
            2 * source + side - 1 + CENTRE for source, side in ((source_x, W), (source_y, H))
        )
        sampled = bilinear(plane, source_x, source_y, repeated)
        return halving(H, image) @ sampled @ halving(W, image).T


def halves(side: int, like: Tensor) -> Tensor:
    """Where the pixels of a doubled side and some beyond lie, in pixels from the middle: (2H + 10,)."""
    places = torch.arange(-REACH, 2 * side + REACH, device=like.device, dtype=like.dtype)
    return (places - CENTRE) / 2 - (side - 1) / 2


def doubling(side: int, like: Tensor) -> Tensor:
    """One period of the mirrored side, doubled, from the side: (4H - 4, H)."""
    period = max(2 * (side - 1), 1)
    pixels = torch.arange(-REACH, period + REACH, device=like.device)
    weights = taps(torch.arange(2 * period, device=like.device), pixels, like)  # (2 period, period + 10)
    return like.new_zeros(2 * period, side).index_add(1, mirrored(pixels, side), weights)


def halving(side: int, like: Tensor) -> Tensor:
    """The side from its doubled pixels, those around it included: (H, 2H + 10)."""
    fine = torch.arange(-REACH, 2 * side + REACH, device=like.device)
    return taps(fine, torch.arange(side, device=like.device), like).T


def taps(fine: Tensor, coarse: Tensor, like: Tensor) -> Tensor:
    """The share of each coarse pixel in each fine one: (I, J)."""
    place = fine[:, None] - 2 * coarse + REACH
    inside = (place >= 0) & (place < len(SYMLET))
    return like.new_tensor(SYMLET)[place.clamp(0, len(SYMLET) - 1)] * inside
