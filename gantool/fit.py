"""One training, in one of its processes: build, fit, say what came of it."""

import errno
import logging
import os
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, Trainer
from rich.console import Console
from rich.markup import escape

from gantool import machine, memory, processes, protocols, summary, surroundings
from gantool.batches import schedule_of, sizes
from gantool.build import build, whole
from gantool.callbacks.checkpoints import Checkpoints, refuse_small, still_needed
from gantool.callbacks.curves import Curves
from gantool.callbacks.doctor import doctor_of
from gantool.callbacks.evaluation import Evaluation, evaluation_of, held_out_of
from gantool.callbacks.film import Film
from gantool.callbacks.progress import Bar
from gantool.callbacks.rescue import rescue_of
from gantool.callbacks.samples import Samples
from gantool.callbacks.stop import Stop
from gantool.checkpoint import read, weight
from gantool.data.image_set import ImageSet
from gantool.data.module import ImageData
from gantool.divergence import Diverged
from gantool.forecast import Length
from gantool.gan import GAN
from gantool.init_from import begin
from gantool.loggers.metrics_csv import MetricsCSV
from gantool.plan import Plan
from gantool.rehearsal import Rehearsal, report
from gantool.runs import checkpoint
from gantool.shares import Share

log = logging.getLogger(__name__)


@memory.named()
def fit(plan: Plan, images: ImageSet, console: Console, command: list[str]) -> int:
    """Train as planned; answers the exit code.

    Args:
        plan: the same for all processes.
        images: the training set.
        console: to write on; only the first process does.
        command: starts another process of this training.
    """
    quiet()
    cfg: DictConfig = OmegaConf.create(plan.config)
    folder = Path(plan.folder)
    speaks = machine.speaks(cfg)
    gan = build(cfg)
    gan.task.suit(images.entries)
    refuse_short(cfg)
    gan.objective.prepare()
    if cfg.init_from is not None and plan.checkpoint is None:
        told = begin(gan, checkpoint(cfg.init_from), plan.config)
        console.print(told, highlight=False, soft_wrap=True, markup=False)
    if plan.clock is not None:
        gan.on_load_checkpoint({"clock": plan.clock})  # for all who ask before Lightning restores the rest
    data = data_of(cfg, images)
    if cfg.dry_run:
        return rehearse(plan, gan, data, console, command)
    curves = Curves(cfg.log_every)
    stop = Stop(cfg.images)
    trainer = trainer_of(cfg, command, [stop, curves])
    held_out = held_out_of(cfg) if speaks or cfg.metrics else None

    def tell(sentence: str) -> None:
        log.info(sentence)
        console.print(sentence, highlight=False, soft_wrap=True, markup=False)

    evaluation = evaluation_of(
        cfg, gan, images, held_out, trainer.strategy.root_device, "metrics" in plan.choices, tell
    )
    doctor = doctor_of(cfg, curves, images, held_out, trainer.world_size, speaks, tell)
    if evaluation is not None and evaluation.patience is not None and plan.checkpoint is not None:
        evaluation.refuse_hopeless(read(Path(plan.checkpoint)), folder)
    best = None if evaluation is None else evaluation.best
    retention = (cfg.milestone_every, cfg.keep_milestones, cfg.disk_budget)
    saves = Checkpoints(folder, plan.config, cfg.checkpoint_every, *retention, best)
    watchers = [it for it in (doctor, evaluation) if it is not None]
    before, behind = rescue_of(cfg, saves, tell)
    trainer.callbacks += [*watchers, *before, saves, *behind]  # pyright: ignore
    first, logger = gan.images, None
    if speaks:
        logger = prepare(plan, trainer, gan, data, held_out, evaluation)
        console.print(summary.before(gan, images, cfg, plan, trainer), highlight=False, soft_wrap=True)
        trainer.callbacks.append(Bar(console, curves, cfg.images))  # pyright: ignore
    if code := attempt(plan, trainer, gan, data, saves):
        return code
    if speaks:
        look = None if logger is None else logger.look
        took, alone = time.perf_counter() - curves.began, not gan.task.translates
        result = summary.after(folder, gan.images - first, took, look, samples_more=alone)
        console.print(result, highlight=False, soft_wrap=True)
        if rows := [] if evaluation is None else evaluation.rows(folder):
            console.print(summary.lines(rows), highlight=False, soft_wrap=True)
        if stop.received is not None:
            resume = f"Stopped by {stop.received.name}; go on with: gantool train resume={folder}"
            console.print(resume, highlight=False, soft_wrap=True)
    return stop.exit_code


