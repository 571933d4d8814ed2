"""Where a training runs: on which devices, in how many processes, in what precision."""

from typing import Any

import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from omegaconf import DictConfig, OmegaConf

from gantool import processes
from gantool.checkpoint import AtomicIO
from gantool.layers.synced import Synced
from gantool.sharded import REFUSED
from gantool.strategy import Together

PRECISIONS = ("32-true", "64-true", "bf16-mixed")
HALF = "float16 overflows in penalties, and one loss scale cannot serve two players; "


def single(cfg: DictConfig) -> bool:
    """Whether one process trains alone."""
    return cfg.trainer.strategy == "auto"


def speaks(cfg: DictConfig) -> bool:
    """Whether this process writes files and prints, for itself or for all that train with it."""
    return processes.first() or (single(cfg) and not processes.TorchElasticEnvironment.detect())


def check(cfg: DictConfig) -> None:
    """Raise ValueError for a strategy, a precision or a number of devices that is not offered."""
    strategy, devices = cfg.trainer.strategy, cfg.trainer.devices
    if strategy not in ("auto", "ddp"):
        reason = REFUSED.get(strategy, "give trainer=ddp for several processes, trainer=auto for one.")
        raise ValueError(f"trainer.strategy={strategy}: {reason}")
    if cfg.trainer.precision not in PRECISIONS:
        why = HALF if cfg.trainer.precision == "16-mixed" else ""
        choices = ", ".join(PRECISIONS)
        raise ValueError(f"trainer.precision={cfg.trainer.precision}: {why}choose one of {choices}.")
    started = processes.started_here()
    if single(cfg):
        if devices != 1 and not (OmegaConf.is_list(devices) and len(devices) == 1):
            raise ValueError(f"trainer.devices={devices}: one process trains on one device; add trainer=ddp.")
        if started is not None and processes.TorchElasticEnvironment.detect() and started != (1, 1):
            raise ValueError(
                f"torchrun started {started[0] * started[1]} processes, each of which would train alone: "
                "add trainer=ddp."
            )
        return
    count = len(devices) if OmegaConf.is_list(devices) else devices
    for key, value in (("devices", count), ("num_nodes", cfg.trainer.num_nodes)):
        if value != "auto" and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise ValueError(f"trainer.{key}={cfg.trainer[key]}: give a whole number of 1 or more, or auto.")
    if started is not None:
        for key, value, found in (
            ("devices", count, started[0]),
            ("num_nodes", cfg.trainer.num_nodes, started[1]),
        ):
            if value not in ("auto", found):
                what = "processes on each machine" if key == "devices" else "machines"
                raise ValueError(
                    f"trainer.{key}={cfg.trainer[key]}, but {found} {what} were started; leave it at auto."
                )


def settings(cfg: DictConfig, command: list[str]) -> dict[str, Any]:
    """What Lightning's Trainer wants to know of it.

    Args:
        cfg: the configuration.
        command: starts another process of this training.
    """
    torch.backends.cuda.matmul.allow_tf32 = cfg.trainer.tf32
    torch.backends.cudnn.allow_tf32 = cfg.trainer.tf32
    devices: Any = OmegaConf.to_container(cfg)["trainer"]["devices"]  # pyright: ignore
    common = {"accelerator": cfg.trainer.accelerator, "precision": cfg.trainer.precision}
    if single(cfg):
        return {**common, "devices": devices, "plugins": [AtomicIO(), LightningEnvironment()]}
    local, machines = processes.started_here() or (devices, cfg.trainer.num_nodes)
    return {
        **common,
        "strategy": Together(command),
        "devices": local if devices == "auto" else devices,
        "num_nodes": 1 if machines == "auto" else machines,
        "plugins": [AtomicIO(), *([Synced()] if cfg.trainer.sync_batchnorm else [])],
    }
