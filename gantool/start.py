"""Fine-tuning: a run that begins with the weights of another."""

import logging
from pathlib import Path
from typing import Any

from gantool.checkpoint import read
from gantool.gan import GAN

OF_D = "task.D."
log = logging.getLogger(__name__)


def begin(gan: GAN, path: Path) -> None:
    """Give both players, and the averaged generator, the weights of a checkpoint.

    An averaged generator that the checkpoint lacks begins as its generator. A D that shares no name with the
    checkpoint's begins anew: SRGAN starts from SRResNet, which has none.

    Raises ValueError where its networks are others.
    """
    stored: dict[str, Any] = read(path)["state_dict"]
    if not any(name.startswith("G_ema.") for name in stored):
        twins = [name for name in stored if name.startswith("task.G.")]
        stored |= {name.replace("task.G.", "G_ema.", 1): stored[name] for name in twins}
    own = {name: value for name, value in gan.state_dict().items() if name.startswith(("task.", "G_ema."))}
    if not any(name in stored for name in own if name.startswith(OF_D)):
        log.info("start=%s: its D is another network altogether; D begins anew", path)
        own = {name: value for name, value in own.items() if not name.startswith(OF_D)}
    for name, value in own.items():
        if name not in stored:
            raise ValueError(f"start={path}: its networks are others: {name} is not among its weights.")
        there, here = tuple(stored[name].shape), tuple(value.shape)
        if there != here:
            raise ValueError(
                f"start={path}: its networks are others: {name} is of {there} there, {here} here; give "
                "the model, channels, resolution and classes of that run."
            )
        value.copy_(stored[name])
