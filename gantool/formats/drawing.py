"""A trained generator as one function of tensors: what other programs see of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.export import Dim

from gantool.artefact import Absent
from gantool.finished import drawn, labels_of
from gantool.formats.format import Subject
from gantool.layers.noisy import Noisy
from gantool.layers.padded import Padded
from gantool.layers.progressive import Level
from gantool.layers.resolution import height_and_width
from gantool.priors import Truncated
from gantool.seeds import mix
from gantool.tasks.generation import Generation
from gantool.tasks.task import Task

BATCH = 2  # of the example; one alone would be taken for all
MOST = 4096  # images of a batch, and pixels of a side, that an export promises to take


@final
class OfLatents(nn.Module):
    """Latents (N, Z), and labels (N,) where there are classes, to images (N, C, H, W) in [-1, 1]."""

    def __init__(self, task: Task, G: nn.Module, names: tuple[str, ...]):
        super().__init__()
        task.G, task.D = Absent(), Absent()
        self.task, self.G, self.names = task, G, names

    def forward(self, *values: Tensor) -> Tensor:
        return self.task.generate(self.G, dict(zip(self.names, values, strict=True)))["fake"]


@final
@dataclass(frozen=True)
class Drawing:
    """A function, and what it takes.

    Attributes:
        module: of the inputs, in their order.
        inputs: examples by name, `BATCH` of each.
        dynamic: which of their dimensions may change, as torch.export wants to be told.
        multiple: that height and width of a source must be of.
        silenced: noise that the generator had is left out.
        within: the range of latents that are truncated, which whoever draws them has to heed; None = any.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    dynamic: tuple[Any, ...]
    multiple: int = 1
    silenced: bool = False
    within: float | None = None

    def others(self, count: int) -> dict[str, Tensor]:
        """As many inputs of the same kind, and sources a little larger."""
        chosen = {name: value[torch.arange(count) % BATCH] for name, value in self.inputs.items()}
        if "source" in chosen:
            more = self.multiple
            chosen["source"] = nn.functional.pad(chosen["source"], (0, 2 * more, 0, more), mode="replicate")
        return chosen

    @torch.no_grad()
    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return self.module(*inputs.values())

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What it takes, for people."""
        if "source" not in self.inputs:
            sizes = {name: ["N", *map(str, value.shape[1:])] for name, value in self.inputs.items()}
            takes = [("Takes", ", ".join(f"{name} ({', '.join(size)})" for name, size in sizes.items()))]
            if self.within is not None:
                takes.append(
                    ("Truncated", f"draw each number of latent again until it is within ±{self.within:g}")
                )
            return takes
        sides = "" if self.multiple == 1 else f", H and W multiples of {self.multiple}"
        rows = [("Takes", f"source (N, {self.inputs['source'].shape[1]}, H, W){sides}")]
        return [*rows, ("Noise", "the generator's own is left out")] if self.silenced else rows


def drawing_of(subject: Subject) -> Drawing:
    """The generator of a subject, which must not be used otherwise from now on.

    Raises ValueError for a direction that it has not.
    """
    for module in subject.gan.generator.modules():
        if isinstance(module, Level):
            module.hold()
    return of_images(subject) if subject.gan.task.translates else of_latents(subject)


def of_latents(subject: Subject) -> Drawing:
    gan, card = subject.gan, subject.card
    if subject.direction is not None:
        raise ValueError(
            f"direction={subject.direction}: this generator makes images of latents; leave it out."
        )
    labels = labels_of(None, BATCH, OmegaConf.create(card["config"]))  # pyright: ignore
    values = drawn(gan.task, range(BATCH), labels, subject.seed)
    used = {name: value for name, value in values.items() if name != "label" or card["conditional"]}
    module = OfLatents(gan.task, gan.generator, tuple(used)).eval()
    batch = Dim("batch", min=1, max=MOST)
    prior = gan.task.prior if isinstance(gan.task, Generation) else None
    within = prior.threshold if isinstance(prior, Truncated) else None
    return Drawing(module, used, (tuple({0: batch} for _ in used),), within=within)


def of_images(subject: Subject) -> Drawing:
    card = subject.card
    network = subject.gan.task.translator(subject.gan.generator, subject.direction).eval()
    silenced = isinstance(network, Noisy) and network.noise
    if isinstance(network, Noisy):
        network.noise = False
    multiple = network.multiple if isinstance(network, Padded) else 1
    scale = card["config"]["data"].get("scale", 1)
    sides = [-(-side // scale // multiple) for side in height_and_width(card["resolution"])]
    height, width = (max(2, side) * multiple for side in sides)  # what is 1 wide is so for ever
    channels = card["channels"] if subject.direction == "ba" else card["source_channels"] or card["channels"]
    chance = torch.Generator().manual_seed(mix(subject.seed, "export") >> 1)
    source = torch.rand(BATCH, channels, height, width, generator=chance) * 2 - 1
    free = {0: Dim("batch", min=1, max=MOST), 2: side("height", multiple), 3: side("width", multiple)}
    return Drawing(network, {"source": source}, (free,), multiple, silenced)


def side(name: str, multiple: int) -> Any:
    """Of any size, in multiples."""
    most = MOST // multiple
    return Dim(name, min=1, max=most) if multiple == 1 else multiple * Dim(name, min=1, max=most)
