"""What translators make of images that training never saw, and what these should look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import nn

from gantool.data.films import Films
from gantool.data.image_set import Batch, ImageSet
from gantool.data.piles import Piles
from gantool.metrics.sight import Shown, Sight
from gantool.subject import Subject
from gantool.tasks.task import moved


@final
@dataclass(frozen=True)
class Translations(Sight):
    """Translations of held-out images, by the names of `Task.generate`; "" where there is one only."""

    held_out = True

    @torch.no_grad()
    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        task = subject.gan.task
        with subject.chance("compared", numbers.start):  # so that they are those that Compared shows
            made = task.generate(G, moved(task.draw(subject.originals(numbers)), G))
        return Shown({"" if name == "fake" else name: (images,) for name, images in made.items()})

    def protocol(self, subject: Subject) -> str:
        whose = "G" if subject.gan.G_ema is None else "the averaged G"
        return f"translations of {whose}, seed {subject.seed}"


@final
class Entry(ImageSet):
    """One entry of a set of pairs or of films, as `image`.

    Args:
        images: the set.
        name: of the entry: source or target; a0 or b0.
    """

    def __init__(self, images: ImageSet, name: str):
        self.images, self.name = images, name
        self.shape = images.source_shape if name in ("source", "a0") and images.source_shape else images.shape
        self.names, self.labels = (), None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return {"image": self.images[indices][self.name]}


def sides(images: ImageSet) -> tuple[dict[str, ImageSet], dict[str, ImageSet]]:
    """Sources, and the targets that their translations should look like, by the name of the translation."""
    if isinstance(images, Piles):
        return {"ab": images.a, "ba": images.b}, {"ab": images.b, "ba": images.a}
    if isinstance(images, Films):
        a, b = Entry(images, "a0"), Entry(images, "b0")
        return {"ab": a, "ba": b}, {"ab": b, "ba": a}
    if images.entries == ("image",):  # reconstructions
        return {"": images}, {"": images}
    return {"": Entry(images, "source")}, {"": Entry(images, "target")}