def refuse_short(cfg: DictConfig) -> None:
    """Raise ValueError for a training of several phases that ends before its last one begins."""
    if cfg.get("pretrain") is None:
        return
    whole(cfg, "pretrain", least=0)
    if cfg.pretrain > cfg.images:
        raise ValueError(
            f"pretrain={cfg.pretrain}: what is learnt after so many images would never begin, as training "
            f"ends at images={cfg.images}; give more images, or a smaller pretrain, such as "
            f"{round(0.7 * cfg.images)}."
        )


def prepare(
    plan: Plan,
    trainer: Trainer,
    gan: GAN,
    data: ImageData,
    held_out: ImageSet | None,
    evaluation: Evaluation | None,
) -> Any:
    """What one process does for all: the run folder, and who writes into it. Answers the chosen logger.

    Args:
        held_out: what pictures of images are made of, which training never sees; None = there are none.
        evaluation: measures; None = nothing does.
    """
    cfg: DictConfig = OmegaConf.create(plan.config)
    folder, logger = Path(plan.folder), None
    make_room(folder, gan, cfg, evaluation is not None and evaluation.best is not None)
    if "_target_" in cfg.logger:
        logger = instantiate(cfg.logger, folder=folder, images=gan.images)
        if plan.choices:
            logger.log_choices(plan.choices)
    trainer.loggers = [MetricsCSV(folder, gan.images), *([] if logger is None else [logger])]
    shown = data if held_out is None or not gan.task.compares else data_of(cfg, held_out)
    columns = cfg.data.get("columns") or ()
    samples = Samples(
        folder,
        shown.preview(cfg.samples),
        cfg.sample_every,
        logger,
        cfg.seed,
        columns,
        shown.captions(cfg.samples),
    )
    trainer.callbacks.append(samples)  # pyright: ignore
    if logger is not None:
        trainer.callbacks.append(Film(folder, logger))  # pyright: ignore
    if evaluation is not None:
        protocols.note(folder, evaluation.protocols())
    surroundings.note(folder)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg))
    return logger


def attempt(plan: Plan, trainer: Trainer, gan: GAN, data: ImageData, saves: Checkpoints) -> int:
    """Train; answers 1, and says why, for a training that came to nothing."""
    log.info("from %d to %d images", gan.images, plan.config["images"])
    try:
        with processes.together(trainer):
            trainer.fit(gan, data, ckpt_path=plan.checkpoint)
    except Diverged as diverged:
        smaller = "Try smaller optimizer.D.lr and optimizer.G.lr, clip=1"
        cure = f"{smaller}, on_divergence=rollback, or a loss with a penalty."
        say("Training diverged:", f"{diverged} {last_good(saves)} {cure}")
        log.error("training diverged: %s", diverged)
        return 1
    except RuntimeError as error:
        if trainer.world_size == 1 or not processes.lost(error):
            raise
        log.error("another process of this training is gone: %s", error)
        if trainer.is_global_zero:
            say("Another process of this training is gone.", last_good(saves))
        return 1
    log.info("training ends at %d images", gan.images)
    return 0


