"""Gradient penalties on the discriminator: one number per sample, so D must not mix samples."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gantool.duel import Duel, single
from gantool.losses.term import Term
from gantool.schedules import Schedule
from gantool.tasks.task import Task


def squared_slope(logits: Tensor, view: Tensor) -> Tensor:
    """Squared norm of d logits / d view for each verdict, summed over what it is about: (N,).

    That is one sample of (C, H, W), or a pack of them: see layers/packed.py.
    """
    with torch.autocast(view.device.type, enabled=False):
        (slope,) = torch.autograd.grad(logits.sum(), view, create_graph=True)
        of_samples = slope.square().flatten(1).sum(1)  # (m N,)
        return of_samples.view(-1, len(logits)).sum(0)


def forbid_batch_norm(name: str, discriminator: nn.Module) -> None:
    """A penalty per sample means nothing where samples of a batch see each other.

    ArXiv:1704.00028, section 4.
    """
    for path, module in discriminator.named_modules():
        if isinstance(module, _BatchNorm):
            raise ValueError(
                f"loss.{name} penalises each sample's gradient, but D's batch norm ({path}) mixes samples: "
                "set model.D.norm to layer, instance or none, or choose a loss without penalty."
            )


@final
class R1(Term):
    """|dC/dx|^2 / 2 on reals: Mescheder et al. (2018), arXiv:1801.04406, eq. 9; the weight is their gamma."""

    differentiates = frozenset({"real"})

    def check(self, name: str, task: Task) -> None:
        forbid_batch_norm(name, task.D)

    def forward(self, duel: Duel) -> Tensor:
        return squared_slope(duel.real_logits, duel.real_view).mean() / 2


@final
class R2(Term):
    """|dC/dg|^2 / 2 on fakes: Mescheder et al.

    (2018), arXiv:1801.04406, eq. 10; the weight is their gamma.
    """

    differentiates = frozenset({"fake"})

    def check(self, name: str, task: Task) -> None:
        forbid_batch_norm(name, task.D)

    def forward(self, duel: Duel) -> Tensor:
        return squared_slope(duel.fake_logits, duel.fake_view).mean() / 2


@final
class GradientPenalty(Term):
    """(|dC/dv| - phi)^2 / phi^2 at v = t x + (1 - t) g, one t ~ U(0, 1) per sample.

    WGAN-GP: Gulrajani et al. (2017), arXiv:1704.00028, eq. 3, where phi is 1; the weight is their lambda. Any
    phi: ProGAN, Karras et al. (2018), arXiv:1710.10196, appendix A.1.
    """

    def __init__(self, weight: Schedule = 1.0, every: int = 1, phi: float = 1.0):
        super().__init__(weight, every)
        if phi <= 0:
            raise ValueError(f"phi={phi}: the slope that D should have is positive; the paper's is 1.")
        self.phi = phi

    def check(self, name: str, task: Task) -> None:
        forbid_batch_norm(name, task.D)

    def forward(self, duel: Duel) -> Tensor:
        real, fake = single(duel.real_view.detach()), single(duel.fake_view.detach())
        t = duel.chance("gradient penalty").view(-1, *[1] * (real.ndim - 1))  # (N, 1, 1, 1)
        between = torch.lerp(fake, real, t).requires_grad_()
        slope = squared_slope(duel.judge(between, exact=True), between).sqrt()
        return ((slope - self.phi) / self.phi).square().mean()
