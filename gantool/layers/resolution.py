"""How often an image can be halved: the depth of a convolutional generator or discriminator."""

from collections.abc import Sequence

Resolution = int | Sequence[int]


def height_and_width(resolution: Resolution) -> tuple[int, int]:
    """(H, W) of `64` or `[48, 64]`. Raises ValueError for anything else."""
    sides = list(resolution) if isinstance(resolution, Sequence) else [resolution, resolution]
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(
            f"data.resolution={resolution}; give pixels, as 64, or [height, width], as [48, 64]."
        )
    return sides[0], sides[1]


def halvings(resolution: Resolution, smallest: int = 4) -> tuple[int, tuple[int, int]]:
    """How often both sides can be halved while the shorter one is 2 * `smallest` or more, and what is left.

    `smallest=4`: 32 -> 3 halvings to 4x4, 28 -> 2 to 7x7, [64, 48] -> 3 to 8x6. Raises ValueError, naming the
    nearest sizes, where a side is odd before that.
    """
    sides = height_and_width(resolution)
    count = 0
    while min(sides) >= 2**count * smallest * 2:
        count += 1
    step = 2**count
    if count == 0 or any(side % step for side in sides):
        nearest = (
            [max(round(side / step), smallest) * step for side in sides] if count else [2 * smallest] * 2
        )
        raise ValueError(
            f"data.resolution={resolution}: this network halves the image {max(count, 1)} times, so each "
            f"side must be a multiple of {max(step, 2)} and at least {2 * smallest}; "
            f"the nearest is {nearest[0] if len(set(nearest)) == 1 else nearest}."
        )
    return count, (sides[0] // step, sides[1] // step)
