"""Enlarging by a whole factor, in steps: what the generators of super-resolution share."""


def steps(scale: int) -> list[int]:
    """The factors of the steps whose product is `scale`: 8 -> [2, 2, 2], 3 -> [3], 1 -> []."""
    if scale == 3:
        return [3]
    if not isinstance(scale, int) or scale < 1 or scale & (scale - 1):
        raise ValueError(f"data.scale={scale}: this generator enlarges images 2, 3, 4 or 8 times.")
    return [2] * (scale.bit_length() - 1)
