"""What TransGAN adds to the Wasserstein loss: Jiang et al. (2021), arXiv:2102.07074, the authors' code.

Both terms come from ProGAN: Karras, Aila, Laine & Lehtinen (2018), arXiv:1710.10196, appendix A.1.
"""

from typing import final

from torch import Tensor

from gantool.duel import Duel
from gantool.losses.penalties import forbid_batch_norm, squared_slope
from gantool.losses.term import Term
from gantool.schedules import Schedule
from gantool.tasks.task import Task


@final
class TargetedPenalty(Term):
    """(|dC/dv| - phi)^2 / phi^2 at v = t x + (1 - t) g, one t ~ U(0, 1) per sample.

    Args:
        phi: the slope that the critic should have; 1 gives WGAN-GP's penalty.
        weight: lambda.
        every: compute it on one iteration in so many.
    """

    def __init__(self, phi: float = 1.0, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        if phi <= 0:
            raise ValueError(f"phi={phi}: the slope that D should have is positive; the paper's is 1.")
        self.phi = phi

    def check(self, name: str, task: Task) -> None:
        forbid_batch_norm(name, task.D)

    def forward(self, duel: Duel) -> Tensor:
        real, fake = duel.real_view.detach(), duel.fake_view.detach()
        t = duel.chance("gradient penalty", *[1] * (real.ndim - 1))  # (N, 1, 1, 1)
        between = (fake + t * (real - fake)).requires_grad_()
        slope = squared_slope(duel.judge(between, exact=True), between).sqrt()
        return ((slope - self.phi) / self.phi).square().mean()


@final
class MeanDrift(Term):
    """(mean of C(x))^2: holds the critic's values near 0, where the Wasserstein loss lets them drift.

    With micro-batches the mean is that of each.
    """

    def forward(self, duel: Duel) -> Tensor:
        return duel.real_logits.mean().square()
