"""MLflow: curves and pictures in a tracking store, through Lightning's logger."""

from pathlib import Path
from typing import Any, final

import numpy as np
from pytorch_lightning.loggers import MLFlowLogger

SQLITE = "sqlite:///"


@final
class MLflow(MLFlowLogger):
    """Lightning's logger, with images seen as the step.

    Args:
        folder: of the run; its name becomes the run's.
        images: where the run goes on.
        experiment: name under which runs are gathered.
        uri: of the tracking server, or of an SQLite file; pictures then lie beside the file.
    """

    def __init__(self, folder: Path, images: int, experiment: str, uri: str):
        self.look = f"mlflow ui --backend-store-uri {uri}"
        artifacts = None
        if uri.startswith(SQLITE):
            place = Path(uri.removeprefix(SQLITE)).absolute().parent
            place.mkdir(parents=True, exist_ok=True)
            artifacts = str(place / "mlflow")
        name = f"{folder.parent.name}-{folder.name}"
        super().__init__(experiment, name, uri, artifact_location=artifacts)

    def log_choices(self, choices: dict[str, Any]) -> None:
        """What was chosen on the command line, to compare runs by."""
        self.log_hyperparams(choices)

    def log_picture(self, name: str, picture: np.ndarray, images: int) -> None:
        """`picture` of (H, W, C), uint8."""
        self.experiment.log_image(self.run_id, picture, key=name.replace("/", "_"), step=images)

    def log_film(self, name: str, gif: Path, images: int) -> None:
        self.experiment.log_artifact(self.run_id, str(gif), name)
