"""What `run=` names, opened: a checkpoint, or a file that `gantool export` has written."""

from pathlib import Path

from omegaconf import DictConfig

from gantool import artefact, checkpoint
from gantool.gan import GAN
from gantool.runs import EXPORTED


def load(path: Path, trust: bool = False) -> tuple[GAN, DictConfig]:
    """The GAN in a file, on the CPU and ready to generate, and the configuration of its training.

    Args:
        path: of the file.
        trust: build whatever classes it names, not only ours and torch's.
    """
    return artefact.load(path, trust) if path.suffix == EXPORTED else checkpoint.load(path, trust)
