"""R-precision: whether images are closest to the captions they are of; Xu et al. (2018), arXiv:1711.10485."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from gantool.data.cache import cache_folder
from gantool.data.captioned import Captioned
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.layers.text import Text
from gantool.metrics.classifier import TOGETHER, Classifier
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Shown
from gantool.metrics.told import Lesson, Loss, Taught, Told, parted, refuse_untold, taught, told
from gantool.seeds import mix
from gantool.tasks.task import Task

SIZE = 64  # of what is compared
TEMPERATURE = 0.1


@final
class Matcher(nn.Module):
    """A small network for images and one for captions, whose answers point the same way where both match."""

    def __init__(self, channels: int, words: int, embedding: int):
        super().__init__()
        self.image = Classifier(channels, SIZE)
        self.text = Text("gru", words, embedding, SIZE)
        self.shared = nn.Linear(self.text.size, SIZE)

    def see(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] to (N, SIZE), of length 1."""
        return normalize(self.image(images))

    def read(self, captions: Tensor) -> Tensor:
        """(N, T) or (N, E) to (N, SIZE), of length 1."""
        return normalize(self.shared(self.text(captions)))


@final
class RPrecision(Metric):
    """Of fakes, how many are closer to their caption than to 99 others that contradict it; reals beside them.

    Differs from the paper: the images and captions are compared by a small matcher of our own, taught by the
    very data set, not by DAMSM, so that numbers compare only among themselves.

    Args:
        count: fakes.
        distractors: captions that are drawn for each.
        learn: images shown to the matcher, in all.
        cache: folder that keeps it; None = ~/.cache/gantool.
    """

    sight = Told()

    def __init__(
        self, count: int = 2000, distractors: int = 99, learn: int = 150_000, cache: str | None = None
    ):
        for key, value in (("count", count), ("distractors", distractors), ("learn", learn)):
            if value < 1:
                raise ValueError(f"metrics.r_precision.{key}={value}: give 1 or more.")
        self.count, self.distractors, self.learn = count, distractors, learn
        self.cache = cache_folder() if cache is None else Path(cache).expanduser()
        self.device = torch.device("cpu")
        self.images: Captioned | None = None
        self.taught: Taught | None = None
        self.captions = torch.empty(0)  # (U, SIZE), of all captions
        self.real, self.tested = 0.0, 0

    def check(self, task: Task, data: DictConfig) -> None:
        refuse_untold("r_precision", task, data)

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        self.device, self.images = device, told("r_precision", images)
        tested = parted(self.images)[1]
        if (few := min(map(self.images.contraries, range(len(images))))) < self.distractors:
            raise ValueError(
                f"metrics.r_precision.distractors={self.distractors}: only {few} captions of this data set "
                "contradict some other one; give so many or fewer."
            )
        facts = self.images.facts

        def make() -> nn.Module:
            return Matcher(images.shape[0], facts["words"], facts["embedding"])

        self.taught = taught("matches", make, self.loss, self.images, self.learn, self.cache, device, tell)
        with torch.no_grad():
            codes = self.images.codes.split(TOGETHER)
            self.captions = torch.cat([self.matcher.read(some.to(device)).cpu() for some in codes])
        seen = [self.right(*self.reals(some)) for some in batched(tested)]
        self.tested, self.real = len(tested), float(torch.cat(seen).mean())
        return self.count if count is None else count

    @property
    def matcher(self) -> Matcher:
        assert self.taught is not None
        assert isinstance(self.taught.network, Matcher)
        return self.taught.network

    def loss(self, network: nn.Module) -> Loss:
        """Each image finds its caption in the batch, each caption its image; what is also true is no rival.

        InfoNCE: van den Oord et al. (2018), arXiv:1807.03748, eq. 4, both ways.
        """
        assert isinstance(network, Matcher)

        def loss(lesson: Lesson) -> Tensor:
            logits = network.see(lesson.images) @ network.read(lesson.captions).T / TEMPERATURE  # (N, N)
            logits = logits.masked_fill(~self.rivals(lesson).to(logits.device), -torch.inf)
            own = torch.arange(len(logits), device=logits.device)
            return cross_entropy(logits, own) + cross_entropy(logits.T, own)

        return loss

    def rivals(self, lesson: Lesson) -> Tensor:
        """Which caption is false of which image, or its own: (N, N), bool."""
        assert self.images is not None
        true = np.stack([self.images.true(place)[lesson.numbers] for place in lesson.places])
        return torch.from_numpy(~true) | torch.eye(len(true), dtype=torch.bool)

    def reals(self, places: list[int]) -> tuple[Tensor, list[int]]:
        assert self.images is not None
        return to_range(self.images[places]["image"], torch.float32), places

    def columns(self, task: Task) -> dict[str, Direction]:
        return {"r_precision": "maximize"}

    @property
    def glance(self) -> None:
        return None

    def look(self, shown: Shown) -> Seen:
        [fake] = shown.images[""]
        assert shown.labels is not None
        return {"right": self.right(fake, shown.labels.tolist())}

    @torch.no_grad()
    def right(self, images: Tensor, places: list[int]) -> Tensor:
        """Whether images (N, C, H, W) are closer to the captions of these places than to all others: (N,).

        What is not finite is wrong.
        """
        seen = self.matcher.see(images.to(self.device, torch.float32)).cpu()  # (N, SIZE)
        answers: list[bool] = []
        for vector, place in zip(seen, places, strict=True):
            likeness = self.captions[self.choices(place)] @ vector  # (1 + distractors,)
            answers.append(bool((likeness[0] > likeness[1:]).all()))
        return torch.tensor(answers, dtype=torch.float64)

    def choices(self, place: int) -> list[int]:
        """The caption of a place, then the distractors: those of an image are always the same."""
        assert self.images is not None
        contrary = np.flatnonzero(self.images.contrary(place))
        random = np.random.default_rng(mix("distractors", place))
        drawn = random.choice(contrary, self.distractors, replace=False)
        return [self.images.own(place)[0], *drawn.tolist()]

    def judge(self, seen: Seen) -> Found:
        value = float(seen["right"].mean())
        record: dict[str, Any] = {
            "r_precision": value,
            "real_r_precision": self.real,
            "chance": 1 / (1 + self.distractors),
            "samples": len(seen["right"]),
        }
        line = f"{value:.1%} (real data {self.real:.1%}, chance {record['chance']:.1%})"
        return Found({"r_precision": value}, record, [("R-precision", line)])

    @property
    def protocol(self) -> str:
        assert self.taught is not None
        return (
            f"top-1 among {self.distractors} captions that contradict the own one, by a small matcher of "
            f"our own, taught by this data set, weights {self.taught.digest}; reals: {self.tested:,} that it "
            "was not taught by; not comparable with DAMSM's (arXiv:1711.10485)"
        )


def batched(places: list[int]) -> list[list[int]]:
    return [places[start : start + TOGETHER] for start in range(0, len(places), TOGETHER)]
