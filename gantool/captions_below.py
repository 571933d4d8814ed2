"""Images with what is said of them written below each."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gantool.images import MODES

WIDTH = 128  # pixels that an image has at least, so that there is room for words
POINTS = 12  # size of the letters
MARGIN = 2


def captioned(images: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """(N, H, W, C), uint8, each enlarged to WIDTH or more, with its text in a strip below: (N, H', W', 3).

    Every pixel of an enlarged image is a block. Alpha goes: what is transparent is black.
    """
    times = -(-WIDTH // images.shape[2])
    large = images.repeat(times, 1).repeat(times, 2)
    _, height, width, channels = large.shape
    font = ImageFont.load_default(POINTS)
    folded = [fold(text, font, width - 2 * MARGIN) for text in texts]
    line = round(font.getbbox("Ag")[3]) + MARGIN
    strip = max(map(len, folded)) * line + 2 * MARGIN
    tiles = np.zeros((len(large), height + strip, width, 3), np.uint8)
    for tile, image, lines in zip(tiles, large, folded, strict=True):
        mode = MODES[channels]
        opaque = Image.fromarray(np.ascontiguousarray(image[:, :, 0] if channels == 1 else image), mode)
        whole = Image.new("RGB", (width, height + strip))
        whole.paste(opaque.convert("RGB"), (0, 0), opaque.getchannel("A") if "A" in mode else None)
        draw = ImageDraw.Draw(whole)
        for number, words in enumerate(lines):
            draw.text((MARGIN, height + MARGIN + number * line), words, "white", font)
        tile[:] = np.asarray(whole)
    return tiles


def fold(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Lines no wider than so many pixels, of one word at least."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines or [""]
