"""Standing statistics: batch norm of an averaged generator, measured anew.

Brock et al. (2019), arXiv:1809.11096, section 3.1.
"""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from gantool.gan import GAN
from gantool.tasks.task import Batch, Task, moved

BATCHES = 16  # enough for a mean and a variance per channel


def needs_standing_statistics(gan: GAN) -> bool:
    """Averaged weights with batch norm.

    The running statistics then belong to the weights of G, not to their average. Where images are made of
    images they are kept all the same: a translation depends on its checkpoint alone, not on other images.
    """
    return (
        not gan.task.translates
        and gan.G_ema is not None
        and any(isinstance(module, _BatchNorm) for module in gan.G_ema.modules())
    )


@torch.no_grad()
def standing_statistics(G: nn.Module, task: Task, batch: Batch, batches: int = BATCHES) -> None:
    """Set the running mean and variance of every batch norm of `G` to those over `batches` fresh batches.

    Args:
        G: changed in place; its mode stays.
        task: draws the latents and runs G.
        batch: gives size and labels of the batches.
        batches: how many.
    """
    norms = [
        module for module in G.modules() if isinstance(module, _BatchNorm) and module.track_running_stats
    ]
    momenta = [module.momentum for module in norms]
    was_training = G.training
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # a cumulative mean
        module.train()
    for _ in range(batches):
        task.generate(G, moved(task.draw(batch), G))
    for module, momentum in zip(norms, momenta, strict=True):
        module.momentum = momentum
    G.train(was_training)
