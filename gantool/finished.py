"""A trained generator, and how images are drawn from it: what all verbs that use one share."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from torch import Tensor, nn

from gantool import prompts
from gantool.build import refuse_foreign, whole
from gantool.data.image_set import ImageSet
from gantool.gan import GAN
from gantool.layers.resolution import height_and_width
from gantool.resume import refuse_changed
from gantool.runs import checkpoint, find
from gantool.seeds import reseed
from gantool.standing import needs_standing_statistics, standing_statistics
from gantool.tasks.task import Batch, Task, moved
from gantool.trained import load
from gantool.truncation import truncate

CPU = torch.device("cpu")
READ = ("vocabulary", "embedding", "columns", "mean", "deviation")  # by what captions and rows are read
STANDING = 64  # images of a batch that standing statistics are taken over


@final
@dataclass(frozen=True)
class Finished:
    """A run whose generator is ready to draw: on its device, in evaluation mode, truncated."""

    gan: GAN
    config: DictConfig  # of its training
    path: Path  # of the checkpoint
    folder: Path  # of the run
    narrow: str  # what truncation adds to the name of a folder

    @property
    def G(self) -> nn.Module:
        return self.gan.generator

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images."""
        return self.config.data.channels, *height_and_width(self.config.data.resolution)

    @property
    def moment(self) -> str:
        return f"{self.path} at {self.gan.images:,} images"

    def out(self, chosen: str | None, name: str, ending: str) -> Path:
        """The folder for what a verb makes, which then exists: the chosen one, or one inside the run."""
        out = self.place(chosen, name, ending)
        out.mkdir(parents=True, exist_ok=True)
        return out

    def place(self, chosen: str | None, name: str, ending: str) -> Path:
        """That folder, which may not exist yet."""
        own = f"{name}-{self.gan.images:09d}-{ending}{self.narrow}"
        return Path(str(chosen)).expanduser() if chosen is not None else self.folder / own


def finished(cfg: DictConfig, truncation: Any = None, layers: Any = None) -> Finished:
    """What `run`, `device`, `standing`, `seed`, `batch_size` and `trust` of a verb ask for.

    Args:
        cfg: of the verb.
        truncation: see `truncate`.
        layers: likewise.
    """
    if not isinstance(cfg.batch_size, int) or cfg.batch_size < 1:
        raise ValueError(f"batch_size={cfg.batch_size}: give the images of one pass, 1 or more.")
    whole(cfg, "seed", least=0)
    path = checkpoint(cfg.run)
    gan, config = load(path, cfg.trust)
    refuse_translation(gan.task, path)
    truncate(gan, truncation, layers)
    gan.to(device_of(cfg.device))
    settle(gan, evenly(config), cfg.seed, cfg.standing)
    narrow = "" if truncation is None else f"-truncation{truncation}"
    narrow += "" if layers is None else f"-layers{layers}"
    return Finished(gan, config, path, find(cfg.run), narrow)


def refuse_translation(task: Task, path: Path) -> None:
    """Raise ValueError for a task that makes images of other images."""
    if "latent" not in drawn(task, [0], torch.zeros(1, dtype=torch.long), 0):
        raise ValueError(
            f"{path}: {type(task).__name__} makes images of images, not of latents as this verb draws them; "
            "use gantool translate."
        )


def evenly(config: DictConfig) -> Tensor:
    """The labels of a batch that holds all classes equally often: (STANDING,). Captions: see `labels_for`."""
    if prompts.is_told(config):
        return labels_for(None, range(STANDING), config)
    classes = config.data.classes if config.task.get("conditional") else 1
    return torch.arange(STANDING) * classes // STANDING


@torch.no_grad()
def settle(gan: GAN, labels: Tensor, seed: int, standing: bool | str) -> None:
    """Put the generator into evaluation mode, with standing statistics where they are wanted.

    Args:
        gan: whose generator is changed.
        labels: (N,), of the batches that the statistics are taken over.
        seed: of their latents.
        standing: true, false, or `auto` where they are needed.
    """
    if standing not in (True, False, "auto"):
        raise ValueError(f"standing={standing}: give true, false or auto.")
    if needs_standing_statistics(gan) if standing == "auto" else standing:
        with torch.random.fork_rng(devices=[]):
            reseed(CPU, seed, "standing")
            standing_statistics(gan.generator, gan.task, {"label": labels})
    gan.generator.eval()


