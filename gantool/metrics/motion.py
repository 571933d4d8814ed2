"""What translators make of two frames that follow each other."""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from gantool.data.films import Reel, reels
from gantool.data.module import to_range
from gantool.metrics.sight import Shown, Sight
from gantool.subject import Subject
from gantool.tasks.task import moved
from gantool.tasks.unpaired import WAYS


@final
@dataclass(frozen=True)
class Motion(Sight):
    """Pairs of held-out frames x_t, x_t+1, and their translations, each made alone, by the way.

    So every entry of `images` is two images that follow each other: x, y = G(x), and where it is known what
    x really becomes, that.
    """

    held_out = True

    @torch.no_grad()
    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        sides = reels(subject.images)
        assert sides is not None
        images: dict[str, tuple[Tensor, ...]] = {}
        for way, here, there in zip(WAYS, sides, sides[::-1], strict=True):
            source = pairs(here, numbers)
            if not len(source[0]):
                continue
            network = subject.gan.task.translator(G, way)
            with subject.chance("motion", way, numbers.start):
                made = [network(moved({"source": it}, network)["source"]).cpu() for it in source]
            images[way] = (*source, *made, *(pairs(there, numbers) if alike(here, there) else ()))
        return Shown(images)

    def protocol(self, subject: Subject) -> str:
        whose = "G" if subject.gan.G_ema is None else "the averaged G"
        return f"translations of {whose}, seed {subject.seed}"


def pairs(reel: Reel, numbers: range) -> tuple[Tensor, Tensor]:
    """Frames and those that follow them, (N, C, H, W) each; fewer than `numbers` where the side ends."""
    windows = reel.lasting(2)
    some = windows[list(range(numbers.start, min(numbers.stop, len(windows))))]["image"]
    now, then = to_range(some, torch.get_default_dtype()).chunk(2, 1)
    return now, then


def alike(one: Reel, other: Reel) -> bool:
    """Whether both show the same at the same time: the frames of one are the translations of the other's."""
    return one.scenes is not None and one.scenes == other.scenes
