"""Change the colours of a decoded image: channels, transparency and depth. Shared by all data sets.

An image is an array of (H, W, C), uint8 or uint16, where C = 1 is grey, 2 grey with alpha, 3 RGB, 4 RGBA.
"""

import numpy as np
from PIL import ImageColor

Colour = tuple[int, int, int]  # red, green, blue of 8 bits
WHITE: Colour = (255, 255, 255)


def colour(name: str) -> Colour:
    """The RGB values of a name or #rrggbb."""
    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"data.background={name} is no colour; use a name such as white, or #rrggbb."
        ) from error
    return red, green, blue


def recolour(image: np.ndarray, channels: int, background: Colour = WHITE) -> np.ndarray:
    """Show an image in another number of channels; where its alpha goes, `background` shines through."""
    if image.shape[2] == channels:
        return image
    alpha = image[:, :, -1:] if image.shape[2] in (2, 4) else None
    opaque = image if alpha is None else image[:, :, :-1]

    if alpha is not None and channels in (1, 3):
        behind = backdrop(background, opaque.shape[2], image.dtype)
        opaque = _blend(opaque, alpha, behind)
    if channels in (1, 2):
        opaque = luminance(opaque)
    elif opaque.shape[2] == 1:
        opaque = np.repeat(opaque, 3, axis=2)

    if channels in (1, 3):
        return opaque
    if alpha is None:
        alpha = np.full_like(opaque[:, :, :1], np.iinfo(image.dtype).max)
    return np.concatenate([opaque, alpha], axis=2)


def unsee(image: np.ndarray, background: Colour) -> np.ndarray:
    """Give pixels of alpha 0 the background's colour: what nobody sees, no network should have to learn."""
    if image.shape[2] not in (2, 4):
        return image
    hidden = image[:, :, -1] == 0
    return np.where(hidden[:, :, None], backdrop(background, image.shape[2], image.dtype), image)


def backdrop(background: Colour, channels: int, dtype: np.dtype) -> np.ndarray:
    """One pixel of the background, (C,); with an alpha channel it is there but fully transparent."""
    pixel = change_depth(np.array(background, np.uint8).reshape(1, 1, 3), dtype)
    if channels in (1, 2):
        pixel = luminance(pixel)
    if channels in (2, 4):
        pixel = np.concatenate([pixel, np.zeros_like(pixel[:, :, :1])], axis=2)
    return pixel[0, 0]


def luminance(image: np.ndarray) -> np.ndarray:
    """Grey of an RGB image, by ITU-R 601-2 in Pillow's fixed-point arithmetic; a grey image is its own."""
    if image.shape[2] == 1:
        return image
    weighted = image.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)  # weights of sum 2^16
    return ((weighted + 2**15) >> 16).astype(image.dtype)[:, :, None]


def change_depth(image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """From 8 to 16 bits or back: white stays white."""
    if image.dtype == dtype:
        return image
    if dtype == np.uint16:
        return image.astype(np.uint16) * np.uint16(257)
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _blend(image: np.ndarray, alpha: np.ndarray, behind: np.ndarray) -> np.ndarray:
    full = np.uint32(np.iinfo(image.dtype).max)
    front = image.astype(np.uint32) * alpha
    back = behind.astype(np.uint32) * (full - alpha)
    return ((front + back + full // 2) // full).astype(image.dtype)
