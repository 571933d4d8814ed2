"""Translations of uploaded images: those of `gantool translate`."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
from omegaconf import DictConfig, OmegaConf

from gantool.data.decode import decode
from gantool.explorer.settings import Origin
from gantool.finished import Finished
from gantool.images import to_uint8
from gantool.tiles import Tiles
from gantool.translate import opened, results_of, write
from gantool.translator import Translator

WAYS = {"ab": "from a to b", "ba": "from b to a"}


@final
class Translations:
    """A generator of images from images.

    Args:
        cfg: of the verb.
        origin: how commands name it.
        folder: for results.

    Attributes:
        ways: the directions that there are; empty where there is only one.
        trained: pixels of the shorter side in training; None = images of any size are alike to it.
    """

    def __init__(self, cfg: DictConfig, origin: Origin, folder: Path):
        whole = {"run": cfg.run, "trust": cfg.trust, "device": cfg.device, "seed": cfg.seed}
        asked = OmegaConf.create({**whole, "direction": None, "size": None, "alpha": "keep"})
        self.run, forth = opened(asked, Tiles())
        self.origin, self.folder = origin, folder
        self.trained = forth.trained
        self.translators: dict[str | None, Translator] = {None: forth}
        back = backward(self.run, forth)
        if back is not None:
            self.translators |= {"ab": forth, "ba": back}
        self.ways = [way for way in WAYS if way in self.translators]

    def translate(
        self, upload: Path, direction: str | None, resized: bool
    ) -> tuple[np.ndarray, Path, str, str]:
        """What the network saw of an image (H, W, C), the file of what it made, the command, and a hint.

        Args:
            upload: the image.
            direction: one of `ways`, or None.
            resized: the shorter side gets the length that it had in training.

        Raises ValueError for what is no image, or is too large.
        """
        image = decode(upload.read_bytes())
        own = self.translators[direction]
        translator = replace(own, side=self.trained) if resized else own
        source, _, picture = translator(image)
        result = Path(tempfile.mkdtemp(dir=self.folder)) / results_of([upload.name])[0]
        write(picture, result)
        size = "trained" if resized and self.trained is not None else None
        command = self.origin.translate(upload.name, None if direction == "ab" else direction, size)
        height, width = picture.shape[:2]
        hint = f"{width} x {height} pixels."
        if translator.far(image):
            hint += f" In training the shorter side had {self.trained}; that size may look better."
        return to_uint8(source)[0], result, command, hint


def backward(run: Finished, forth: Translator) -> Translator | None:
    """From b to a; None for a model that knows only one way."""
    try:
        network = run.gan.task.translator(run.gan.generator, "ba")
    except ValueError:
        return None
    return replace(forth, network=network.eval(), channels=run.config.data.channels)
