"""ESRGAN's adversarial loss: Wang et al. (2018), arXiv:1809.00219, section 3.2."""

from math import log
from typing import final

from torch import Tensor
from torch.nn.functional import softplus

from gantool.duel import Duel
from gantool.losses.term import Adversarial


@final
class RelativisticAverage(Adversarial):
    """D: sp(m_g - C(x)) + sp(C(g) - m_x); G: sp(C(x) - m_g) + sp(m_x - C(g)), m the mean logit of a side.

    RaSGAN of Jolicoeur-Martineau (2018), arXiv:1807.00734, section 4.2; ESRGAN, eq. 1 and 2. With
    micro-batches or several processes, m is the mean of a part of the batch.

    Differs from the papers: D takes m for a constant, as in ESRGAN's code. That code halves both losses too;
    here the weight may do so.
    """

    undecided = 2 * log(2)

    def discriminator(self, duel: Duel) -> Tensor:
        real, fake = duel.real_logits, duel.fake_logits
        return softplus(fake.detach().mean() - real).mean() + softplus(fake - real.detach().mean()).mean()

    def generator(self, duel: Duel) -> Tensor:
        real, fake = duel.real_logits, duel.fake_logits
        return softplus(real - fake.mean()).mean() + softplus(real.mean() - fake).mean()
