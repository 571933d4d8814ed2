"""MLflow: curves and pictures in a tracking store, through Lightning's logger."""

from pathlib import Path
from typing import final

import numpy as np
from pytorch_lightning.loggers import MLFlowLogger


@final
class MLflow(MLFlowLogger):
    """Lightning's logger, with images seen as the step.

    Args:
        folder: of the run; its name becomes the run's.
        images: where the run goes on.
        experiment: name under which runs are gathered.
        uri: of the tracking server; None = MLFLOW_TRACKING_URI, or an SQLite file in the run folder.
    """

    def __init__(self, folder: Path, images: int, experiment: str, uri: str | None):
        super().__init__(
            experiment_name=experiment, run_name=f"{folder.parent.name}-{folder.name}", tracking_uri=uri
        )

    def log_picture(self, name: str, picture: np.ndarray, images: int) -> None:
        """`picture` of (H, W, C), uint8."""
        self.experiment.log_image(self.run_id, picture, key=name.replace("/", "_"), step=images)
