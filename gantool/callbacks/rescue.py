"""What happens instead of the end where a loss becomes infinite: `on_divergence`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, final

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from gantool.callbacks.checkpoints import Checkpoints, passed
from gantool.checkpoint import read
from gantool.divergence import Diverged, agreed
from gantool.gan import GAN
from gantool.losses.observed import Observed

WAYS = ("stop", "rollback", "ignore")


@final
class Rollback(Callback):
    """Puts the weights, and what optimizers remember, back to last.ckpt, and goes on more slowly.

    Time goes on: the images that were lost count as seen, so that what comes next are other images and other
    random numbers, schedules move on, and training ends whatever happens. The same seed gives the same
    weights, and a run resumed after it goes on bit for bit: how often this happened, and how slow learning
    became, are in its checkpoints.

    A checkpoint may have been written on the way to the disaster. So the one before stays as earlier.ckpt,
    and is gone back to where a rollback led to another one before the next checkpoint was written; not with
    a disk_budget, in which it has no place.

    Stands behind what writes checkpoints. Writes one at the start, so that there always is a way back.

    Args:
        saves: writes last.ckpt.
        lr: factor of the learning rates of both players, each time.
        times: that it may happen in a run.
        tell: takes a sentence.
    """

    def __init__(self, saves: Checkpoints, lr: float, times: int, tell: Callable[[str], None]):
        self.saves = saves
        self.lr = lr
        self.times = times
        self.tell = tell
        self.done = 0
        self.target = -1  # images of the checkpoint that the last rollback led to

    @property
    def earlier(self) -> Path:
        return self.saves.folder / "earlier.ckpt"

    def keep(self, trainer: Trainer) -> None:
        """Before last.ckpt is replaced; without a copy, as the next one is another file."""
        if trainer.is_global_zero and self.saves.budget is None:
            beside = self.earlier.with_suffix(".part")
            beside.unlink(missing_ok=True)
            beside.hardlink_to(self.saves.last)
            beside.replace(self.earlier)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        gan = pl_module
        gan.rescue = lambda diverged: self.go_back(trainer, gan, agreed(diverged))
        self.saves.write(trainer, self.saves.last, gan.images)

    def go_back(self, trainer: Trainer, gan: GAN, diverged: Diverged) -> None:
        """Raises `diverged` where it happened too often."""
        if self.done == self.times:
            why = f"rollback.times={self.times} are used up, learning rates were {gan.pace:g} of their own."
            give_up(trainer, Diverged(f"{diverged} {why}"))
        self.done += 1
        gan.pace *= self.lr
        gan.watched &= bool(gan.latest)  # without a single whole iteration there are no numbers to log
        stored = read(self.saves.last)
        if stored["clock"]["images"] == self.target and self.earlier.exists():
            stored = read(self.earlier)
        trainer.strategy.barrier()  # the first process may be about to write last.ckpt anew
        self.target = max(self.target, stored["clock"]["images"])
        gan.load_state_dict(stored["state_dict"])
        trainer.strategy.load_optimizer_state_dict(stored)
        for module in gan.modules():
            if isinstance(module, Observed):
                module.clear()
        self.tell(
            f"Rolled back to the weights of {stored['clock']['images']:,} images, since {diverged} Learning "
            f"rates are now {gan.pace:g} of their own (rollback {self.done} of {self.times})."
        )

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["rollbacks"] = self.done

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.done = checkpoint.get("rollbacks", 0)


@final
class Ignore(Callback):
    """Leaves out what remains of an iteration whose loss or gradient is infinite, and its averaging.

    The weights stay as the last good step made them, running statistics as they were before the iteration,
    and optimizers remember nothing of it. Every loss is looked at, which makes an accelerator wait.

    Args:
        times: iterations in a row.
        tell: takes a sentence.
    """

    def __init__(self, times: int, tell: Callable[[str], None]):
        self.times = times
        self.tell = tell
        self.row = 0  # iterations left out, one after another, up to now
        self.left_out = -1  # the last of them
        self.buffers: list[Tensor] = []  # before this iteration

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        gan = pl_module
        gan.careful = True
        gan.rescue = lambda diverged: self.leave_out(gan, agreed(diverged))

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any
    ) -> None:
        self.buffers = [buffer.clone() for buffer in pl_module.buffers()]

    def leave_out(self, gan: GAN, diverged: Diverged) -> None:
        """Raises `diverged` where it happened too often in a row."""
        if self.row == self.times:
            why = f"So it was in ignore.times={self.times} iterations in a row."
            give_up(gan.trainer, Diverged(f"{diverged} {why}"))
        if not self.row:
            self.tell(f"Left out an iteration, since {diverged}")
        self.row, self.left_out = self.row + 1, gan.iteration
        gan.watched &= bool(gan.latest)  # without a single whole iteration there are no numbers to log
        for buffer, before in zip(gan.buffers(), self.buffers, strict=True):
            if buffer.shape == before.shape:
                buffer.data.copy_(before)  # in place: processes average running statistics where they lie
            else:
                buffer.data = before  # a history of fakes, which gets its shape in the first iteration

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        if self.left_out != pl_module.iteration - 1:
            self.row = 0

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["ignored"] = {"row": self.row, "iteration": self.left_out}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if "ignored" in checkpoint:
            self.row, self.left_out = checkpoint["ignored"]["row"], checkpoint["ignored"]["iteration"]


@final
class Halt(Callback):
    """Ends training, in all processes at the same place: none waits for one that is gone."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        pl_module.rescue = lambda diverged: give_up(trainer, agreed(diverged))


