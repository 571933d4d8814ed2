"""Whether images show what their captions claim, where claims are exactly known: data=captioned_shapes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gantool.data.cache import cache_folder
from gantool.data.captioned import Captioned, Claims
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.metrics.classifier import TOGETHER, Classifier
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Shown
from gantool.metrics.told import Lesson, Loss, Taught, Told, parted, refuse_untold, taught, told
from gantool.tasks.task import Task


@final
class Attributes(Metric):
    """Claims that hold of fakes, as a small classifier taught by reals sees them: all, and whole captions.

    A caption claims, say, a shape, a colour and a place; it holds where all its claims do. Beside each number
    stand that of reals which the classifier was not taught by, and chance: reals under captions of others.

    Args:
        count: fakes.
        learn: images shown to the classifier, in all.
        cache: folder that keeps it; None = ~/.cache/gantool.
    """

    sight = Told()

    def __init__(self, count: int = 2000, learn: int = 150_000, cache: str | None = None):
        for key, value in (("count", count), ("learn", learn)):
            if value < 1:
                raise ValueError(f"metrics.attributes.{key}={value}: give 1 or more.")
        self.count, self.learn = count, learn
        self.cache = cache_folder() if cache is None else Path(cache).expanduser()
        self.device = torch.device("cpu")
        self.images: Captioned | None = None
        self.taught: Taught | None = None
        self.real = self.chance = torch.empty(0)  # (N, A), 1 = holds, 0 = does not, -1 = is not claimed
        self.tested = 0

    def check(self, task: Task, data: DictConfig) -> None:
        refuse_untold("attributes", task, data)
        made_by = str(data.set["_target_"])
        if not made_by.endswith("captioned_shapes"):
            raise ValueError(
                "metrics=attributes needs captions whose claims are exactly known: data=captioned_shapes. "
                f"This run is of {made_by.rpartition('.')[2]}; use metrics=r_precision."
            )

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        self.device, self.images = device, told("attributes", images)
        sizes = [len(values) for values in self.claims.names.values()]

        def make() -> nn.Module:
            return Classifier(images.shape[0], sum(sizes))

        self.taught = taught("attributes", make, self.loss, self.images, self.learn, self.cache, device, tell)
        tested = parted(self.images)[1]
        others = tested[1:] + tested[:1]
        seen = torch.cat(
            [
                self.guessed(to_range(self.images[tested[i : i + TOGETHER]]["image"], torch.float32))
                for i in range(0, len(tested), TOGETHER)
            ]
        )
        self.real, self.chance = self.held(seen, tested), self.held(seen, others)
        self.tested = len(tested)
        return self.count if count is None else count

    @property
    def claims(self) -> Claims:
        assert self.images is not None
        assert self.images.claims is not None
        return self.images.claims

    def loss(self, network: nn.Module) -> Loss:
        """The sum of the cross-entropies of all attributes, of those images that have them."""

        def loss(lesson: Lesson) -> Tensor:
            heads = self.heads(network(lesson.images))
            true = torch.from_numpy(self.claims.attributes[lesson.places]).to(lesson.images.device)  # (N, A)
            every = [cross_entropy(head, true[:, a], ignore_index=-1) for a, head in enumerate(heads)]
            return sum(every[1:], every[0])

        return loss

    def heads(self, logits: Tensor) -> tuple[Tensor, ...]:
        """(N, values) for each attribute."""
        return logits.split([len(values) for values in self.claims.names.values()], 1)

    @torch.no_grad()
    def guessed(self, images: Tensor) -> Tensor:
        """What images (N, C, H, W) show: (N, A)."""
        assert self.taught is not None
        logits = self.taught.network(images.to(self.device, torch.float32)).cpu()
        return torch.stack([head.argmax(1) for head in self.heads(logits)], 1)

    def held(self, guessed: Tensor, places: list[int]) -> Tensor:
        """Which claims of the first captions of these places hold: (N, A), -1 for what is not claimed."""
        assert self.images is not None
        numbers = [self.images.own(place)[0] for place in places]
        claimed = torch.from_numpy(self.claims.claimed[numbers])  # (N, A)
        return torch.where(claimed == -1, -1, (guessed == claimed).long())

    def columns(self, task: Task) -> dict[str, Direction]:
        return {"attribute_accuracy": "maximize", "caption_accuracy": "maximize"}

    @property
    def glance(self) -> None:
        return None

    def look(self, shown: Shown) -> Seen:
        [fake] = shown.images[""]
        assert shown.labels is not None
        return {"held": self.held(self.guessed(fake.nan_to_num()), shown.labels.tolist())}

    def judge(self, seen: Seen) -> Found:
        sides = {"": seen["held"], "real_": self.real, "chance_": self.chance}
        numbers = {f"{side}{name}": value for side, it in sides.items() for name, value in means(it).items()}
        each = {
            name: {side: float(it[:, a][it[:, a] >= 0].double().mean()) for side, it in sides.items()}
            for a, name in enumerate(self.claims.names)
        }
        record: dict[str, Any] = {
            **numbers,
            "of_attribute": {
                name: {f"{side}accuracy": value for side, value in of.items()} for name, of in each.items()
            },
            "samples": len(seen["held"]),
        }
        rows = [
            (title, beside(*(numbers[f"{side}{name}"] for side in sides)))
            for title, name in (("Claims", "attribute_accuracy"), ("Whole captions", "caption_accuracy"))
        ]
        rows += [(name.capitalize(), beside(*of.values())) for name, of in each.items()]
        return Found({name: numbers[name] for name in means(seen["held"])}, record, rows)

    @property
    def protocol(self) -> str:
        assert self.taught is not None
        return (
            "claims of captions that hold, by a small classifier of our own taught by this data set, weights "
            f"{self.taught.digest}; reals: {self.tested:,} that it was not taught by; chance: these under "
            "captions of each other"
        )


def means(held: Tensor) -> dict[str, float]:
    """Of claims (N, A), -1 for none: the share that holds, and that of rows in which all hold."""
    return {
        "attribute_accuracy": float((held == 1).sum() / (held >= 0).sum()),
        "caption_accuracy": float((held != 0).all(1).double().mean()),
    }


def beside(fake: float, real: float, chance: float) -> str:
    return f"{fake:.1%} (real data {real:.1%}, chance {chance:.1%})"
