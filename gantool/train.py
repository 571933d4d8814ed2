"""gantool train: compose, build, fit."""

import errno
import logging
import os
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Trainer
from rich.console import Console

from gantool import checkpoint, summary
from gantool.build import build, refuse_foreign
from gantool.callbacks.checkpoints import Checkpoints
from gantool.callbacks.curves import Curves
from gantool.callbacks.progress import Bar
from gantool.callbacks.samples import Samples
from gantool.callbacks.stop import Stop
from gantool.data.image_set import ImageSet
from gantool.data.module import ImageData
from gantool.data.module import summary as facts_of
from gantool.gan import GAN, Diverged
from gantool.loggers.metrics_csv import MetricsCSV
from gantool.resume import continued, same_run
from gantool.runs import checkpoint as checkpoint_of

log = logging.getLogger(__name__)
PRECISIONS = ("32-true", "64-true", "bf16-mixed")


def main(cfg: DictConfig) -> None:
    """Train, or go on training.

    Raises SystemExit: 143 after SIGTERM, 130 after Ctrl-C, 1 when training diverged.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    if Path.cwd() in folder.parents:
        folder = folder.relative_to(Path.cwd())
    try:
        code = train(cfg, folder, list(hydra.overrides.task), Console())
    except Exception:
        remove_if_unused(folder)
        raise
    if code:
        raise SystemExit(code)


def train(cfg: DictConfig, folder: Path, overrides: list[str], console: Console) -> int:
    """One run in `folder`; answers the exit code."""
    quiet()
    last, stored = find_checkpoint(cfg, folder)
    if stored is not None and cfg.resume != "auto":
        cfg = continued(stored["gantool"]["config"], cfg, overrides)
    check_machine(cfg)

    images: ImageSet = instantiate(cfg.data.set)
    OmegaConf.update(cfg, "data", facts_of(images), force_add=True)
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # pyright: ignore
    if stored is not None and cfg.resume == "auto":
        same_run(stored["gantool"]["config"], config)
    cfg = OmegaConf.create(config)

    gan = build(cfg)
    if stored is not None:
        gan.on_load_checkpoint(stored)  # the clock, for all who ask before Lightning restores the rest
    if gan.images >= cfg.images:
        raise ValueError(f"{folder} has seen {gan.images:,} images already; give a larger images= to go on.")
    make_room(folder, gan)
    logger = instantiate(cfg.logger, folder=folder, images=gan.images) if "_target_" in cfg.logger else None
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(cfg))

    data = ImageData(images, cfg.n_critic * cfg.batch_size, cfg.seed, cfg.data.mirror, cfg.data.workers)
    numbers = MetricsCSV(folder, gan.images)
    curves = Curves(cfg.log_every)
    stop = Stop(cfg.images)
    saves = Checkpoints(folder, config, cfg.checkpoint_every, cfg.milestone_every)
    samples = Samples(folder, data.preview(cfg.samples), cfg.sample_every, logger, cfg.seed)
    trainer = Trainer(
        accelerator=cfg.trainer.accelerator,
        devices=config["trainer"]["devices"],
        precision=cfg.trainer.precision,
        max_epochs=-1,  # Stop ends training
        logger=[numbers] if logger is None else [numbers, logger],
        callbacks=[stop, curves, samples, saves, Bar(console, curves, cfg.images)],
        plugins=[checkpoint.AtomicIO()],
        use_distributed_sampler=False,  # the order of the data is ours
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    intention = summary.before(gan, images, cfg, folder, str(trainer.strategy.root_device))
    console.print(intention, highlight=False, soft_wrap=True)
    log.info("gantool train %s: from %d to %d images", " ".join(overrides), gan.images, cfg.images)
    first, began = gan.images, time.perf_counter()
    try:
        trainer.fit(gan, data, ckpt_path=last)
    except Diverged as diverged:
        console.print(f"[bold red]Training diverged:[/] {diverged} {advice(saves)}", highlight=False)
        log.error("training diverged: %s", diverged)
        return 1
    log.info("training ends at %d images", gan.images)
    seconds, look = time.perf_counter() - began, None if logger is None else logger.look
    result = summary.after(folder, gan.images - first, seconds, look)
    console.print(result, highlight=False, soft_wrap=True)
    if stop.received is not None:
        resume = f"gantool train resume={folder}"
        console.print(
            f"Stopped by {stop.received.name}; go on with: {resume}", highlight=False, soft_wrap=True
        )
    return stop.exit_code


def find_checkpoint(cfg: DictConfig, folder: Path) -> tuple[Path | None, dict[str, Any] | None]:
    """The checkpoint to go on from and its content, or None twice for a fresh start."""
    if cfg.resume is None:
        if (folder / "config.yaml").exists():
            raise ValueError(
                f"{folder} already holds a run: resume=auto continues it, another hydra.run.dir spares it."
            )
        return None, None
    if cfg.resume == "auto":
        last = folder / "checkpoints" / "last.ckpt"
        if not last.exists():
            return None, None
    else:
        last = checkpoint_of(cfg.resume)
    stored = checkpoint.read(last)
    if not cfg.trust:
        refuse_foreign(stored["gantool"]["config"])
    return last, stored


def check_machine(cfg: DictConfig) -> None:
    """Raise ValueError for a precision or a number of devices that is not offered."""
    if cfg.trainer.precision not in PRECISIONS:
        raise ValueError(f"trainer.precision={cfg.trainer.precision}: choose one of {', '.join(PRECISIONS)}.")
    devices = cfg.trainer.devices
    if devices != 1 and not (OmegaConf.is_list(devices) and len(devices) == 1):
        raise ValueError(
            f"trainer.devices={devices}: training runs on one device; give 1, or a list like [0]."
        )


def make_room(folder: Path, gan: GAN) -> None:
    """Make sure that the folder is there, can be written and has room for checkpoints."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "the run folder cannot be written", str(folder))
    weights = sum(t.numel() * t.element_size() for t in gan.state_dict().values())
    need = 2 * 3 * weights  # two files for a moment, each with weights and two moments of Adam
    free = shutil.disk_usage(folder).free
    if free < need:
        raise ValueError(
            f"{folder}: {free / 1e6:,.0f} MB are free, but checkpoints need {need / 1e6:,.0f} MB."
        )


def remove_if_unused(folder: Path) -> None:
    """A refused request leaves nothing behind: Hydra made the folder, and an empty log, before reading it."""
    empty = folder / "train.log"
    if list(folder.iterdir()) == [empty] and not empty.stat().st_size:
        empty.unlink()
        folder.rmdir()


def advice(saves: Checkpoints) -> str:
    good = (
        f"Last good: {saves.last} at {saves.written:,} images."
        if saves.last.exists()
        else "No checkpoint yet."
    )
    return f"{good} Try smaller optimizer.D.lr and optimizer.G.lr, clip=1, or a loss with a penalty."


def quiet() -> None:
    """Lightning's chatter goes; what matters to a user is said by the summary."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*in eval mode at the start of training.*")  # the averaged generator
    warnings.filterwarnings("ignore", ".*LeafSpec.*", module="pytorch_lightning")
