"""From a configuration to a GAN."""

import inspect
import re
from functools import cache
from typing import Any

import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from gantool import catalogue
from gantool.augment.augment import Augment, Chain
from gantool.batches import schedule_of, sizes
from gantool.compiled import backend_of, compile_players
from gantool.gan import GAN
from gantool.optim import Recipe
from gantool.tasks.task import Player, Task

DATA = "gantool.data."
APART = ("data", "metrics", "logger")
TRUSTED = (
    "gantool.augment.",
    DATA,
    "gantool.growth",
    "gantool.inits",
    "gantool.layers.",
    "gantool.loggers.",
    "gantool.losses.",
    "gantool.metrics.",
    "gantool.models.",
    "gantool.priors",
    "gantool.schedules",
    "gantool.tasks.",
    "torch.nn.",
    "torch.optim.",
)


def build(config: DictConfig) -> GAN:
    """The GAN of a resolved configuration, with its first weights.

    Raises ValueError where parts do not fit.
    """
    check(config)
    backend = backend_of(config.compile)
    torch.manual_seed(config.seed)
    task = instantiate(config.task, _convert_="all")
    for player, network in (("D", task.D), ("G", task.G)):
        instantiate(config.init[player])(network)
    refuse_single(task, config)
    gan = assemble(config, task)
    if config.trainer.precision == "64-true":
        gan.double()  # Lightning would do so after a checkpoint has been read into float32
    if backend is not None:
        compile_players(task, backend)
    return gan


def assemble(config: DictConfig, task: Task) -> GAN:
    """The GAN around a task."""
    return GAN(
        task=task,
        objective=instantiate(config.loss, _convert_="all"),
        recipes={"D": recipe_of(config, "D"), "G": recipe_of(config, "G")},
        augment=augment_of(config),
        n_critic=config.n_critic,
        n_generator=config.n_generator,
        generator_batch_size=schedule_of(config, "generator_batch_size"),
        share_fakes=config.share_fakes,
        ema=instantiate(config.ema) if OmegaConf.is_dict(config.ema) else config.ema,
        micro_batch=config.micro_batch,
        freeze={"D": config.freeze.D, "G": config.freeze.G},
        clip=config.clip,
        channels_last=config.channels_last,
        seed=config.seed,
    )


def augment_of(config: DictConfig) -> Augment | None:
    """All chosen augmentations, one after another in the order in which they were chosen."""
    steps = list(instantiate(config.augment, _convert_="all").values())
    return Chain(steps) if steps else None


def recipe_of(config: DictConfig, player: Player) -> Recipe:
    """A player's optimizer. Raises ValueError, naming the key, for numbers that it does not take."""
    recipe = Recipe(instantiate(config.optimizer[player], _convert_="all"))
    try:
        recipe.optimizer([nn.Parameter(torch.zeros(1))])
    except (TypeError, ValueError) as error:
        raise ValueError(f"optimizer.{player}: {error}.") from error
    return recipe


def check(config: DictConfig) -> None:
    """Raise ValueError for numbers that no training can have, before anything is built."""
    for key in ("images", "n_critic", "n_generator", "log_every", "samples"):
        whole(config, key, least=1)
    for key in ("sample_every", "checkpoint_every", "milestone_every", "seed"):
        whole(config, key, least=0)
    for key in ("micro_batch", "keep_milestones", "disk_budget"):
        if config[key] is not None:
            whole(config, key, least=1)
    for player, layers in config.freeze.items():
        if not isinstance(layers, int) or isinstance(layers, bool) or layers < 0:
            raise ValueError(f"freeze.{player}={layers}: give a number of layers, 0 or more.")
    if not isinstance(config.dry_run, bool):
        raise ValueError(f"dry_run={config.dry_run}: give true or false.")
    if not OmegaConf.is_dict(config.ema) and not (isinstance(config.ema, int | float) and config.ema >= 0):
        raise ValueError(
            f"ema={config.ema}: the half-life of the averaged generator is a number of images, or 0."
        )
    if config.clip is not None and not (isinstance(config.clip, int | float) and config.clip > 0):
        raise ValueError(f"clip={config.clip}: the largest norm of a gradient is a positive number, or null.")
    if config.n_critic > 1 and config.n_generator > 1:
        raise ValueError(
            f"n_critic={config.n_critic} n_generator={config.n_generator}: one player moves more often than "
            "the other; set one of them to 1."
        )
    of_G, of_D = (sizes(config, key) for key in ("generator_batch_size", "batch_size"))
    most = config.n_critic * of_D[-1]
    if of_G != of_D and of_G[0] > most:
        raise ValueError(
            f"generator_batch_size={of_G[0]} is more than the {most} images of an "
            f"iteration (n_critic * batch_size); use {most} or fewer."
        )
    if config.share_fakes and of_G != of_D:
        raise ValueError(
            f"share_fakes=true lets G judge D's fakes, so generator_batch_size={config.generator_batch_size} "
            f"must be batch_size={config.batch_size}; set share_fakes=false."
        )
    if config.task.get("conditional") and "prior" in config.task and not config.data.classes:
        raise ValueError(
            "This model is conditional, but the data set has no classes: give it class folders or labels, "
            "or set task.conditional=false with networks that take no label."
        )


