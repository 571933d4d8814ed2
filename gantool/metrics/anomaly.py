"""How well a model tells abnormal images from normal ones, which training never saw.

AUROC, as Schlegl et al. (2017), arXiv:1703.05921, and Akcay et al. (2018), arXiv:1805.06725, report it.
"""

from collections.abc import Callable
from math import nan
from typing import final

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor, nn

from gantool.anomaly.scores import numbers
from gantool.data.image_set import ImageSet
from gantool.data.module import in_range
from gantool.data.order import Order
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Shown, Sight
from gantool.seeds import mix
from gantool.subject import Subject
from gantool.tasks.task import Task, moved

SCORE = "score"


@final
class Scores(Sight):
    """The score of each image of a labelled set, (N, 1, 1, 1), by the name "score"; NaN of a model without.

    Attributes:
        images: the set.
        order: of its images.
    """

    held_out = True

    def __init__(self) -> None:
        self.images: ImageSet | None = None
        self.order: Order | None = None

    @torch.no_grad()
    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        assert self.images is not None
        assert self.order is not None
        batch = in_range(self.images[self.order(numbers.start, len(numbers))], torch.get_default_dtype())
        task = subject.gan.task
        task.advance(subject.gan.images)
        if task.detects:
            score = task.scored(G, moved({"image": batch["image"]}, G)["image"]).score.cpu()
        else:
            score = torch.full((len(numbers),), nan)
        return Shown({SCORE: (score.view(-1, 1, 1, 1),)}, batch["label"])

    def protocol(self, subject: Subject) -> None:
        return None


@final
class Anomaly(Metric):
    """AUROC and AUPRC of the scores of the images in `data.test`; nothing before a model can score.

    Args:
        count: images of the test set at most, chosen by chance, always the same; None = all.
    """

    deciding = "auroc"

    def __init__(self, count: int | None = None):
        if count is not None and count < 2:
            raise ValueError(f"metrics.anomaly.count={count}: give 2 or more, or null for all.")
        self.count, self.looked = count, 0
        self.sight = self.scores = Scores()

    def check(self, task: Task, data: DictConfig) -> None:
        if not task.judges:
            raise ValueError(
                "metrics=anomaly: this model does not learn to tell abnormal images; choose model=f_anogan "
                "or model=ganomaly, or use gantool detect method=search after training."
            )
        if "test" not in data:
            raise ValueError("metrics=anomaly needs normal and abnormal images: train with data=one_class.")

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        test: ImageSet = instantiate(data.test)
        self.scores.images, self.scores.order = test, Order(len(test), mix("anomaly"))
        self.looked = min(len(test), count or self.count or len(test))
        return self.looked

    def columns(self, task: Task) -> dict[str, Direction]:
        return {"auroc": "maximize", "auprc": "maximize"}

    @property
    def glance(self) -> str:
        return SCORE

    def look(self, shown: Shown) -> Seen:
        [score] = shown.images[SCORE]
        assert shown.labels is not None
        return {SCORE: score.flatten().double().cpu(), "abnormal": shown.labels.bool()}

    def judge(self, seen: Seen) -> Found:
        score, abnormal = seen[SCORE], seen["abnormal"]
        values = numbers(score, abnormal)
        record = {"auroc": None, "auprc": None, **values, "count": len(score), "abnormal": share(abnormal)}
        rows = [(name.upper(), f"{value:.4f}") for name, value in values.items()]
        return Found(values, record, rows or [("AUROC", "undefined: the model cannot score images yet")])

    @property
    def protocol(self) -> str:
        return f"scores of {self.looked:,} test images, normal and abnormal"


def share(abnormal: Tensor) -> float:
    return abnormal.double().mean().item()
