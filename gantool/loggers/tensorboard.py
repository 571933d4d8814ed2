"""TensorBoard: curves, pictures and the choices of the command line as event files in the run folder."""

from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore
from torch.utils.tensorboard.summary import hparams


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
        self.end: Any = None  # what tells the HParams tab that the run is over

    def log_picture(self, name: str, picture: np.ndarray, images: int) -> None:
        """`picture` of (H, W, C), uint8."""
        self.experiment.add_image(name, picture, images, dataformats="HWC")

    def log_film(self, name: str, gif: Path, images: int) -> None:
        """An animation among the pictures, where it plays.

        Differs from SummaryWriter.add_video, which writes nothing where moviepy is missing.
        """
        with Image.open(gif) as first:
            width, height = first.size
        picture = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=gif.read_bytes()
        )
        self.write(Summary(value=[Summary.Value(tag=name, image=picture)]), images)

    def log_choices(self, choices: dict[str, Any]) -> None:
        """Make the run a row of the HParams tab, beside the last value of all its numbers.

        Differs from SummaryWriter.add_hparams, which makes a second run of it, and a table with the columns
        of whichever run it meets first.
        """
        known = {
            key: value if isinstance(value, int | float) else str(value) for key, value in choices.items()
        }
        _, begin, self.end = hparams(known, {})
        self.write(begin)

    def finalize(self, status: str) -> None:
        if self.end is not None and status == "success":
            self.write(self.end)
        super().finalize(status)

    def write(self, summary: Any, images: int | None = None) -> None:
        writer = self.experiment.file_writer
        assert writer is not None  # until finalize
        writer.add_summary(summary, images)

    def save(self) -> None:
        """Flush; the configuration is in config.yaml already."""
        self.experiment.flush()
