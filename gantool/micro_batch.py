"""Where a training runs out of memory: the largest micro-batch that fits, found by trying."""

import gc
from pathlib import Path
from typing import Any, final

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.nn.modules.batchnorm import _BatchNorm

from gantool import machine
from gantool.batches import sizes
from gantool.build import build
from gantool.data.image_set import ImageSet
from gantool.fit import data_of, trainer_of
from gantool.forecast import halves
from gantool.gan import GAN
from gantool.memory import OutOfMemory, named
from gantool.plan import Plan

ENOUGH = 2  # iterations: in the second the optimizers have their memory, too


def advice(plan: Plan, images: ImageSet, shortage: str) -> str:
    """What ran out of memory, what fits, and what is left of the run. Tries, so it takes some seconds."""
    cfg: DictConfig = OmegaConf.create(plan.config)
    largest = sizes(cfg, "batch_size")[0]
    size = min(cfg.micro_batch or largest, largest)
    last = Path(plan.folder) / "checkpoints" / "last.ckpt"
    resume = f"; go on from {last}: gantool train resume={plan.folder}" if last.exists() else ""
    if not machine.single(cfg):
        half = "" if cfg.micro_batch is None else f", such as {max(1, size // 2)}"
        return f"{shortage}; give a smaller micro_batch{half} (same gradient, less memory){resume}"
    fitting = next((smaller for smaller in halves(size) if fits(plan, images, smaller)), None)
    if fitting is None:
        cure = "use a smaller batch_size, networks or images"
        return f"{shortage} with micro_batch={size}, and micro_batch=1 does not fit either: {cure}{resume}"
    if fitting == size:
        cause = f"something else took the memory: free it, or lower samples={cfg.samples}"
        return f"{shortage}, but iterations with micro_batch={size} fit: {cause}{resume}"
    same = (
        "less memory, but batch norm then sees smaller batches"
        if normed(cfg)
        else "same gradient, less memory"
    )
    found = f"micro_batch={fitting} fits: add micro_batch={fitting} ({same})"
    return f"{shortage} with micro_batch={size}; {found}" + (
        f"{resume} micro_batch={fitting}" if resume else ""
    )


def fits(plan: Plan, images: ImageSet, size: int) -> bool:
    """Whether a fresh copy of the GAN trains with micro-batches of `size` images."""
    free()
    try:
        attempt(plan, images, size)
    except OutOfMemory:
        return False
    finally:
        free()
    return True


@named()
def attempt(plan: Plan, images: ImageSet, size: int) -> None:
    cfg: DictConfig = OmegaConf.create({**plan.config, "micro_batch": size})
    gan = build(cfg)
    gan.objective.prepare()
    if plan.clock is not None:
        gan.on_load_checkpoint({"clock": plan.clock})
    trainer_of(cfg, [], [Attempt()]).fit(gan, data_of(cfg, images))


@final
class Attempt(Callback):
    """Ends training once it has shown how much memory it takes, in iterations where all terms are due."""

    def __init__(self):
        self.iterations = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any
    ) -> None:
        assert isinstance(pl_module, GAN)
        pl_module.iteration = 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        self.iterations += 1
        trainer.should_stop = self.iterations == ENOUGH


def free() -> None:
    """A GAN and its trainer hang together in circles."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def normed(cfg: DictConfig) -> bool:
    return any(isinstance(module, _BatchNorm) for module in build(cfg).modules())
