"""TensorBoard: curves and pictures as event files in the run folder."""

from pathlib import Path
from typing import final

import numpy as np
from pytorch_lightning.loggers import TensorBoardLogger


@final
class TensorBoard(TensorBoardLogger):
    """Lightning's logger, writing into the run folder itself and taking pictures.

    Args:
        folder: of the run.
        images: where the run goes on; what was logged later is hidden.
    """

    look = "tensorboard --logdir outputs"

    def __init__(self, folder: Path, images: int):
        super().__init__(save_dir=folder, name="", version="", purge_step=images + 1 if images else None)

    def log_picture(self, name: str, picture: np.ndarray, images: int) -> None:
        """`picture` of (H, W, C), uint8."""
        self.experiment.add_image(name, picture, images, dataformats="HWC")

    def save(self) -> None:
        """Flush; the configuration is in config.yaml already."""
        self.experiment.flush()
