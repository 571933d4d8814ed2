"""Distances of latents."""

from typing import final

from torch import Tensor
from torch.nn.functional import mse_loss

from gantool.duel import Duel
from gantool.layers.encoded import Autoencoder
from gantool.losses.term import Term
from gantool.tasks.task import Task


@final
class LatentDistance(Term):
    """Mean (z - z')^2: the latent z of a real, and z' of what G makes of that, both with gradients.

    GANomaly's encoder loss: Akcay et al. (2018), arXiv:1805.06725, eq. 3; a mean, as in the authors' code.
    """

    def check(self, name: str, task: Task) -> None:
        if not isinstance(task.G, Autoencoder):
            raise ValueError(
                f"loss.{name} needs a G that encodes images twice, as that of model=ganomaly; leave it out."
            )

    def forward(self, duel: Duel) -> Tensor:
        assert isinstance(duel.generator, Autoencoder)
        return mse_loss(duel.generator.second(duel.fake), duel.source)
