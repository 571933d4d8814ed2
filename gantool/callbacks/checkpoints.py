"""Writes checkpoints by images seen: last.ckpt again and again, milestones once."""

from pathlib import Path
from typing import Any, final

from pytorch_lightning import Callback, LightningModule, Trainer

from gantool.checkpoint import SCHEMA
from gantool.gan import GAN


@final
class Checkpoints(Callback):
    """Keeps `checkpoints/last.ckpt` at most `every` images old.

    Args:
        folder: of the run.
        config: plain containers; goes into every checkpoint, so that it describes itself.
        every: images between two writings; 0 = only at the end.
        milestone_every: images between two checkpoints that stay; 0 = none.
    """

    def __init__(self, folder: Path, config: dict[str, Any], every: int, milestone_every: int):
        self.folder = folder / "checkpoints"
        self.config = config
        self.every = every
        self.milestone_every = milestone_every
        self.before = 0  # images at the end of the last iteration
        self.written = 0  # images at the last writing of last.ckpt

    @property
    def last(self) -> Path:
        return self.folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.before = self.written = pl_module.images

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        before, now = self.before, pl_module.images
        self.before = now
        if passed(self.milestone_every, before, now):
            trainer.save_checkpoint(self.folder / f"{now:09d}.ckpt")
        if passed(self.every, before, now) or trainer.should_stop:
            trainer.save_checkpoint(self.last)
            self.written = now

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["gantool"] = {"schema": SCHEMA, "config": self.config}


def passed(every: int, before: int, now: int) -> bool:
    """Whether a multiple of `every` lies in (before, now]."""
    return every > 0 and before // every < now // every
