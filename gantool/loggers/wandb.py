"""Weights & Biases: curves and pictures on a server, through Lightning's logger."""

from pathlib import Path
from typing import Any, final

import numpy as np
from pytorch_lightning.loggers import WandbLogger
from wandb.errors import Error  # pyright: ignore


@final
class Wandb(WandbLogger):
    """Lightning's logger, with images seen as the x axis.

    Args:
        folder: of the run; its name becomes the run's id, so that a resumed run goes on in the same curves.
        images: where the run goes on.
        project: on the server.
        offline: write to the folder only.

    Raises ValueError where the server cannot be reached, or does not know the user.
    """

    def __init__(self, folder: Path, images: int, project: str, offline: bool):
        name = f"{folder.parent.name}-{folder.name}"
        super().__init__(
            save_dir=folder, project=project, offline=offline, name=name, id=name, resume="allow"
        )
        self.look = f"wandb sync {folder}/wandb/*" if offline else f"project {project} on the server"
        try:
            self.experiment  # noqa: B018  # reaches the server now, not after the first iterations
        except Error as error:
            raise ValueError(f"logger=wandb: {error} Or set logger.offline=true.") from error

    def log_choices(self, choices: dict[str, Any]) -> None:
        """What was chosen on the command line, to compare runs by."""
        self.log_hyperparams(choices)

    def log_picture(self, name: str, picture: np.ndarray, images: int) -> None:
        """`picture` of (H, W, C), uint8."""
        self.log_image(name, [picture], step=images)

    def log_film(self, name: str, gif: Path, images: int) -> None:
        self.log_video(name, [str(gif)], step=images, format=["gif"])
