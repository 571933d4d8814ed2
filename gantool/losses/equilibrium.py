"""BEGAN's loss: Berthelot, Schumm & Metz (2017), arXiv:1703.10717."""

from typing import final

import torch
from torch import Tensor

from gantool.duel import Duel, Verdict
from gantool.losses.observed import Observed
from gantool.losses.term import Adversarial
from gantool.schedules import Schedule


@final
class Equilibrium(Adversarial):
    """D: L(x) - k L(g); G: L(g); then k <- clip(k + rate (gamma L(x) - L(g)), 0, 1). Section 3.4.

    L = -C: D is an autoencoder whose logit of an image is minus its mean absolute error. The feedback keeps
    the two errors at the ratio L(g) / L(x) = gamma.

    Args:
        gamma: the ratio, in [0, 1]: less gives sharper images of less variety.
        rate: by which k, which starts at 0, follows; the paper's lambda_k.
        weight: of G's side.
    """

    k: Tensor
    convergence: Tensor

    def __init__(self, gamma: float = 0.5, rate: float = 1e-3, weight: Schedule = 1.0):
        super().__init__(weight)
        if not 0 <= gamma <= 1:
            raise ValueError(
                f"gamma={gamma}: the ratio of the errors is between 0 and 1; the paper's is 0.5."
            )
        if rate <= 0:
            raise ValueError(f"rate={rate}: k must be able to move; the paper's lambda_k is 0.001.")
        self.gamma, self.rate = gamma, rate
        self.real_error, self.fake_error = Observed(), Observed()
        self.register_buffer("k", torch.zeros(()))
        self.register_buffer(
            "convergence", torch.zeros(())
        )  # M = L(x) + |gamma L(x) - L(g)|, of the last step

    def discriminator(self, duel: Duel) -> Tensor:
        real, fake = error(duel.real_verdict), error(duel.fake_verdict)  # (N,)
        self.real_error.see(real)
        self.fake_error.see(fake)
        return real.mean() - self.k * fake.mean()

    def generator(self, duel: Duel) -> Tensor:
        return error(duel.fake_verdict).mean()

    @torch.no_grad()
    def settle(self) -> None:
        real = self.real_error.mean(self.k.new_zeros(()))
        balance = self.gamma * real - self.fake_error.mean(self.gamma * real)
        self.k.add_(self.rate * balance).clamp_(0, 1)
        self.convergence.copy_(real + balance.abs())
        self.real_error.clear()
        self.fake_error.clear()

    def remarks(self) -> dict[str, Tensor]:
        return {"equilibrium_k": self.k, "equilibrium_convergence": self.convergence}


def error(verdict: Verdict) -> Tensor:
    """L of each image, (N,); for a D that is no autoencoder, whose logits mean something else, ValueError."""
    if "reconstruction" not in verdict:
        raise ValueError(
            "Equilibrium needs a D that reconstructs images, as that of model=began; choose another loss."
        )
    return -verdict["logits"]
