"""Numbers of the generator while it trains, and which moment was the best so far."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer

from gantool.build import whole
from gantool.callbacks.checkpoints import Best, passed
from gantool.data.image_set import ImageSet
from gantool.gan import GAN
from gantool.measure import Request, Subject, measure, together
from gantool.metrics.metric import Direction, Metric
from gantool.mistakes import suggestion

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Measured:
    """What metrics are asked of one subject."""

    requests: list[Request]
    subject: Subject


@final
class Evaluation(Callback):
    """Logs `metric/NAME` of a copy of the generator, by images seen; training goes on undisturbed.

    Stands before what writes checkpoints, which know the best value so far.

    Args:
        measured: what is to be found out.
        every: images between two evaluations; 0 = only at the end.
        end: images at the end of training: a run that stops early is not measured there, or it would log
            what it would not have logged on its way.
        best: remembers; None = nobody wants to know.
    """

    def __init__(self, measured: list[Measured], every: int, end: int, best: Best | None):
        self.measured = measured
        self.every = every
        self.end = end
        self.best = best
        self.before = 0
        self.last: dict[str, float] = {}  # by column

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.before = pl_module.images

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        assert isinstance(pl_module, GAN)
        before, self.before = self.before, pl_module.images
        if passed(self.every, before, pl_module.images) or pl_module.images >= self.end:
            self.evaluate(trainer, pl_module)

    def evaluate(self, trainer: Trainer, gan: GAN) -> None:
        """In every process, each of which learns all numbers."""
        found = [one for it in self.measured for one in measure(it.requests, it.subject, gan.share)]
        self.last = {column(name): value for one in found for name, value in one.values.items()}
        if self.best is not None:
            self.best.learn(self.last, gan.images)
        if trainer.is_global_zero:
            log.info("at %d images: %s", gan.images, listed(self.last))
        for logger in trainer.loggers:
            logger.log_metrics(self.last, step=gan.images)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.best is not None:
            checkpoint["best"] = self.best.state

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.best is not None and "best" in checkpoint:
            self.best.recall(checkpoint["best"])

    def rows(self, folder: Path) -> list[tuple[str, str]]:
        """The last numbers and the best, for people: lines of a label and a text."""
        rows = [("Evaluation", listed(self.last))] if self.last else []
        if self.best is not None and self.best.value is not None:
            number = listed({self.best.column: self.best.value})
            rows.append(
                ("Best", f"{number} at {self.best.images:,} images: {folder / 'checkpoints' / 'best.ckpt'}")
            )
        return rows


def evaluation_of(
    cfg: DictConfig,
    gan: GAN,
    images: ImageSet,
    held_out: ImageSet | None,
    device: torch.device,
    insists: bool,
    tell: Callable[[str], None],
) -> Evaluation | None:
    """What `metrics`, `evaluate_every` and `best` ask for, ready; None where there is nothing to measure.

    Args:
        cfg: of the training.
        gan: to be measured.
        images: that it learns from.
        held_out: those that it never sees; None = there are none.
        device: of the training.
        insists: the metrics were asked for by name: what cannot be measured is then an error.
        tell: takes a sentence about what is left out.

    Raises ValueError for metrics that cannot be had, and for a `best` that is none of them.
    """
    whole(cfg, "evaluate_every", least=0)
    requests: dict[bool, list[Request]] = {True: [], False: []}  # of metrics of images alike, and of others
    for name, metric in instantiate(cfg.metrics, _convert_="all").items():
        metric.check(gan.task, cfg.data)
        if metric.alike and held_out is None:
            if insists:
                raise ValueError(f"metrics={name}: {nothing_held_out(cfg.data)}")
            tell(f"metrics={name} is left out: {nothing_held_out(cfg.data)}")
            continue
        those = held_out if metric.alike and held_out is not None else images
        count = metric.prepare(cfg.data, those, device, tell)
        requests[metric.alike].append(Request(metric, count))
    measured: list[Measured] = []
    for alike, of_kind in requests.items():
        those = held_out if alike and held_out is not None else images
        subject = Subject(gan, cfg, those, seed=0, together=together(cfg, alike))
        measured += [Measured(of_kind, subject)] if of_kind else []
    best = best_of(cfg, [it.metric for each in measured for it in each.requests], gan)
    return Evaluation(measured, cfg.evaluate_every, cfg.images, best) if measured else None


def best_of(cfg: DictConfig, metrics: list[Metric], gan: GAN) -> Best | None:
    """What best.ckpt is best in. Raises ValueError for a column that is not measured."""
    wanted = cfg.best.metric
    direction: Direction | Literal["auto"] = cfg.best.direction
    if direction not in ("auto", "minimize", "maximize"):
        raise ValueError(f"best.direction={direction}: give auto, minimize or maximize.")
    known: dict[str, Direction] = {}
    for metric in metrics:
        known |= {column(name): better for name, better in metric.columns(gan.task).items()}
    if wanted == "auto":
        deciding = [column(it.deciding) for it in metrics if it.deciding is not None]
        wanted = next((name for name in deciding if name in known), None)
    if wanted is None:
        return None
    if wanted not in known:
        cure = suggestion(str(wanted), list(known)) if known else "This run measures nothing; see metrics."
        raise ValueError(f"best.metric={wanted}: no such number is measured. {cure}")
    return Best(wanted, known[wanted] if direction == "auto" else direction)


def held_out_of(cfg: DictConfig) -> ImageSet | None:
    """The images that training never sees; None where there are none."""
    if "held_out" not in cfg.data or cfg.data.get("hold_out") == 0:
        return None
    return instantiate(cfg.data.held_out)


def nothing_held_out(data: DictConfig) -> str:
    """Why there is nothing to measure on, and what to do about it."""
    if "hold_out" in data:
        return "nothing is held out of the data; data.hold_out=50 keeps 50 images back to measure on."
    return "this data set holds nothing out; use one of your own with data.hold_out=50, or a published one."


def column(name: str) -> str:
    """In metrics.csv."""
    return f"metric/{name}"


def listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name.removeprefix('metric/')} {value:.4g}" for name, value in values.items())
