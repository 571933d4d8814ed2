"""Feature matching: Salimans et al. (2016), arXiv:1606.03498, section 3.1; of several layers: DiscoGAN."""

from typing import final

import torch
from torch import Tensor, nn

from gantool.duel import Duel, apply_exactly
from gantool.layers.weighted import weighted
from gantool.losses.term import Term
from gantool.tasks.task import Task


@final
class FeatureMatching(Term):
    """|mean f(x) - mean f(g)|^2 for G, f being what D's last layer with weights is given, means over a batch.

    Differs from the paper: beside the adversarial loss, not in its place. With micro-batches the means are
    theirs.
    """

    def check(self, name: str, task: Task) -> None:
        if not weighted(task.D):
            raise ValueError(
                f"loss.{name} needs a D with a convolution or a linear layer; this one has none."
            )

    def forward(self, duel: Duel) -> Tensor:
        real, fake = features(duel, duel.real_view), features(duel, duel.fake_view)
        return (real.detach().mean(0) - fake.mean(0)).square().sum()


@final
class FeatureMaps(Term):
    """The sum over D's maps f of the mean over the elements of (mean f(x) - mean f(g))^2, for G.

    The inner means are over a batch. The maps are what D's verdict calls "features…". DiscoGAN: Kim et al.
    (2017), arXiv:1703.05192; the authors' code writes it as a hinge embedding loss with targets of 1, which
    is the mean. With micro-batches the means are theirs, and with several processes too.
    """

    def forward(self, duel: Duel) -> Tensor:
        real, fake = duel.real_verdict, duel.fake_verdict
        maps = [name for name in fake if name.startswith("features")]
        if not maps:
            raise ValueError(
                'FeatureMaps needs a D that shows its "features", as that of model=discogan; with any other '
                "use trick=feature_matching."
            )
        gaps = [real[name].detach().mean(0) - fake[name].mean(0) for name in maps]
        return torch.stack([gap.square().mean() for gap in gaps]).sum()


def features(duel: Duel, view: Tensor) -> Tensor:
    """What is given to the last layer with weights that `view` passes in D, (N, F)."""
    last: list[Tensor] = []

    def see(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        last[:] = inputs[:1]

    handles = [layer.register_forward_pre_hook(see) for layer in weighted(duel.discriminator)]
    try:
        apply_exactly(duel.discriminator, view, duel.condition)
    finally:
        for handle in handles:
            handle.remove()
    return last[0].flatten(1)
