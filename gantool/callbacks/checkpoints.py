"""Writes checkpoints by images seen: last.ckpt, best.ckpt, milestones once; removes old milestones."""

import logging
import re
from math import isnan, nan
from pathlib import Path
from typing import Any, final

from pytorch_lightning import Callback, LightningModule, Trainer

from gantool.checkpoint import SCHEMA
from gantool.gan import GAN
from gantool.metrics.metric import Direction

log = logging.getLogger(__name__)

MILESTONE = re.compile(r"\d{9,}\.ckpt")  # named by images seen
UNFINISHED = re.compile(r"\.(last|best|\d{9,})\.ckpt\.part")  # of a process that was killed while writing
SLACK = 0.01  # of a checkpoint: as much may the next one be larger, whose numbers have more digits


@final
class Best:
    """The best value of a column so far, and when that was.

    Args:
        column: of metrics.csv.
        direction: whether less of it is better, or more.
    """

    def __init__(self, column: str, direction: Direction):
        self.column = column
        self.direction = direction
        self.value: float | None = None  # none yet
        self.images = 0  # of the best value; or where there is none yet, since when it is looked for

    def learn(self, values: dict[str, float], images: int) -> None:
        """Remember the value of this moment if it is better than all before; NaN never is."""
        value = values.get(self.column, nan)
        if isnan(value):
            return
        sign = 1 if self.direction == "maximize" else -1
        if self.value is None or sign * value > sign * self.value:
            self.value, self.images = value, images

    @property
    def state(self) -> dict[str, Any]:
        return {
            "column": self.column,
            "direction": self.direction,
            "value": self.value,
            "images": self.images,
        }

    def recall(self, state: dict[str, Any]) -> None:
        """Go on comparing; not with values of something else."""
        if (state["column"], state["direction"]) == (self.column, self.direction):
            self.value, self.images = state["value"], state["images"]


@final
class Checkpoints(Callback):
    """Keeps `checkpoints/last.ckpt` at most `every` images old, as many milestones as wanted, and best.ckpt.

    Milestones are removed once a newer file is safely there; only a budget removes them before, so that it
    is never exceeded.

    Args:
        folder: of the run.
        config: plain containers; goes into every checkpoint, so that it describes itself.
        every: images between two writings; 0 = only at the end.
        milestone_every: images between two checkpoints that stay; 0 = none.
        keep: milestones that stay, the newest ones; None = all.
        budget: bytes of all files together, the one being written included; None = any number.
        best: has heard of this iteration's numbers before; None = no best.ckpt.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        every: int,
        milestone_every: int,
        keep: int | None,
        budget: int | None,
        best: Best | None = None,
    ):
        self.folder = folder / "checkpoints"
        self.config = config
        self.every = every
        self.milestone_every = milestone_every
        self.keep = keep
        self.budget = budget
        self.best = best
        self.before = 0  # images at the end of the last iteration
        self.written = 0  # images at the last writing of last.ckpt

    @property
    def last(self) -> Path:
        return self.folder / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.before = self.written = pl_module.images
        if trainer.is_global_zero:
            for file in files(self.folder, UNFINISHED):
                file.unlink()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        before, now = self.before, pl_module.images
        self.before = now
        if passed(self.milestone_every, before, now):
            self.write(trainer, self.folder / f"{now:09d}.ckpt", now)
        if self.best is not None and self.best.value is not None and self.best.images == now:
            self.write(trainer, self.folder / "best.ckpt", now)
        if passed(self.every, before, now) or trainer.should_stop:
            self.write(trainer, self.last, now)
            self.written = now

    def write(self, trainer: Trainer, path: Path, now: int) -> None:
        """One file, after what the budget demands and before what `keep` does."""
        if trainer.is_global_zero and self.budget is not None:
            self.shrink(self.budget, now)
        trainer.save_checkpoint(path)
        if trainer.is_global_zero and self.keep is not None:
            for old in self.oldest_first(now)[: -self.keep]:
                remove(old, f"keep_milestones={self.keep}")

    def shrink(self, budget: int, now: int) -> None:
        """Remove milestones until one more checkpoint fits."""
        present = checkpoints(self.folder)
        next_size = (1 + SLACK) * max([file.stat().st_size for file in present], default=0)
        for old in self.oldest_first(now):
            if taken(self.folder) + next_size <= budget:
                return
            remove(old, f"disk_budget={budget}")

    def oldest_first(self, now: int) -> list[Path]:
        """Milestones; those of a future that a run left when it went back come first."""
        found = files(self.folder, MILESTONE)
        return sorted(found, key=lambda file: (int(file.stem) <= now, int(file.stem)))

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["gantool"] = described(self.config, trainer.world_size)


def described(config: dict[str, Any], processes: int) -> dict[str, Any]:
    """What every checkpoint says of itself."""
    return {"schema": SCHEMA, "config": config, "processes": processes}


def passed(every: int, before: int, now: int) -> bool:
    """Whether a multiple of `every` lies in (before, now]."""
    return every > 0 and before // every < now // every


def files(folder: Path, name: re.Pattern[str]) -> list[Path]:
    return [file for file in folder.glob("*") if name.fullmatch(file.name)]


def checkpoints(folder: Path) -> list[Path]:
    """Those that training writes; not what somebody else put beside them."""
    named = [folder / "last.ckpt", folder / "best.ckpt"]
    return [*(file for file in named if file.exists()), *files(folder, MILESTONE)]


def taken(folder: Path) -> int:
    """Bytes of all of them."""
    return sum(file.stat().st_size for file in checkpoints(folder))


def most(size: int, milestones: int, keep: int | None, budget: int | None, best: bool = False) -> int:
    """Bytes that a run's checkpoints take at most: last, best, the milestones that stay, one being written.

    Args:
        size: of one, in bytes.
        milestones: from first to last.
        keep: of them, at most; None = all.
        budget: bytes; None = any number.
        best: whether there will be a best.ckpt.
    """
    stay = milestones if keep is None else min(milestones, keep)
    need = (2 + best + stay) * size
    return need if budget is None else min(need, budget)


def still_needed(
    run: Path, size: int, milestones: int, keep: int | None, budget: int | None, best: bool = False
) -> int:
    """Bytes that the checkpoints of a run will take beside those that they take now.

    Args:
        run: its folder.
        size: of one, in bytes.
        milestones: yet to be written.
        keep: of all milestones, at most; None = all.
        budget: bytes; None = any number.
        best: whether there will be a best.ckpt.
    """
    folder = run / "checkpoints"
    there = len(files(folder, MILESTONE))
    return max(0, most(size, there + milestones, keep, budget, best) - taken(folder))


def refuse_small(budget: int | None, size: int, milestones: bool, best: bool = False) -> None:
    """Raise ValueError for a budget in which last.ckpt, or what is wanted beside it, has no room.

    Args:
        budget: bytes.
        size: of a checkpoint, in bytes.
        milestones: whether any are to be written.
        best: whether there will be a best.ckpt.
    """
    least = round((1 + SLACK) * size * (2 + milestones + best))
    if budget is not None and budget < least:
        beside = ", and milestones one more" if milestones else ""
        beside += ", and best.ckpt one more" if best else ""
        raise ValueError(
            f"disk_budget={budget}: a checkpoint takes {size:,} bytes and last.ckpt is there twice while it "
            f"is replaced{beside}; give {least} or more, or null for no limit."
        )


def remove(file: Path, reason: str) -> None:
    file.unlink()
    log.info("removed %s: %s", file.name, reason)