def give_up(trainer: Trainer, diverged: Diverged) -> NoReturn:
    """Raises `diverged` in the first process, which says it for all, and SystemExit in the others."""
    if trainer.is_global_zero:
        raise diverged
    raise SystemExit(1)


@final
class Sound(Callback):
    """Looks at all weights before they are written: a checkpoint that cannot be gone on from is none.

    A step may make weights infinite by itself, and an accelerator's losses are looked at only now and then.
    Stands before what writes checkpoints.

    Args:
        saves: writes them.
        rollback: helps; None = nothing does.
    """

    def __init__(self, saves: Checkpoints, rollback: Rollback | None):
        self.saves = saves
        self.rollback = rollback

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        gan, saves = pl_module, self.saves
        due = any(passed(every, saves.before, gan.images) for every in (saves.every, saves.milestone_every))
        best = saves.best is not None and saves.best.images == gan.images
        if not (due or best or trainer.should_stop):
            return
        networks = [gan.task, *([] if gan.G_ema is None else [gan.G_ema])]
        numbers = [*gan.parameters(), *(buffer for network in networks for buffer in network.buffers())]
        weights = [it for it in numbers if it.is_floating_point()]  # what a loss remembers may begin as NaN
        sound = torch.stack([it.isfinite().all() for it in weights]).all()
        if gan.finite(torch.where(sound, 0.0, torch.inf)):
            if self.rollback is not None and (passed(saves.every, saves.before, gan.images)):
                self.rollback.keep(trainer)
            return
        diverged = Diverged(f"weights are infinite at {gan.images:,} images.")
        if self.rollback is None:
            give_up(trainer, diverged)
        self.rollback.go_back(trainer, gan, diverged)


def rescue_of(
    cfg: DictConfig, saves: Checkpoints, tell: Callable[[str], None]
) -> tuple[list[Callback], list[Callback]]:
    """What `on_divergence` asks for: those before what writes checkpoints, and those behind it.

    Raises ValueError for what it does not know, and for numbers that it cannot use.
    """
    if cfg.on_divergence not in WAYS:
        raise ValueError(f"on_divergence={cfg.on_divergence}: give {', '.join(WAYS[:-1])} or {WAYS[-1]}.")
    for key in ("rollback", "ignore"):
        if not isinstance(cfg[key].times, int) or isinstance(cfg[key].times, bool) or cfg[key].times < 1:
            raise ValueError(f"{key}.times={cfg[key].times}: give a whole number of 1 or more.")
    if not isinstance(cfg.rollback.lr, int | float) or not 0 < cfg.rollback.lr <= 1:
        raise ValueError(
            f"rollback.lr={cfg.rollback.lr}: learning rates are multiplied by a number above 0 and up to 1."
        )
    rollback = Rollback(saves, cfg.rollback.lr, cfg.rollback.times, tell)
    if cfg.on_divergence == "rollback":
        return [Sound(saves, rollback)], [rollback]
    way = Ignore(cfg.ignore.times, tell) if cfg.on_divergence == "ignore" else Halt()
    return [way, Sound(saves, None)], []
