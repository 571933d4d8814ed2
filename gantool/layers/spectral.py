"""Spectral norm: Miyato, Kataoka, Koyama & Yoshida (2018), arXiv:1802.05957, Algorithm 1.

A layer computes with W / sigma(W), sigma the largest singular value of W as a matrix with a row for each
output: a Lipschitz constant of 1. One power iteration in each pass of training follows sigma; none in
evaluation.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

POWER_ITERATIONS = 15  # of a layer whose weight has just been set


def normalise(network: nn.Module, epsilon: float) -> None:
    """Put every convolution and linear layer of a network under spectral norm.

    Args:
        network: changed in place; its weights are called `parametrizations.weight.original` from then on.
        epsilon: smallest norm that a singular vector is divided by.

    Raises ValueError for an epsilon that is not positive.
    """
    if not epsilon > 0:
        raise ValueError(f"spectral_epsilon={epsilon}: give a small positive number, as 1e-6.")
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            spectral_norm(module, eps=epsilon)


def learnt(module: nn.Module) -> Tensor:
    """The weight that an optimizer moves: under spectral norm the one before the division."""
    if is_parametrized(module, "weight"):
        return module.parametrizations["weight"].original  # pyright: ignore
    return module.weight  # pyright: ignore


@torch.no_grad()
def realign(network: nn.Module) -> None:
    """Let singular vectors follow weights that have just been set."""
    for module in network.modules():
        if is_parametrized(module, "weight"):
            was_training = module.training
            module.train()
            for _ in range(POWER_ITERATIONS):
                _ = module.weight  # to read it in training mode is one power iteration
            module.train(was_training)
