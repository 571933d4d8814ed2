"""From the bytes of an image file to an array of (H, W, C), uint8 or uint16, whatever its format and mode."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePosixPath

import numpy as np
from PIL import ExifTags, Image, ImageOps

SUFFIXES = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")  # of the content, whatever the name ends with
MODES = {"L": (1, 8), "LA": (2, 8), "RGB": (3, 8), "RGBA": (4, 8), "I;16": (1, 16)}  # channels, bits


class Corrupt(ValueError):
    """A file that is no readable image."""


def is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def decode(content: bytes) -> np.ndarray:
    """An upright image, (H, W, C), in one of MODES; of an animation its first frame."""
    with _opened(content) as file:
        return _pixels(ImageOps.exif_transpose(file))


def glance(content: bytes) -> tuple[int, int, str]:
    """Height, width and mode of what decode() would answer, from the first bytes and many times faster.

    Damage further on goes unnoticed.
    """
    with _opened(content) as file:
        exif = Image.Image.getexif(file)  # that of a PNG would decode it, to look for more at its end
        turned = exif.get(ExifTags.Base.Orientation, 1) >= 5
        height, width = (file.width, file.height) if turned else (file.height, file.width)
        return height, width, _mode(file)


@contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Raises Corrupt for whatever goes wrong with it."""
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as file:
            yield file
    except Exception as error:  # Pillow raises nearly every kind for damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Corrupt(
            "not an image" if isinstance(error, Image.UnidentifiedImageError) else reason
        ) from error


def mode_of(image: np.ndarray) -> str:
    return "I;16" if image.dtype == np.uint16 else ("L", "LA", "RGB", "RGBA")[image.shape[2] - 1]


def _pixels(image: Image.Image) -> np.ndarray:
    mode = _mode(image)
    if mode == "I;16":
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("32-bit pixels do not fit into 16 bits, save 8 or 16 bits")
        return values.astype(np.uint16)[:, :, None]

    return np.asarray(image.convert(mode)).reshape(image.height, image.width, -1)


def _mode(image: Image.Image) -> str:
    """The nearest of MODES."""
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range, save 8 or 16 bits")
    if image.mode.startswith("I"):  # I;16 in either byte order; I holds 16 bits in older files
        return "I;16"
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return "LA" if grey else "RGBA"
    return "L" if grey else "RGB"
