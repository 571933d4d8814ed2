"""Numbers to curves: one row per `every` iterations, and not a moment's work between them."""

import time
from typing import Any, final

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from gantool.gan import GAN


@final
class Curves(Callback):
    """Logs every loss by its name in the configuration, D's mean logits, what schedules move, and the speed.

    Args:
        every: iterations between two rows.
    """

    def __init__(self, every: int):
        self.every = every
        self.values: dict[str, float] = {}  # of the last row
        self.began = self.then = time.perf_counter()
        self.images = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.began = self.then = time.perf_counter()
        self.images = pl_module.images

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any
    ) -> None:
        assert isinstance(pl_module, GAN)
        pl_module.watched = (pl_module.iteration + 1) % self.every == 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        if not pl_module.watched:
            return
        names = list(pl_module.latest)
        losses = torch.stack([value.float() for value in pl_module.latest.values()])
        numbers = trainer.strategy.reduce(losses, reduce_op="mean").tolist()  # one transfer
        now = time.perf_counter()
        self.values = dict(zip(names, numbers, strict=True)) | moving(pl_module)
        self.values["speed/images_per_second"] = (pl_module.images - self.images) / (now - self.then)
        self.then, self.images = now, pl_module.images
        for logger in trainer.loggers:
            logger.log_metrics(self.values, step=pl_module.images)


def moving(gan: GAN) -> dict[str, float]:
    """Hyper-parameters that a schedule moves, as the optimizers have them now."""
    values: dict[str, float] = {}
    for player, optimizer in zip("DG", gan.trainer.optimizers, strict=True):
        for name in gan.recipes[player].moving:  # pyright: ignore
            value = optimizer.param_groups[0][name]
            if isinstance(value, float):
                values[f"optimizer/{player}_{name}"] = value
    return values
