"""What tests share: composed configurations and tiny runs."""

from pathlib import Path

from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

# 16-pixel images and the narrowest networks that still are what they are.
SMALL = (
    "data=synthetic",
    "data.width=4",
    "images=64",
    "batch_size=8",
    "generator_batch_size=8",
    "samples=4",
    "logger=none",
    "trainer.accelerator=cpu",
)
MODELS = sorted(path.stem for path in (Path(__file__).parent.parent / "conf" / "model").glob("*.yaml"))


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """What the command line would compose."""
    with initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = compose(name, overrides=list(overrides))
    OmegaConf.set_struct(cfg, False)
    return cfg


def trained(folder: Path, *overrides: str) -> int:
    """`gantool train` of a small model on synthetic images; answers the exit code."""
    from gantool.train import train

    return train(composed(*SMALL, *overrides), folder, list(overrides), Console(quiet=True))
