"""gantool in Python: a trained generator as an object."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool import artefact, prompts
from gantool.finished import device_of, evenly, generate, labels_of, settle
from gantool.gan import GAN
from gantool.layers.styled import Styled
from gantool.runs import EXPORTED, checkpoint
from gantool.tasks.generation import Generation
from gantool.tasks.task import moved
from gantool.trained import load as opened
from gantool.truncation import truncate


def load(run: str, device: str = "auto", trust: bool = False) -> "Generator":
    """A trained generator.

    Args:
        run: a run folder, a checkpoint file, a file of `gantool export`, or `latest`.
        device: cpu, cuda, mps; auto = the best one here.
        trust: build any class that the file names, not only gantool's and torch's.

    Raises ValueError for what is none of these.
    """
    path = checkpoint(str(run))
    gan, config = opened(path, trust)
    card = artefact.card_of(path) if path.suffix == EXPORTED else None
    return Generator(gan.to(device_of(device)), config, card)


@final
class Generator:
    """Makes images of latents, or of images.

    Attributes:
        card: what an exported file says of itself; of a run, what its export would say.
        classes: their names; empty of a model without classes.
    """

    def __init__(self, gan: GAN, config: DictConfig, card: dict[str, Any] | None = None):
        self.gan, self.config = gan, config
        self.settled: tuple[int, float | None] | None = None  # seed and truncation of its statistics
        if not gan.task.translates:
            self.settle(0, None)
        self.card = artefact.card(gan, config) if card is None else card
        self.classes: list[str] = self.card["classes"] if self.card["conditional"] else []

    def __repr__(self) -> str:
        shape = "x".join(str(side) for side in self.shape)
        return f"gantool.Generator({self.card['family']}, {shape}, at {self.gan.images:,} images)"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of its images; one that translates makes images as large as it is given."""
        height, width = self.card["resolution"]
        return self.card["channels"], height, width

    def sample(
        self,
        count: int,
        label: int | str | Sequence[int | str] | None = None,
        seed: int = 0,
        truncation: float | None = None,
        batch_size: int = 64,
        prompt: str | Sequence[str] | None = None,
    ) -> Tensor:
        """Images (count, C, H, W) in [-1, 1], on the CPU: those that `gantool sample` makes.

        Image n depends on the seed, its label and n alone.

        Args:
            count: of images.
            label: a class, by name or number, or several, taken in turn; None = all classes in turn.
            seed: of the latents.
            truncation: of this call; see `gantool sample`. None = what the file has, or none.
            batch_size: images of a pass.
            prompt: what the images of a text-to-image generator should show, or several, taken in turn; None
                = captions of its training set.

        Raises ValueError for labels, prompts and truncations that the generator does not know, and for one
        that makes images of images.
        """
        if count < 1 or batch_size < 1:
            raise ValueError(f"count={count} batch_size={batch_size}: give 1 or more of each.")
        if self.gan.task.translates:
            raise ValueError("This generator makes images of images: use translate(images).")
        labels = labels_of(prompts.asked(label, prompt, None, self.config), count, self.config)
        with truncated(self.gan, truncation):
            self.settle(seed, truncation)
            return torch.cat(list(generate(self.gan, labels, seed, batch_size, False)))

    def settle(self, seed: int, truncation: float | None) -> None:
        """Standing statistics, where an averaged generator needs them, as `gantool sample` takes them."""
        if self.settled != (seed, truncation):
            settle(self.gan, evenly(self.config), seed, standing="auto")
            self.settled = seed, truncation

    @torch.no_grad()
    def translate(self, images: Tensor, direction: str | None = None) -> Tensor:
        """Images (N, C, s H, s W) in [-1, 1], on the CPU, of images (N, C', H, W) in [-1, 1].

        Args:
            images: of any size that the network takes; s is its scale, 1 unless it enlarges.
            direction: `ab` or `ba` of a model that knows both ways; None = the first, or only one.

        Raises ValueError for a generator that makes images of latents.
        """
        network = self.gan.task.translator(self.gan.generator, direction).eval()
        return network(moved({"source": images}, network)["source"]).cpu()


@contextmanager
def truncated(gan: GAN, threshold: float | None) -> Iterator[None]:
    """A generator as it is while truncated; None = as it is."""
    if threshold is None:
        yield
        return
    task, G = gan.task, gan.generator
    prior = task.prior if isinstance(task, Generation) else None
    styles = (G.psi, G.truncated) if isinstance(G, Styled) else None
    truncate(gan, threshold)
    try:
        yield
    finally:
        if isinstance(task, Generation) and prior is not None:
            task.prior = prior
        if isinstance(G, Styled) and styles is not None:
            G.truncate(*styles)