def rehearse(plan: Plan, gan: GAN, data: ImageData, console: Console, command: list[str]) -> int:
    """Train a little, keep nothing, tell what all of it will take; answers the exit code, 1 = does not fit.

    Raises ValueError where not even that goes well.
    """
    cfg: DictConfig = OmegaConf.create(plan.config)
    stop, rehearsal = Stop(sys.maxsize), Rehearsal(cfg, data)
    trainer = trainer_of(cfg, command, [stop, rehearsal])
    speaks = trainer.is_global_zero
    if speaks:
        intention = summary.before(gan, data.images, cfg, plan, trainer)
        console.print(intention, highlight=False, soft_wrap=True)
    try:
        with processes.together(trainer):
            trainer.fit(gan, data, ckpt_path=plan.checkpoint)
    except Diverged as diverged:
        raise ValueError(f"the dry run diverged: {diverged}") from diverged
    if stop.received is not None or not speaks:
        return stop.exit_code
    text, fits = report(rehearsal, Path(plan.folder), trainer.strategy.root_device)
    console.print(text, highlight=False, soft_wrap=True)
    return 0 if fits else 1


def data_of(cfg: DictConfig, images: ImageSet) -> ImageData:
    return ImageData(
        images,
        schedule_of(cfg, "batch_size"),
        cfg.seed,
        cfg.data.mirror,
        cfg.data.workers,
        cfg.on_device,
        cfg.n_critic,
    )


def trainer_of(cfg: DictConfig, command: list[str], callbacks: list[Callback]) -> Trainer:
    """What runs the loop. Raises ValueError for batches that the processes cannot share equally."""
    trainer = Trainer(
        callbacks=callbacks,
        **machine.settings(cfg, command),
        max_epochs=-1,  # Stop ends training
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,  # the order of the data is ours
    )
    check_share(trainer, cfg)
    processes.spare_signals(trainer)
    return trainer


def check_share(trainer: Trainer, cfg: DictConfig) -> None:
    """Raise ValueError for batches that the processes cannot share equally."""
    share = Share(trainer.global_rank, trainer.world_size)
    pack = cfg.task.get("pack", 1)
    updates = [(name, size) for name in ("batch_size", "generator_batch_size") for size in sizes(cfg, name)]
    for name, size in updates:
        share.check(**{name: size})
    parts = [(name, size // trainer.world_size) for name, size in updates] + [
        ("micro_batch", cfg.micro_batch or pack)
    ]
    for name, size in parts:
        if size % pack:
            raise ValueError(
                f"{name}: {size} images of a process make no packs of {pack} (task.pack); "
                f"use a multiple of {pack * (1 if name == 'micro_batch' else trainer.world_size)}."
            )


def make_room(folder: Path, gan: GAN, cfg: DictConfig, best: bool) -> None:
    """Make sure that the folder is there, can be written and has room for the checkpoints of a whole run."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "the run folder cannot be written", str(folder))
    size = weight(gan)
    refuse_small(cfg.disk_budget, size, cfg.milestone_every > 0, best)
    length = Length.of(cfg, gan.images)
    need = still_needed(folder, size, length.milestones, cfg.keep_milestones, cfg.disk_budget, best)
    free = shutil.disk_usage(folder).free
    if free < need:
        raise ValueError(
            f"{folder}: {free / 1e6:,.0f} MB are free, but checkpoints need {need / 1e6:,.0f} MB. Make "
            "room, or give disk_budget=BYTES, keep_milestones=N or another hydra.run.dir=DIR."
        )


def say(headline: str, text: str) -> None:
    """What went wrong, on stderr, whichever process it went wrong in."""
    sentence = f"[bold red]{headline}[/] {escape(text)}"
    Console(file=sys.stderr, soft_wrap=True).print(sentence, highlight=False)


def last_good(saves: Checkpoints) -> str:
    if not saves.last.exists():
        return "No checkpoint yet."
    folder = saves.folder.parent
    return f"Last good: {saves.last} at {saves.written:,} images; go on: gantool train resume={folder}."


def quiet() -> None:
    """Lightning's chatter goes; what matters to a user is said by the summary."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*in eval mode at the start of training.*")  # the averaged generator
    warnings.filterwarnings("ignore", ".*LeafSpec.*", module="pytorch_lightning")
