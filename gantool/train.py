"""gantool train: compose, plan, fit."""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gantool import checkpoint, machine, processes
from gantool.build import refuse_foreign
from gantool.data.image_set import ImageSet
from gantool.data.module import summary as facts_of
from gantool.fit import fit
from gantool.memory import OutOfMemory
from gantool.micro_batch import advice
from gantool.plan import Plan
from gantool.resume import continued, refuse_changed, same_run
from gantool.runs import OUTPUTS
from gantool.runs import checkpoint as checkpoint_of
from gantool.sweeps.job import choices

log = logging.getLogger(__name__)


def main(cfg: DictConfig) -> None:
    """Train, or go on training.

    Raises SystemExit: 143 after SIGTERM, 138 after SIGUSR1, 130 after Ctrl-C, 1 when training failed.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    OmegaConf.update(cfg, "groups", groups(hydra.runtime.choices), force_add=True)
    if Path.cwd() in folder.parents:
        folder = folder.relative_to(Path.cwd())
    silent = not machine.speaks(cfg)
    if silent:
        leave_to_the_first(folder, fixed="hydra.run.dir" in " ".join(hydra.overrides.hydra))
    if hydra.mode == RunMode.MULTIRUN and not machine.single(cfg):
        refuse_repeated_sweep()
    if cfg.dry_run:
        close_log()
    try:
        if hydra.mode == RunMode.MULTIRUN and cfg.dry_run:
            raise ValueError("dry_run=true measures one run: leave -m away.")
        code = train(cfg, folder, list(hydra.overrides.task), Console(quiet=silent))
    except Exception:
        if not silent:
            remove_if_unused(folder)
        raise
    finally:
        if cfg.dry_run and not silent:
            leave_nothing(folder)
    if code:
        raise SystemExit(code)


def groups(choices: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen of each group, but of Hydra's own: its name, or several."""
    return {
        group: choice
        for group, choice in choices.items()
        if not group.startswith("hydra/") and choice not in (None, "null", [])
    }


def train(cfg: DictConfig, folder: Path, overrides: list[str], console: Console) -> int:
    """One run in `folder`; answers the exit code."""
    plan, images = planned(cfg, folder, overrides)
    log.info("gantool train %s", " ".join(overrides))
    with tempfile.TemporaryDirectory(prefix="gantool-") as place:
        file = Path(place) / "plan.json"
        plan.write(file)
        try:
            return fit(plan, images, console, processes.worker(str(file)))
        except OutOfMemory as error:
            shortage = str(error)
            log.info("%s", shortage)
    raise OutOfMemory(advice(plan, images, shortage))  # only here is the memory of the failed training free


def planned(cfg: DictConfig, folder: Path, overrides: list[str]) -> tuple[Plan, ImageSet]:
    """What is to be done, and the images to do it with. Raises ValueError for what cannot be done."""
    last, stored = find_checkpoint(cfg, folder)
    if stored is not None and cfg.resume != "auto":
        cfg = continued(stored["gantool"]["config"], cfg, overrides)
    machine.check(cfg)
    images: ImageSet = instantiate(cfg.data.set)
    facts = facts_of(images)
    if cfg.data.get("hold_out", 0) != 0:
        facts["shown"] = len(images)  # chance holds others out of another number
    if stored is None:
        refuse_typed(cfg, overrides, facts)
    else:
        refuse_changed(stored["gantool"]["config"]["data"], facts)
    OmegaConf.update(cfg, "data", facts, force_add=True)
    config: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # pyright: ignore
    if stored is None:
        return Plan(config, str(folder), choices=choices(overrides)), images
    if cfg.resume == "auto":
        same_run(stored["gantool"]["config"], config)
    seen = stored["clock"]["images"]
    if seen >= config["images"]:
        raise ValueError(f"{folder} has seen {seen:,} images already; give a larger images= to go on.")
    return Plan(config, str(folder), str(last), stored["clock"], stored["gantool"]["processes"]), images


def refuse_typed(cfg: DictConfig, overrides: list[str], facts: dict[str, Any]) -> None:
    """Raise ValueError where the command line says of the data what is not so, such as data.classes=5."""
    for key in (line.partition("=")[0].lstrip("+~") for line in overrides):
        name = key.removeprefix("data.")
        if name == key or name not in facts:
            continue
        said, found = OmegaConf.to_container(cfg.data)[name], facts[name]  # pyright: ignore
        if said is not None and found not in (said, [said]) and said != [found, found]:
            raise ValueError(f"{key}={said}: this data set has {found}; leave it out.")


def find_checkpoint(cfg: DictConfig, folder: Path) -> tuple[Path | None, dict[str, Any] | None]:
    """The checkpoint to go on from and its content, or None twice for a fresh start."""
    if cfg.resume is None:
        if machine.speaks(cfg) and (folder / "config.yaml").exists():  # others may see that of the first
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
    if cfg.trust is not True:
        refuse_foreign(stored["gantool"]["config"])
    return last, stored


def leave_to_the_first(folder: Path, fixed: bool) -> None:
    """A process that torchrun or SLURM started beside the first one keeps no folder and no log of its own."""
    close_log()
    if not fixed:
        remove_if_unused(folder)


def close_log() -> None:
    for handler in list(logging.getLogger().handlers):
        if isinstance(handler, logging.FileHandler):
            logging.getLogger().removeHandler(handler)
            handler.close()


def leave_nothing(folder: Path) -> None:
    """After a dry run: the empty log and the folders that Hydra made for it go."""
    made = folder / "train.log"
    if made.exists() and not made.stat().st_size:
        made.unlink()
    for place in (folder, *(parent for parent in folder.parents if OUTPUTS in (parent, *parent.parents))):
        if place.exists() and not any(place.iterdir()):
            place.rmdir()


def refuse_repeated_sweep() -> None:
    """Raise ValueError where every process would go through the whole sweep by itself."""
    if processes.TorchElasticEnvironment.detect():
        raise ValueError(
            "torchrun would start the sweep once in each process; leave torchrun away: with trainer=ddp "
            "every job of the sweep starts its own processes."
        )


def remove_if_unused(folder: Path) -> None:
    """A refused request leaves nothing behind: Hydra made the folder, and a log, before reading it."""
    made = folder / "train.log"
    if list(folder.iterdir()) == [made]:
        made.unlink()
        folder.rmdir()
