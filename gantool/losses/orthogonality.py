"""Orthogonal regularisation as BigGAN relaxes it: Brock et al. (2019), arXiv:1809.11096, eq. 3."""

from typing import Literal, final

import torch
from torch import Tensor, nn

from gantool.duel import Duel
from gantool.layers.spectral import learnt
from gantool.losses.term import Term
from gantool.schedules import Schedule


@final
class Orthogonality(Term):
    """|W W^T * (1 - I)|_F^2, summed over the weights: filters shall differ in direction, whatever their norm.

    Each weight as a matrix with a row for each output, before spectral norm; embeddings are left out, as in
    the authors' code.

    Args:
        of: whose weights.
        weight: beta.
        every: laziness.
    """

    def __init__(self, of: Literal["D", "G"], weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        if of not in ("D", "G"):
            raise ValueError(f"of={of}: orthogonality is that of D's or of G's weights.")
        self.of = of

    def forward(self, duel: Duel) -> Tensor:
        network = duel.generator if self.of == "G" else duel.discriminator
        return torch.stack([overlap(matrix) for matrix in matrices(network)]).sum()


def matrices(network: nn.Module) -> list[Tensor]:
    """Weights of convolutions and linear layers as (outputs, inputs x kernel)."""
    found: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            found.append(learnt(module).flatten(1))
        elif isinstance(module, nn.ConvTranspose2d):
            found.append(learnt(module).transpose(0, 1).flatten(1))
    return found


def overlap(matrix: Tensor) -> Tensor:
    """Sum of the squared products of different rows."""
    products = matrix @ matrix.T
    return (products - products.diag().diag()).square().sum()
