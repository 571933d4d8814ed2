"""Adversarial losses: one class each, both players' sides next to each other, D first.

With C for the logits, x for reals and g for fakes; every mean runs over all logits, so a patch discriminator
needs no loss of its own.
"""

from math import log
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from gantool.duel import Duel
from gantool.losses.term import Adversarial
from gantool.schedules import Schedule


def smoothed(logits: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of reals against the target 1 - smoothing instead of 1.

    One-sided label smoothing: Salimans et al. (2016), arXiv:1606.03498, section 3.4.
    """
    return softplus(-logits) + smoothing * logits if smoothing else softplus(-logits)


@final
class Minimax(Adversarial):
    """D: sp(-C(x)) + sp(C(g)); G: -sp(C(g)). Goodfellow et al. (2014), arXiv:1406.2661, eq. 1.

    G's gradient vanishes where D is sure: Algorithm 1 as printed. See NonSaturating.
    """

    undecided = 2 * log(2)

    def __init__(self, weight: Schedule = 1.0, smoothing: float = 0.0):
        super().__init__(weight)
        self.smoothing = smoothing

    def discriminator(self, duel: Duel) -> Tensor:
        return smoothed(duel.real_logits, self.smoothing).mean() + softplus(duel.fake_logits).mean()

    def generator(self, duel: Duel) -> Tensor:
        return -softplus(duel.fake_logits).mean()

    def boundary(self, duel: Duel) -> Tensor:
        return duel.real_logits.new_zeros(())


@final
class NonSaturating(Adversarial):
    """D: sp(-C(x)) + sp(C(g)); G: sp(-C(g)). Goodfellow et al. (2014), arXiv:1406.2661, section 3."""

    undecided = 2 * log(2)

    def __init__(self, weight: Schedule = 1.0, smoothing: float = 0.0):
        super().__init__(weight)
        self.smoothing = smoothing

    def discriminator(self, duel: Duel) -> Tensor:
        return smoothed(duel.real_logits, self.smoothing).mean() + softplus(duel.fake_logits).mean()

    def generator(self, duel: Duel) -> Tensor:
        return softplus(-duel.fake_logits).mean()

    def boundary(self, duel: Duel) -> Tensor:
        return duel.real_logits.new_zeros(())


@final
class LeastSquares(Adversarial):
    """D: (C(x) - b)^2 / 2 + (C(g) - a)^2 / 2; G: (C(g) - c)^2 / 2.

    Mao et al. (2017), arXiv:1611.04076, eq. 2.

    Args:
        a: D's target for fakes.
        b: D's target for reals.
        c: G's target for fakes; a=0, b=c=1 is the paper's eq. 9, a=-1, b=1, c=0 its eq. 8 (Pearson
            chi-square).
    """

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0, weight: Schedule = 1.0):
        super().__init__(weight)
        self.a, self.b, self.c = a, b, c
        self.undecided = (b - a) ** 2 / 4

    def discriminator(self, duel: Duel) -> Tensor:
        return ((duel.real_logits - self.b).square().mean() + (duel.fake_logits - self.a).square().mean()) / 2

    def generator(self, duel: Duel) -> Tensor:
        return (duel.fake_logits - self.c).square().mean() / 2

    def boundary(self, duel: Duel) -> Tensor:
        return duel.real_logits.new_tensor((self.a + self.b) / 2)


@final
class Wasserstein(Adversarial):
    """D: C(g) - C(x); G: -C(g). Arjovsky et al. (2017), arXiv:1701.07875, eq. 2 and 3.

    Args:
        clip: largest absolute value of any of D's weights, kept after each of its steps (Algorithm 1, line
            7); None where a gradient penalty keeps D Lipschitz instead.
    """

    def __init__(self, clip: float | None = None, weight: Schedule = 1.0):
        super().__init__(weight)
        if clip is not None and clip <= 0:
            raise ValueError(f"clip={clip}: the bound on D's weights must be positive; the paper's is 0.01.")
        self.clip = clip

    def discriminator(self, duel: Duel) -> Tensor:
        return duel.fake_logits.mean() - duel.real_logits.mean()

    def generator(self, duel: Duel) -> Tensor:
        return -duel.fake_logits.mean()

    @torch.no_grad()
    def constrain(self, discriminator: nn.Module) -> None:
        if self.clip is not None:
            for parameter in discriminator.parameters():
                parameter.clamp_(-self.clip, self.clip)


@final
class Hinge(Adversarial):
    """D: relu(1 - C(x)) + relu(1 + C(g)); G: -C(g). Lim & Ye (2017), arXiv:1705.02894, eq. 5."""

    undecided = 2.0

    def discriminator(self, duel: Duel) -> Tensor:
        return relu(1 - duel.real_logits).mean() + relu(1 + duel.fake_logits).mean()

    def generator(self, duel: Duel) -> Tensor:
        return -duel.fake_logits.mean()

    def boundary(self, duel: Duel) -> Tensor:
        return duel.real_logits.new_zeros(())


@final
class RelativisticPairing(Adversarial):
    """D: sp(C(g) - C(x)); G: sp(C(x) - C(g)), real and fake paired by their place in the batch.

    RSGAN of Jolicoeur-Martineau (2018), arXiv:1807.00734, section 4.1; R3GAN, Huang et al. (2024),
    arXiv:2501.05441, eq. 2.
    """

    undecided = log(2)

    def discriminator(self, duel: Duel) -> Tensor:
        return softplus(duel.fake_logits - duel.real_logits).mean()

    def generator(self, duel: Duel) -> Tensor:
        return softplus(duel.real_logits - duel.fake_logits).mean()
