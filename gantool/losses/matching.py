"""What makes an image match its caption: terms beside any adversarial loss, for task=text.

Reed et al. (2016), arXiv:1605.05396; Zhang et al. (2017), arXiv:1612.03242.
"""

from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from gantool.duel import Duel, Verdict
from gantool.losses.observed import Observed
from gantool.losses.term import Adversarial, Term
from gantool.models.gan_cls import Generator
from gantool.priors import Gaussian
from gantool.schedules import Schedule
from gantool.tasks.task import Task
from gantool.tasks.text import Text, TextDuel


@final
class Mismatch(Term):
    """w (M - F): a share w of what D minimises over fakes is moved to reals with captions of other images.

    With R, F and M for what D loses over reals, fakes and mismatched reals, the whole of its loss is then
    R + w M + (1 - w) F: GAN-CLS, Algorithm 1, line 9, with w = 0.5.

    Args:
        adversarial: the loss that both are measured by: that of both players.
        weight: w.
        every: see Term.
    """

    def __init__(self, adversarial: Adversarial, weight: Schedule = 0.5, every: int = 1):
        super().__init__(weight, every)
        self.adversarial = adversarial

    def check(self, name: str, task: Task) -> None:
        refuse(name, task, self.adversarial)
        if isinstance(self.weight, int | float) and not 0 <= self.weight <= 1:
            raise ValueError(f"loss.{name}.weight={self.weight}: give the share of mismatches, from 0 to 1.")

    def forward(self, duel: Duel) -> Tensor:
        mismatched = replace(duel, condition=mismatch(duel)).verdict(duel.real_view)
        other = judged(duel, duel.real_verdict, mismatched)
        return self.adversarial.discriminator(other) - self.adversarial.discriminator(duel)


@final
class Interpolation(Term):
    """What G minimises, for captions between two: GAN-INT, eq. 5, with beta = 0.5.

    No image belongs to such a caption, so that D sees them in fakes only, and only on G's turn. Each is the
    mean of what a player reads in the caption of an image and in that of another one.

    Args:
        adversarial: the loss that it is measured by: that of both players.
        weight: of the term; in eq. 5 it is 1.
        every: see Term.
    """

    def __init__(self, adversarial: Adversarial, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        self.adversarial = adversarial

    def check(self, name: str, task: Task) -> None:
        refuse(name, task, self.adversarial)

    def forward(self, duel: Duel) -> Tensor:
        assert duel.condition is not None
        between = torch.stack([duel.condition, mismatch(duel)], 1)  # (N, 2, T)
        fake = duel.generator(duel.source, between)
        return self.adversarial.generator(replace(duel, fake=fake, condition=between))


@final
class ConditioningAugmentation(Term):
    """KL(N(mu, sigma^2) || N(0, 1)) of what G hears of a caption: StackGAN, eq. 2.

    -log sigma + (sigma^2 + mu^2 - 1) / 2, a mean over the batch and the numbers, as in the authors' code.

    Args:
        weight: StackGAN's code has 2.
        every: see Term.
    """

    def check(self, name: str, task: Task) -> None:
        if not isinstance(task.G, Generator) or not task.G.augmentation:
            raise ValueError(
                f"loss.{name} measures a G that augments captions: use model=gan_cls with "
                "model.G.augmentation=true, as trick=conditioning_augmentation does."
            )
        if not isinstance(task, Text) or not isinstance(task.prior, Gaussian):
            raise ValueError(
                f"loss.{name} needs epsilon, the end of the latent, to be N(0, 1): use prior=gaussian."
            )

    def forward(self, duel: Duel) -> Tensor:
        assert isinstance(duel.generator, Generator)
        assert duel.condition is not None
        mu, log_sigma = duel.generator.told(duel.condition)
        assert log_sigma is not None
        return divergence(mu, log_sigma)


def divergence(mu: Tensor, log_sigma: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, 1)), a mean over all numbers."""
    return (-log_sigma + ((2 * log_sigma).exp() + mu.square() - 1) / 2).mean()


def refuse(name: str, task: Task, adversarial: Adversarial) -> None:
    """Raise ValueError where there are no captions, or a loss that remembers what it has seen."""
    if not isinstance(task, Text):
        raise ValueError(
            f"loss.{name} compares captions: it needs task=text, as model=gan_cls has it; drop it."
        )
    if any(isinstance(module, Observed) for module in adversarial.modules()):
        raise ValueError(
            f"loss.{name} shows {type(adversarial).__name__} images that are none of the game; choose "
            "another loss, such as loss.adversarial=non_saturating, or drop it."
        )


def mismatch(duel: Duel) -> Tensor:
    """Captions that are not true of the reals."""
    assert isinstance(duel, TextDuel)
    assert duel.mismatch is not None
    return duel.mismatch


def judged(duel: Duel, real: Verdict, fake: Verdict) -> Duel:
    """The same duel with these verdicts."""
    other = replace(duel)
    vars(other).update(real_verdict=real, fake_verdict=fake)
    return other