@torch.no_grad()
def generate(gan: GAN, labels: Tensor, seed: int, batch_size: int, standing: bool | str) -> Iterator[Tensor]:
    """Images of (N, C, H, W) in [-1, 1], batch by batch, for labels of (count,).

    The latents depend on `seed` and the number of the image alone, not on how many there are, the batch size
    or the device.
    """
    settle(gan, labels[torch.arange(batch_size) % len(labels)], seed, standing)
    for start in range(0, len(labels), batch_size):
        some = labels[start : start + batch_size]
        batch = drawn(gan.task, range(start, start + len(some)), some, seed)
        yield gan.task.generate(gan.generator, moved(batch, gan.generator))["fake"].cpu()


def drawn(task: Task, numbers: Sequence[int], labels: Tensor, seed: int) -> Batch:
    """What a task draws for images of these numbers, each from a seed of its own, on the CPU.

    Args:
        numbers: 3 is the image that `gantool sample` calls 000003.png.
        labels: (N,), as many.
    """
    each: list[Batch] = []
    with torch.random.fork_rng(devices=[]):
        for number, label in zip(numbers, labels, strict=True):
            reseed(CPU, seed, "latents", number)
            each.append(task.draw({"label": label[None]}))
    return {name: torch.cat([one[name] for one in each]) for name in each[0]}


def labels_of(label: Any, count: int, config: DictConfig) -> Tensor:
    """The class of each of the first `count` images: (count,), see `labels_for`."""
    return labels_for(label, range(count), config)


def labels_for(label: Any, numbers: Sequence[int], config: DictConfig) -> Tensor:
    """A class index for each image: (N,); or, of a model that is told captions, these: (N, T) or (N, E).

    Args:
        label: a name, a number, or a list of them, taken in turn; None = image n is of class n modulo K. Of
            captions, a prompt or a list of them; None = those that the run remembers, in turn.
        numbers: of the images.
        config: of the training.
    """
    if prompts.is_told(config):
        return prompts.read(prompts.texts(label, numbers, config), config)
    if not config.task.get("conditional"):
        if label is not None:
            raise ValueError(f"label={label}: this model is not conditional; it makes images of any class.")
        return torch.zeros(len(numbers), dtype=torch.long)
    classes, names = config.data.classes, list(config.data.names)
    if label is None:
        return torch.tensor([number % classes for number in numbers])
    if isinstance(label, Tensor | np.ndarray | np.generic):
        label = label.tolist()
    several = OmegaConf.is_list(label) or isinstance(label, list | tuple | range)
    wanted = list(label) if several else [label]
    if not wanted:
        raise ValueError("label=[]: give a class, or several.")
    indices = [index_of(one, classes, names) for one in wanted]
    return torch.tensor([indices[place % len(indices)] for place in range(len(numbers))])


def index_of(label: Any, classes: int, names: list[str]) -> int:
    if str(label) in names:
        return names.index(str(label))
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < classes:
        return label
    raise ValueError(f"label={label}: the classes are 0 to {classes - 1}: {', '.join(names)}.")


def set_of(config: DictConfig, trust: bool) -> ImageSet:
    """The images that a run was trained on.

    Raises ValueError where anybody's code would make them, and where rows or captions now read differently.
    """
    if trust is not True:
        refuse_foreign({"data": OmegaConf.to_container(config.data)})
    images: ImageSet = instantiate(config.data.set)
    facts = {name: value for name, value in images.facts.items() if name in READ}
    if "shown" in config.data:
        facts["shown"] = len(images)
    refuse_changed(OmegaConf.to_container(config.data), facts)  # pyright: ignore
    return images


def tell(sentence: str) -> None:
    """Print what has been made, on one line that can be copied."""
    Console(soft_wrap=True, highlight=False, markup=False).print(sentence)


def device_of(name: str) -> torch.device:
    """`auto` is the best device here. Raises ValueError for one that is not here."""
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(best if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={name}: not available here; use auto or {best}.") from error
    return device
