"""A dry run: train for some seconds, measure, keep nothing, and tell what the whole training will take."""

import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from math import lcm
from pathlib import Path
from typing import Any, final

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback, LightningModule, Trainer

from gantool import batches, memory
from gantool.callbacks.checkpoints import described, still_needed, taken
from gantool.callbacks.progress import duration
from gantool.callbacks.samples import Samples
from gantool.checkpoint import Scales
from gantool.data.module import ImageData
from gantool.forecast import Length, Memory, amount
from gantool.gan import GAN
from gantool.summary import lines

SECONDS = 6.0  # of measuring the speed
LAPS = 20  # of each kind of iteration are enough
LEAST = 3  # of each kind, however long they take
LAP = 0.1  # seconds: shorter iterations are measured several at a time


@final
class Rehearsal(Callback):
    """Lets the GAN train, and measures what one iteration, one picture and one checkpoint take.

    First memory, with micro-batches that grow, and not beyond what there is; then speed. Nothing of it is
    kept, so that the clock may be moved: `iteration` decides which lazy terms are due.

    Args:
        cfg: the configuration.
        data: of the training.
    """

    def __init__(self, cfg: DictConfig, data: ImageData):
        self.cfg = cfg
        self.data = data
        self.processes = 1  # of this machine, which share its main memory
        self.script: Iterator[None] = iter(())
        self.images = 0  # seen before
        self.size = 0  # of a micro-batch, as configured
        self.iterations = 0
        self.memory = Memory({}, 0)
        self.peak = 0  # bytes, pictures and checkpoint included
        self.iteration = 0.0  # seconds of one, lazy terms at their share
        self.picture = self.checkpoint = 0.0  # seconds of one
        self.picture_bytes = self.checkpoint_bytes = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        self.images = pl_module.images
        pl_module.images = max(self.images, self.cfg.images - 1)  # by then, networks that grow have grown
        self.processes = trainer.num_devices
        self.script = self.play(trainer, pl_module)
        next(self.script)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **_: Any) -> None:
        self.iterations += 1
        if next(self.script, self) is self:
            trainer.should_stop = True

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["gantool"] = described({}, trainer.world_size)

    def play(self, trainer: Trainer, gan: GAN) -> Iterator[None]:
        """All that is done; each `yield` is one iteration."""
        yield from self.measure_memory(trainer, gan)
        if self.memory.fits(self.size):
            yield from self.measure_speed(trainer, gan)
        self.measure_files(trainer, gan)
        self.peak = max(agreed(gan, memory.peak(gan.device)), *self.memory.peaks.values())

    def measure_memory(self, trainer: Trainer, gan: GAN) -> Iterator[None]:
        share = batches.size(batches.schedule_of(self.cfg, "batch_size"), gan.images) // trainer.world_size
        configured, self.size = gan.micro_batch, min(gan.micro_batch or share, share)
        half = -(-self.size // 2)
        quarter = -(-half // 2)
        gan.micro_batch, gan.iteration = quarter, 0
        yield  # the optimizers lay out their memory
        for size in sorted({quarter, half, self.size}):
            if self.memory.peaks and not self.memory.fits(size):
                break
            memory.forget(gan.device)
            gan.micro_batch, gan.iteration = size, 0  # all lazy terms are due
            yield
            limit = -agreed(gan, -memory.limit(gan.device, self.processes))
            peaks = {**self.memory.peaks, size: agreed(gan, memory.peak(gan.device))}
            self.memory = Memory(peaks, limit)
        gan.micro_batch = configured

    def measure_speed(self, trainer: Trainer, gan: GAN) -> Iterator[None]:
        """The median for each kind of iteration; kinds differ in which lazy terms are due."""
        kinds = kinds_of_iterations(gan)
        taken: dict[int, list[float]] = {iteration: [] for iteration in kinds}
        start = now(gan)
        yield
        lap = trainer.strategy.broadcast(min(LAPS, max(1, round(LAP / (now(gan) - start)))))
        start, going = now(gan), True
        while going:
            for iteration in taken:
                began = now(gan)
                for _ in range(lap):
                    gan.iteration = iteration
                    yield
                taken[iteration].append((now(gan) - began) / lap)
            laps = min(len(seconds) for seconds in taken.values())
            enough = laps >= LAPS or (laps >= LEAST and now(gan) - start > SECONDS)
            going = not trainer.strategy.broadcast(enough)
        share = {iteration: count / kinds.total() for iteration, count in kinds.items()}
        self.iteration = sum(share[it] * statistics.median(seconds) for it, seconds in taken.items())

    def measure_files(self, trainer: Trainer, gan: GAN) -> None:
        scales = Scales()
        trainer.strategy.checkpoint_io = scales
        began = now(gan)
        trainer.save_checkpoint("nowhere")
        self.checkpoint, self.checkpoint_bytes = now(gan) - began, scales.weight
        if not trainer.is_global_zero:
            return
        with tempfile.TemporaryDirectory(prefix="gantool-") as place:
            shown, captions = self.data.preview(self.cfg.samples), self.data.captions(self.cfg.samples)
            samples = Samples(Path(place), shown, 0, None, self.cfg.seed, captions=captions)
            samples.on_train_start(trainer, gan)
            began = now(gan)
            samples.write(gan)
            self.picture = now(gan) - began
            sizes = {file.name: file.stat().st_size for file in samples.folder.iterdir()}
            real = sizes.pop("real.png")  # a fake is not yet what it will be: take what is larger
            self.picture_bytes = max(real, sum(sizes.values()))


def kinds_of_iterations(gan: GAN) -> Counter[int]:
    """An iteration of each kind, and how many of its kind there are until all of them come again."""
    periods = [term.every for player in ("D", "G") for term in gan.objective.terms_of(player).values()]
    first: dict[tuple[bool, ...], int] = {}
    kinds: Counter[int] = Counter()
    for iteration in range(lcm(*periods)):
        due = tuple(iteration % every == 0 for every in periods)
        kinds[first.setdefault(due, iteration)] += 1
    return kinds


def now(gan: GAN) -> float:
    """Seconds, when all that was asked of the GPU is done."""
    if gan.device.type != "cpu":
        torch.accelerator.synchronize(gan.device)
    return time.perf_counter()


def agreed(gan: GAN, number: int) -> int:
    """The largest of the numbers that the processes have."""
    numbers = torch.tensor(number, device=gan.device)
    return int(gan.trainer.strategy.reduce(numbers, reduce_op="max"))


def report(it: Rehearsal, folder: Path, device: torch.device) -> tuple[str, bool]:
    """Lines of a label and a text, and whether the training fits."""
    length = Length.of(it.cfg, it.images)
    rows = [("Dry run", f"{it.iterations} iterations; nothing of them is kept")]
    if it.iteration:
        rows += speed(it, length)
    here, has = (device.type if device.type == "cuda" else "main memory"), amount(it.memory.limit)
    measured = "reserved by torch" if device.type == "cuda" else "resident"
    each = ", in each process" if it.processes > 1 else ""
    need = max(it.peak, it.memory.of(it.size))
    about = "" if it.size in it.memory.peaks else "about "
    rows.append(("Memory", f"{about}{amount(need)} of {here} ({measured}{each}); {has} may be had"))
    disk, needed, free = space(it, length, folder)
    rows.append(("Disk", disk))
    problems = [it.memory.advice(it.size)]
    if need > it.memory.limit and it.memory.fits(it.size):
        problems.append(f"pictures do not fit into memory; lower samples={it.cfg.samples}")
    if needed > free:
        problems.append("the disk is too full; give disk_budget=, keep_milestones= or another hydra.run.dir=")
    told = [problem for problem in problems if problem is not None]
    fits = need <= it.memory.limit and needed <= free
    rows.append(("Fits" if fits else "Does not fit", "; ".join(told) or "yes"))
    return lines(rows), fits


def speed(it: Rehearsal, length: Length) -> list[tuple[str, str]]:
    """Of training alone, and of the whole run."""
    schedule = batches.schedule_of(it.cfg, "batch_size")
    each = it.cfg.n_critic * batches.size(schedule, it.cfg.images - 1) / it.iteration
    bound = "at most " if callable(schedule) else ""
    checkpoints = length.checkpoints + length.milestones
    seconds = length.iterations * it.iteration + length.pictures * it.picture + checkpoints * it.checkpoint
    beside = f"{counted(length.pictures, 'picture')} and {counted(checkpoints, 'checkpoint')}"
    return [
        ("Speed", f"{1000 / each:.3g} seconds for 1,000 images ({each:,.0f} a second)"),
        ("Time", f"{bound}{duration(seconds)} for {length.images:,} images, with {beside}"),
    ]


def space(it: Rehearsal, length: Length, folder: Path) -> tuple[str, int, int]:
    """A sentence, the bytes that are still needed, and those that are free."""
    retention = (it.cfg.keep_milestones, it.cfg.disk_budget)
    best = bool(it.cfg.metrics) and it.cfg.best.metric is not None  # unless nothing is held out: at most
    needed = still_needed(folder, it.checkpoint_bytes, length.milestones, *retention, best)
    all_checkpoints = needed + taken(folder / "checkpoints")
    pictures = (length.pictures + 1) * it.picture_bytes
    free = shutil.disk_usage(next(at for at in (folder, *folder.absolute().parents) if at.exists())).free
    sentence = (
        f"{amount(it.checkpoint_bytes)} for a checkpoint, at most {amount(all_checkpoints)} for all of them "
        f"(last.ckpt is there twice while it is replaced), about {amount(pictures)} for pictures; "
        f"{amount(free)} are free"
    )
    return sentence, needed + pictures, free


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
