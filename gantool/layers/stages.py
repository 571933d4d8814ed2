"""How wide and how many the stages of a residual network are, for any resolution."""

from collections.abc import Sequence

from gantool.layers.resolution import Resolution, halvings


def down_to(resolution: Resolution, smallest: int) -> tuple[int, tuple[int, int]]:
    """How often to halve an image, once at least, so that its shorter side stays `smallest` or more.

    And what is left. 32 -> 3 halvings to 4x4 with `smallest=4`, 2 to 8x8 with 5 to 8.
    """
    count, (height, width) = halvings(resolution)
    while count > 1 and min(height, width) < smallest:
        count, height, width = count - 1, 2 * height, 2 * width
    return count, (height, width)


def widths_of(player: str, width: int, multipliers: Sequence[int] | None, count: int) -> list[int]:
    """Channels of `count` feature maps: `width` times each multiplier; None = all alike.

    Raises ValueError for another number of multipliers.
    """
    if multipliers is None:
        return [width] * count
    if len(multipliers) != count:
        raise ValueError(
            f"model.{player}.multipliers={list(multipliers)}: this data.resolution asks for {count} of them; "
            "give so many, or null for one width everywhere."
        )
    return [width * multiplier for multiplier in multipliers]
