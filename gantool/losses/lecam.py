"""LeCam regularisation: Tseng, Jiang, Liu, Yang & Yang (2021), arXiv:2104.03310."""

from typing import final

import torch
from torch import Tensor
from torch.nn.functional import relu

from gantool.duel import Duel
from gantool.losses.observed import Observed
from gantool.losses.term import Term
from gantool.schedules import Schedule


@final
class LeCam(Term):
    """relu(C(x) - m_g)^2 + relu(m_x - C(g))^2 for D, with moving averages m of the logits of either side.

    Eq. 3, with the rectifiers of the authors' code, which act only on a D surer than it has been on
    average. The averages start with the means of the first step; their memory is counted in steps, as there.

    Args:
        decay: of the averages, for each step of D.
        weight: the paper's lambda; while it is 0 the averages rest too.
        every: laziness.
    """

    real_mean: Tensor
    fake_mean: Tensor

    def __init__(self, decay: float = 0.99, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        if not 0 <= decay < 1:
            raise ValueError(
                f"decay={decay}: the averages of LeCam need one from 0 to below 1, such as 0.99."
            )
        self.decay = decay
        self.real, self.fake = Observed(), Observed()
        self.register_buffer("real_mean", torch.tensor(torch.nan))
        self.register_buffer("fake_mean", torch.tensor(torch.nan))

    def forward(self, duel: Duel) -> Tensor:
        real, fake = duel.real_logits, duel.fake_logits
        self.real.see(real)
        self.fake.see(fake)
        real_mean = torch.where(self.real_mean.isnan(), fake.detach(), self.real_mean)  # at first: no pull
        fake_mean = torch.where(self.fake_mean.isnan(), real.detach(), self.fake_mean)
        return relu(real - fake_mean).square().mean() + relu(real_mean - fake).square().mean()

    @torch.no_grad()
    def settle(self) -> None:
        for observed, mean in ((self.real, self.real_mean), (self.fake, self.fake_mean)):
            seen = observed.mean(otherwise=mean)
            mean.copy_(torch.where(mean.isnan(), seen, torch.lerp(seen, mean, self.decay)))
            observed.clear()
