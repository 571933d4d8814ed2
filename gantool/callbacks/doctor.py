"""Looks after the game of the two players: numbers for the log, and a sentence when something goes wrong."""

import logging
from collections.abc import Callable
from functools import partial
from math import isfinite
from statistics import median
from typing import Any, final

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import Optimizer

from gantool.batches import sizes
from gantool.build import whole
from gantool.callbacks.checkpoints import passed
from gantool.callbacks.curves import Curves
from gantool.data.image_set import ImageSet
from gantool.divergence import gradients
from gantool.doctor.cures import untried
from gantool.doctor.examination import Examination, passes_of, some
from gantool.doctor.sign import Moment, Numbers
from gantool.doctor.signs import signs
from gantool.gan import GAN
from gantool.teams import members

log = logging.getLogger(__name__)


@final
class Doctor(Callback):
    """Logs `health/NAME`: some with every row of the curves, the others of copies every so many images.

    Rows tell gradients, and how undecided D is: its loss, as a multiple of that of a D which holds all images
    equally likely real and fake. An examination asks the signs, with the medians of the rows since the last
    one. Training goes on undisturbed, and no value is looked at but where the curves look at theirs.

    Stands behind the curves, and before what writes checkpoints, which keep what it remembers.

    Args:
        curves: know the numbers of the last row.
        every: images between two examinations.
        end: images at the end of training.
        examination: of one process, which speaks for all; None in the others.
        tell: takes a sentence.
    """

    def __init__(
        self,
        curves: Curves,
        every: int,
        end: int,
        examination: Examination | None,
        tell: Callable[[str], None],
    ):
        self.curves = curves
        self.every = every
        self.end = end
        self.examination = examination
        self.tell = tell
        self.signs = signs()
        self.rows: list[Numbers] = []  # since the last examination
        self.before = 0  # images at the end of the last iteration

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.before = pl_module.images

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Before gradients are clipped; put where the curves will find it."""
        assert isinstance(pl_module, GAN)
        if not pl_module.watched:
            return
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        player = "DG"[trainer.optimizers.index(optimizer)]
        norm = nn.utils.get_total_norm(gradients(parameters))
        pl_module.latest[f"health/{player}_gradient"] = norm.detach()
        undecided, loss = pl_module.objective.adversarial.undecided, pl_module.latest.get("D/adversarial")
        if player == "G" and undecided and loss is not None:
            duels = len(list(members(pl_module.task.D)))
            pl_module.latest["health/uncertainty"] = loss / (duels * undecided)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        before, self.before = self.before, pl_module.images
        if self.examination is None:
            return
        if pl_module.watched:
            self.rows.append(row(self.curves.values))
        if passed(self.every, before, pl_module.images):
            self.examine(trainer, pl_module, self.examination)

    def examine(self, trainer: Trainer, gan: GAN, examination: Examination) -> None:
        """Of this moment: one row of its own in the log."""
        with trainer.precision_plugin.forward_context():  # the numbers that training computes with
            found = examination(gan, gan.images // self.every)
        for logger in trainer.loggers:
            logger.log_metrics({f"health/{name}": value for name, value in found.items()}, step=gan.images)
        numbers = middle(self.rows) | {name: value for name, value in found.items() if isfinite(value)}
        now = Moment(gan.images, gan.iteration, gan.images / self.end)
        said = [sign.hear(numbers, now) for sign in self.signs.values()]
        self.rows = []
        for sentence in said:
            if sentence is not None:
                self.tell(sentence)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.examination is not None:
            checkpoint["doctor"] = {
                "rows": self.rows,
                "means": self.examination.means,
                "signs": {name: sign.state for name, sign in self.signs.items()},
            }

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.examination is None or "doctor" not in checkpoint:
            return
        state = checkpoint["doctor"]
        self.rows = list(state["rows"])
        self.examination.means = list(state["means"])
        for name, sign in self.signs.items():
            sign.recall(state["signs"][name])


def row(values: dict[str, float]) -> Numbers:
    """What the doctor wants to know of a row of the curves."""
    health = {name.removeprefix("health/"): value for name, value in values.items()}
    names = ("uncertainty", "D_gradient", "G_gradient", "real_logits", "fake_logits")
    return {name: health[name] for name in names if isfinite(health.get(name, torch.nan))}


def middle(rows: list[Numbers]) -> Numbers:
    """The medians of some rows, by name."""
    names = dict.fromkeys(name for it in rows for name in it)
    return {name: median(it[name] for it in rows if name in it) for name in names}


def doctor_of(
    cfg: DictConfig,
    curves: Curves,
    images: ImageSet,
    held_out: ImageSet | None,
    processes: int,
    speaks: bool,
    tell: Callable[[str], None],
) -> Doctor | None:
    """What `health_every` asks for; None where it is 0.

    Args:
        cfg: of the training.
        curves: of the same.
        images: that it learns from.
        held_out: those that it never sees; None = there are none.
        processes: that share a batch.
        speaks: whether this one examines, for all.
        tell: takes a sentence.

    Raises ValueError for a number that it cannot be.
    """
    whole(cfg, "health_every", least=0)
    if not cfg.health_every:
        return None
    examination = None
    if speaks:
        share = sizes(cfg, "batch_size")[0] // processes
        beside = processes if cfg.trainer.get("sync_batchnorm", False) else 1  # whose images share statistics
        together = passes_of(min(share, cfg.micro_batch or share) * beside, cfg.task.get("pack", 1))
        unseen = None if held_out is None else some(held_out, cfg.seed)
        examination = Examination(some(images, cfg.seed), unseen, together, cfg.seed)
    doctor = Doctor(curves, cfg.health_every, cfg.images, examination, tell)
    for sign in doctor.signs.values():
        sign.advise = partial(untried, cfg=cfg)
    return doctor
