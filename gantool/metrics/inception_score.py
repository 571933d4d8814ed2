"""How sure and how various a classifier's predictions are: Salimans et al. (2016), arXiv:1606.03498."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic


@final
class InceptionScore(Statistic):
    """exp(mean KL(p(y|x) || p(y))), a mean over equal parts in the order of the images.

    `std` is of the parts. Reals do not matter.

    Args:
        parts: 10 in the paper. The first ones have an image more where they cannot be equal.
    """

    entry = "logits"
    directions = {"": "maximize"}

    def __init__(self, parts: int = 10):
        if parts < 1:
            raise ValueError(f"parts={parts}: give 1 part or more.")
        self.parts = parts
        self.least = parts

    def against(self, real: Tensor) -> Callable[[Tensor], Numbers]:
        def score(fake: Tensor) -> Numbers:
            scores = torch.stack([of_part(part) for part in fake.tensor_split(self.parts)])
            return {"": float(scores.mean()), "std": float(scores.std(correction=0))}

        return score

    def doubt(self, fakes: int, reals: int, width: int) -> str | None:
        if fakes >= 100 * self.parts:
            return None
        return f"{fakes:,} images in {self.parts} parts are few for a score: take more"

    @property
    def protocol(self) -> str:
        return f"exp of the mean KL(p(y|x) || p(y)), mean of {self.parts} parts"


def of_part(logits: Tensor) -> Tensor:
    """Of logits (N, K): from 1 to K."""
    each = logits.double().log_softmax(1)  # (N, K)
    together = each.exp().mean(0)  # (K,)
    entropies = torch.special.entr(each.exp()).sum(1)  # (N,)
    return (torch.special.entr(together).sum() - entropies.mean()).exp()
