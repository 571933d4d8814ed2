"""Artefacts: a trained generator alone, in a file that describes itself.

A file in the format of safetensors: the weights of the generator that is to be used, and in its metadata,
under `gantool`, a card in JSON. Nothing in it can run.
"""

import json
from pathlib import Path
from typing import Any, final

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from gantool import __version__
from gantool.build import assemble, refuse_foreign_parts
from gantool.gan import GAN
from gantool.layers.resolution import height_and_width
from gantool.truncation import truncate

FORMAT = 1
SGD = {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.0}
AT_REST: dict[str, Any] = {  # instead of what only training needs
    "loss": {
        "_target_": "gantool.losses.objective.Objective",
        "adversarial": {"_target_": "gantool.losses.adversarial.NonSaturating", "weight": 0.0},
    },
    "optimizer": {"D": SGD, "G": SGD},
    "augment": {},
    "ema": 0,
    "clip": None,
    "freeze": {"D": 0, "G": 0},
    "n_critic": 1,
    "n_generator": 1,
    "generator_batch_size": None,
    "share_fakes": False,
    "micro_batch": None,
}
PAST = (
    "init",
    "init_from",
    "logger",
    "resume",
    "sweep",
    "dry_run",
    "rollback",
    "ignore",
)  # of no use any more


@final
class Absent(nn.Module):
    """What stands for D where a file holds the generator alone."""

    def forward(self, *_: Any) -> Any:
        raise ValueError(
            "This file holds a generator without its discriminator: use the run that it comes from."
        )


def write(gan: GAN, card: dict[str, Any], path: Path) -> None:
    """The generator of a GAN and its card; the file is whole or not there."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in weights(gan).items()}
    beside = path.with_name(f".{path.name}.part")
    try:
        save_file(tensors, beside, {"format": "pt", "gantool": json.dumps(card)})
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def weights(gan: GAN) -> dict[str, torch.Tensor]:
    return gan.generator.state_dict()


def card_of(path: Path) -> dict[str, Any]:
    """What a file says of itself. Raises ValueError if it is none of ours."""
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("gantool")
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error
    if text is None:
        raise ValueError(f"{path} is not of gantool: it has no card; gantool export writes one.")
    try:
        card = json.loads(text)
        number = card["format"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged: its card cannot be read.") from error
    if number != FORMAT:
        raise ValueError(
            f"{path} has format {number}, this gantool reads {FORMAT}: use the version that wrote it."
        )
    return card


def load(path: Path, trust: bool = False) -> tuple[GAN, DictConfig]:
    """A GAN whose generator is that of the file, ready to generate, and the configuration of its training.

    Its D is `Absent`.

    Args:
        path: of the file.
        trust: build whatever classes its card names, not only ours and torch's.

    Raises ValueError for a file that is not ours, or would build somebody else's classes.
    """
    card = card_of(path)
    if trust is not True:
        refuse_foreign_parts(card["config"])
    config: DictConfig = OmegaConf.create({**card["config"], **AT_REST})  # pyright: ignore
    gan = assemble(config, instantiate(config.task, _convert_="all"))
    with safe_open(path, "pt") as file:
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    try:
        gan.generator.load_state_dict(stored)
    except RuntimeError as error:
        raise ValueError(f"{path} is damaged: its weights do not fit the generator of its card.") from error
    gan.task.D = Absent()
    gan.images = card["images"]
    truncation = card["truncation"]
    truncate(gan, truncation["threshold"], truncation["layers"])
    return gan.eval(), config


def card(gan: GAN, config: DictConfig, **known: Any) -> dict[str, Any]:
    """What a generator says of itself, as JSON.

    Args:
        gan: whose generator it is.
        config: of its training.
        known: what else is to be said: the truncation, the metrics, the licence, the content of the data.
    """
    plain: Any = OmegaConf.to_container(config)
    data, task, groups = plain["data"], plain["task"], plain.get("groups", {})
    kept = {name: value for name, value in plain.items() if name not in AT_REST and name not in PAST}
    return {
        "format": FORMAT,
        "made_by": f"gantool {__version__}",
        "family": groups.get("model"),
        "task": task["_target_"].rpartition(".")[2],
        "architecture": task["G"],
        "parameters": sum(parameter.numel() for parameter in gan.generator.parameters()),
        "prior": task.get("prior"),
        "conditional": bool(task.get("conditional", False)),
        "classes": list(data["names"]) or [str(number) for number in range(data["classes"])],
        "channels": data["channels"],
        "source_channels": data.get("source_channels"),
        "resolution": list(height_and_width(data["resolution"])),
        "range": [-1, 1],
        "data": {"name": groups.get("data"), "content": known.pop("content", None)},
        "images": gan.images,
        **known,
        "config": kept,
    }
