"""Each fake beside the real that it was made of, as D sees both: for generators that reconstruct."""

from typing import final

from torch import Tensor
from torch.nn.functional import mse_loss, softplus

from gantool.duel import Duel
from gantool.losses.term import Adversarial, Term

FEATURES = "features"  # in D's verdict


@final
class FeatureDistance(Term):
    """Mean (f(x) - f(g))^2 of pairs of a real and its fake, f being what D's verdict calls "features".

    izi_f's second term: Schlegl et al. (2019), Medical Image Analysis 54.
    """

    def forward(self, duel: Duel) -> Tensor:
        return distance(duel)


@final
class MatchedFeatures(Adversarial):
    """D: (sp(-C(x)) + sp(C(g))) / 2; G: mean (f(x) - f(g))^2, f being what D's verdict calls "features".

    GANomaly: Akcay et al. (2018), arXiv:1805.06725, eq. 1; D's half from the authors' code.

    Differs from that code: D is not drawn anew when its loss falls below 1e-5.
    """

    undecided = 0.6931471805599453  # log 2

    def discriminator(self, duel: Duel) -> Tensor:
        return (softplus(-duel.real_logits).mean() + softplus(duel.fake_logits).mean()) / 2

    def generator(self, duel: Duel) -> Tensor:
        return distance(duel)

    def boundary(self, duel: Duel) -> Tensor:
        return duel.real_logits.new_zeros(())


def distance(duel: Duel) -> Tensor:
    real, fake = duel.real_verdict, duel.fake_verdict
    if FEATURES not in fake:
        raise ValueError(
            'This loss needs a D that shows its "features", as those of model=ganomaly and model=f_anogan do.'
        )
    return mse_loss(fake[FEATURES], real[FEATURES].detach())
