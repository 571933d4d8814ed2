"""What tests share: composed configurations and tiny runs."""

import re
from pathlib import Path

from hydra import compose, initialize_config_module
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from torch import Tensor

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
FOLDER = Path(__file__).parent.parent / "conf" / "model"
MODELS = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def data_of(model: str) -> str:
    """What a model learns from, by the task that its file chooses and the keys that its networks ask for."""
    text = (FOLDER / f"{model}.yaml").read_text()
    task = re.search(r"override /task: (\w+)", text)
    if "data.scale" in text:
        return "data=synthetic_superres"
    kinds = {
        "paired": "synthetic_pairs",
        "unpaired": "synthetic_piles",
        "video": "moving_shapes",
        "text": "captioned_shapes",
    }
    return f"data={kinds.get(task[1] if task else '', 'synthetic')}"


def phases_of(model: str) -> list[str]:
    """Both phases of a model within two iterations, and features that need no file, where it has them."""
    text = (FOLDER / f"{model}.yaml").read_text()
    needed = {"\npretrain:": "pretrain=8", "\nperceptual:": "perceptual.weights=random"}
    return [override for key, override in needed.items() if key in text]


TOLD = [model for model in MODELS if data_of(model) == "data=captioned_shapes"]  # captions
TRANSLATORS = [model for model in MODELS if data_of(model) != "data=synthetic" and model not in TOLD]
AUTOENCODERS = [model for model in MODELS if "task: autoencoding" in (FOLDER / f"{model}.yaml").read_text()]
OF_IMAGES = [*TRANSLATORS, *AUTOENCODERS]  # the others make images of latents


def small(*overrides: str) -> list[str]:
    """These overrides behind what makes a run tiny, with data that suit the model among them."""
    models = [override.removeprefix("model=") for override in overrides if override.startswith("model=")]
    phases = [override for model in models for override in phases_of(model)]
    return [*SMALL, *map(data_of, models), *phases, *overrides]


def composed(*overrides: str, name: str = "train") -> DictConfig:
    """What the command line would compose."""
    with initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = compose(name, overrides=list(overrides))
    OmegaConf.set_struct(cfg, False)
    return cfg


def batch_of(cfg: DictConfig, count: int) -> dict[str, Tensor]:
    """`count` samples of the data of a configuration, as a task gets them."""
    from gantool.data.module import ImageData

    return ImageData(instantiate(cfg.data.set), batch_size=count, seed=0).preview(count)


def trained(folder: Path, *overrides: str) -> int:
    """`gantool train` of a small model on synthetic images; answers the exit code."""
    from gantool.train import train

    return train(composed(*small(*overrides)), folder, list(overrides), Console(quiet=True))
