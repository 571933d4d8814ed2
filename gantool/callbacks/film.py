"""The pictures of training as an animation, for the loggers that show pictures."""

import tempfile
from pathlib import Path
from typing import final

from pytorch_lightning import Callback, LightningModule, Trainer

from gantool.animation import animate
from gantool.callbacks.samples import PictureLogger
from gantool.gan import GAN
from gantool.timelapse import chosen, frames, moments

FRAMES, WIDTH = 60, 512  # at most: a browser loads it whole
FPS, HOLD = 8, 1.5


@final
class Film(Callback):
    """Gives a logger the time-lapse of a run when its training ends, as `gantool timelapse` makes it.

    Args:
        folder: of the run.
        logger: that takes it.
    """

    def __init__(self, folder: Path, logger: PictureLogger):
        self.folder, self.logger = folder, logger

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        for name, those in moments(self.folder / "samples").items():
            if len(those) < 2:
                continue
            some = chosen(those, FRAMES)
            with tempfile.TemporaryDirectory(prefix="gantool-") as place:
                path = Path(place) / "timelapse.gif"
                animate(frames(some, WIDTH, True, lambda _: None), path, FPS, HOLD)
                self.logger.log_film(f"timelapse/{name.removeprefix('-') or 'fake'}", path, pl_module.images)
