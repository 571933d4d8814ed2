"""What tests of losses share: duels whose every number is known."""

import torch
from torch import Tensor, nn

from gantool.duel import Duel

CPU = torch.device("cpu")


class Sum(nn.Module):
    """C(x) = the sum of x."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).sum(1)


def of_logits(real: Tensor, fake: Tensor) -> Duel:
    """A duel whose logits are given."""
    return Duel(nn.Identity(), nn.Identity(), fake, real, fake)


def everywhere(generator: nn.Module, discriminator: nn.Module, x: Tensor) -> Duel:
    """A duel whose source, reals and fakes are one and the same."""
    return Duel(generator, discriminator, x, x, x)