def refuse_single(task: Task, config: DictConfig) -> None:
    """Raise ValueError where a pass of one image would meet a batch norm over vectors."""
    if not any(isinstance(module, nn.BatchNorm1d) for module in task.modules()):
        return
    for size in sizes(config, "batch_size"):
        piece = min(config.micro_batch or size, size)
        if 1 in (piece, size % piece):
            key = f"batch_size={size}" + (f" micro_batch={piece}" if piece < size else "")
            raise ValueError(
                f"{key}: these networks have batch norm over vectors, which takes two images or more in "
                "every pass; give another size."
            )


def whole(config: DictConfig, key: str, least: int) -> None:
    value = config[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{key}={value}: give a whole number of {least} or more.")


def refuse_foreign_parts(config: dict[str, Any]) -> None:
    """Raise ValueError for anything foreign in a checkpoint's configuration, but in what is read on its own.

    The data, the metrics and the logger are looked at where somebody asks for them.
    """
    refuse_foreign({name: part for name, part in config.items() if name not in APART})


def refuse_foreign(config: Any, key: str = "") -> None:
    """Raise ValueError where a checkpoint's configuration would build more than our things and torch's.

    A checkpoint may come from anywhere, and `_target_` names what to call.
    """
    if isinstance(config, dict):
        if "_target_" in config:
            refuse_target(str(config["_target_"]), key)
        for name, value in config.items():
            refuse_foreign(value, f"{key}.{name}" if key else str(name))
    elif isinstance(config, list):
        for i, value in enumerate(config):
            refuse_foreign(value, f"{key}[{i}]")
    elif isinstance(config, str) and "${" in config:
        raise ValueError(f"{key}={config}: a checkpoint's configuration may not interpolate.")


def refuse_target(target: str, key: str) -> None:
    cure = "if you trust whoever made the checkpoint, add trust=true."
    private = any(part.startswith("_") for part in target.split("."))
    if not target.startswith(TRUSTED) or private:
        raise ValueError(
            f"{key}: the checkpoint wants to build {target}, which is neither gantool's nor torch's; {cure}"
        )
    try:
        kind = get_object(target)
    except Exception as error:
        raise ValueError(
            f"{key}: the checkpoint wants to build {target}, which does not exist here."
        ) from error
    if not inspect.isclass(kind) and not inspect.isfunction(kind):
        raise ValueError(f"{key}: the checkpoint wants to build {target}, which is no class; {cure}")
    if not kind.__module__.startswith(TRUSTED):  # a name that one of our modules imports from elsewhere
        raise ValueError(
            f"{key}: the checkpoint wants to build {target}, which is really {kind.__module__}; {cure}"
        )
    if target.startswith(DATA) and target not in sets():
        raise ValueError(f"{key}: the checkpoint wants to build {target}, which is no set of data; {cure}")


@cache
def sets() -> set[str]:
    """What our own configurations make sets of data by; other functions there write files, or fetch them."""
    texts = (file.read_text(encoding="utf-8") for file in (catalogue.FOLDER / "data").glob("*.yaml"))
    return {target for text in texts for target in re.findall(r"_target_: ([\w.]+)", text)}
