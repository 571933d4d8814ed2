"""Channels of the stages of a pyramid of features: many where it is small, fewer above."""

from collections.abc import Sequence


def widths_of(
    width: int, widths: Sequence[int] | None, base: tuple[int, int], stages: int, full: int
) -> list[int]:
    """Channels of each stage, from the smallest, of `base` pixels, to that of the image.

    `width`, and half as many with each doubling of the longer side above `full` pixels. Raises ValueError
    where `widths`, which replace all that, are too few or too many.
    """
    if full < 1 or full & (full - 1):
        raise ValueError(f"model.G.full={full}: give a power of two, in pixels, such as 64.")
    if widths is None:
        sides = [max(base) * 2**stage for stage in range(stages)]
        doublings = [max((side - 1).bit_length() - (full - 1).bit_length(), 0) for side in sides]
        return [max(width // 2**doubling, 1) for doubling in doublings]
    if len(widths) != stages:
        sizes = ", ".join(f"{base[0] * 2**stage}x{base[1] * 2**stage}" for stage in range(stages))
        raise ValueError(
            f"model.G.widths={list(widths)}: this resolution has {stages} stages, of {sizes} pixels; "
            "give one width for each, or null."
        )
    return list(widths)
