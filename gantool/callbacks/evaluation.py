"""Numbers of the generator while it trains, which moment was the best so far, and when there is no hope."""

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
from gantool.measure import Request, by_sight, measure
from gantool.metrics.metric import Direction, Metric
from gantool.mistakes import suggestion
from gantool.protocols import Protocols
from gantool.subject import Subject, together

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
        patience: images without a better value of that after which training ends, in all processes at once,
            as they know the same numbers; None = never. Only an evaluation ends it, so that none is missing.
    """

    def __init__(
        self, measured: list[Measured], every: int, end: int, best: Best | None, patience: int | None
    ):
        self.measured = measured
        self.every = every
        self.end = end
        self.best = best
        self.patience = patience
        self.before = 0
        self.latest = 0  # images at the last evaluation
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
        self.latest = gan.images
        if trainer.is_global_zero:
            log.info("at %d images: %s", gan.images, listed(self.last))
        for logger in trainer.loggers:
            logger.log_metrics(self.last, step=gan.images)
        if self.hopeless:
            trainer.should_stop = True
            if trainer.is_global_zero:
                log.info("training ends early: %s", self.reason)

    @property
    def hopeless(self) -> bool:
        """Whether patience is at its end."""
        if self.best is None or self.patience is None:
            return False
        return self.latest - self.best.images >= self.patience

    @property
    def reason(self) -> str:
        assert self.best is not None
        name, waited = self.best.column, self.latest - self.best.images
        return f"{name} has not become better for {waited:,} images (patience={self.patience})"

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.best is not None:
            checkpoint["best"] = self.best.state
            checkpoint["evaluated"] = self.latest

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self.recall(checkpoint)

    def recall(self, checkpoint: dict[str, Any]) -> None:
        """Go on waiting; from now on, where nothing was measured before, or something else."""
        if self.best is None:
            return
        self.best.images = self.latest = checkpoint["clock"]["images"]
        if "best" in checkpoint:
            self.best.recall(checkpoint["best"])
            self.latest = checkpoint["evaluated"]

    def refuse_hopeless(self, checkpoint: dict[str, Any], folder: Path) -> None:
        """Raise ValueError for a run that has ended already."""
        self.recall(checkpoint)
        if self.hopeless:
            raise ValueError(
                f"{folder} has ended at {self.latest:,} images: {self.reason}; give a larger patience=, or "
                "patience=null, to go on."
            )

    def protocols(self) -> Protocols:
        """Of each column: whether more or less of it is better, and how it is measured."""
        return {
            column(name): {"direction": better, "protocol": protocol(it.metric, each.subject)}
            for each in self.measured
            for it in each.requests
            for name, better in it.metric.columns(each.subject.gan.task).items()
        }

    def rows(self, folder: Path) -> list[tuple[str, str]]:
        """The last numbers and the best, for people: lines of a label and a text."""
        rows = [("Evaluation", listed(self.last))] if self.last else []
        if self.hopeless and self.latest < self.end:
            onward = f"go on with: gantool train resume={folder} patience=null"
            rows.append(("Ended early", f"at {self.latest:,} images, as {self.reason}; {onward}"))
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
    """What `metrics`, `evaluate_every`, `best`, `patience` ask for; None where there is nothing to measure.

    Args:
        cfg: of the training.
        gan: to be measured.
        images: that it learns from.
        held_out: those that it never sees; None = there are none.
        device: of the training.
        insists: the metrics were asked for by name: what cannot be measured is then an error.
        tell: takes a sentence about what is left out.

    Raises ValueError for metrics that cannot be had, for a `best` that is none of them, and for patience
    without anything to wait for.
    """
    whole(cfg, "evaluate_every", least=0)
    if cfg.patience is not None:
        check_patience(cfg)
    metrics: dict[str, Metric] = instantiate(cfg.metrics, _convert_="all")
    wanted: list[tuple[str, Metric]] = []
    for name, metric in metrics.items():
        metric.check(gan.task, cfg.data)
        if metric.sight.held_out and held_out is None:
            if insists:
                raise ValueError(f"metrics={name}: {nothing_held_out(cfg.data)}")
            tell(f"metrics={name} is left out: {nothing_held_out(cfg.data)}")
            continue
        wanted.append((name, metric))
    measured: list[Measured] = []
    for sight, some in by_sight(wanted).items():
        those = held_out if sight.held_out and held_out is not None else images
        requests = [Request(it, it.prepare(cfg.data, those, device, tell)) for it in some.values()]
        size = together(cfg, gan.task.translates)
        measured.append(Measured(requests, Subject(gan, cfg, those, seed=0, together=size)))
    best = best_of(cfg, [it.metric for each in measured for it in each.requests], gan)
    if cfg.patience is not None and best is None:
        raise ValueError(
            f"patience={cfg.patience} waits for a better best.metric, but best.metric={cfg.best.metric} "
            "names no number of this run: name one, as best.metric=metric/NAME, or give patience=null."
        )
    return Evaluation(measured, cfg.evaluate_every, cfg.images, best, cfg.patience) if measured else None


def check_patience(cfg: DictConfig) -> None:
    """Raise ValueError for patience that is no number, or would never end for want of evaluations."""
    whole(cfg, "patience", least=1)
    for key, empty, cure in (
        ("evaluate_every", not cfg.evaluate_every, "give evaluate_every=10_000, or fewer"),
        ("metrics", not cfg.metrics, "choose metrics=NAME (see gantool list metrics)"),
    ):
        if empty:
            none = "0" if key == "evaluate_every" else "[]"
            raise ValueError(
                f"patience={cfg.patience} waits for better numbers, but {key}={none} measures none on the "
                f"way: {cure}, or patience=null."
            )


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


def protocol(metric: Metric, subject: Subject) -> str:
    """How a metric, once prepared, measures a generator, in one line."""
    return "; ".join(part for part in (metric.protocol, metric.sight.protocol(subject)) if part)


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
