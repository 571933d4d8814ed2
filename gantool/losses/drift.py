"""Drift penalties: ProGAN, Karras, Aila, Laine & Lehtinen (2018), arXiv:1710.10196, appendix A.1."""

from typing import final

from torch import Tensor

from gantool.duel import Duel
from gantool.losses.term import Term


@final
class Drift(Term):
    """Mean of C(x)^2: holds the critic's values near 0, where the Wasserstein loss lets them drift."""

    def forward(self, duel: Duel) -> Tensor:
        return duel.real_logits.square().mean()


@final
class MeanDrift(Term):
    """(mean of C(x))^2: the same of the mean, so that single values may differ from 0.

    TransGAN: Jiang et al. (2021), arXiv:2102.07074, authors' code. With micro-batches the mean is that of
    each.
    """

    def forward(self, duel: Duel) -> Tensor:
        return duel.real_logits.mean().square()
