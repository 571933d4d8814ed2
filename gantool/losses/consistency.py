"""Consistency regularisation: D shall not mind small changes of its images, nor of the latents behind them.

CR: Zhang, Zhang, Odena & Lee (2020), arXiv:1910.12027; balanced and latent: Zhao, Singh, Lee, Zhang, Odena &
Zhang (2021), arXiv:2002.04724.
"""

from typing import final

import torch
from torch import Tensor

from gantool.duel import Duel, apply
from gantool.losses.term import Term
from gantool.schedules import Schedule


@final
class Consistency(Term):
    """(C(x) - C(T(x)))^2 for D, on reals (CR, eq. 1) and, if wanted, on fakes too (bCR, Algorithm 1).

    T mirrors half of the images and shifts each by up to `shift` pixels either way, its border repeated.

    Args:
        fake: weight of the fakes' part beside that of the reals.
        shift: in pixels.
        weight: lambda.
        every: laziness.
    """

    def __init__(self, fake: float = 0.0, shift: int = 4, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        self.fake, self.shift = fake, shift

    def forward(self, duel: Duel) -> Tensor:
        loss = self.of(duel, duel.real_view, duel.real_logits, "real")
        return (
            loss + self.fake * self.of(duel, duel.fake_view, duel.fake_logits, "fake") if self.fake else loss
        )

    def of(self, duel: Duel, view: Tensor, logits: Tensor, side: str) -> Tensor:
        image = view.detach()
        drawn = duel.chance(f"consistency {side}", 3)  # (N, 3)
        changed = moved_and_mirrored(image, drawn, self.shift)
        return (logits - duel.judge(changed)).square().mean()


@final
class LatentConsistency(Term):
    """(C(G(z)) - C(G(z + e)))^2 for D, e ~ N(0, radius^2): zCR's first half, Algorithm 2."""

    def __init__(self, radius: float, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        self.radius = radius

    def forward(self, duel: Duel) -> Tensor:
        near = apply(duel.generator, near_source(duel, self.radius), duel.condition).detach()
        return (duel.fake_logits - duel.judge(duel.augmented(near, "fake"))).square().mean()


@final
class LatentDiversity(Term):
    """-|G(z) - G(z + e)|^2 for G, mean over pixels: zCR's second half, Algorithm 2."""

    def __init__(self, radius: float, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        self.radius = radius

    def forward(self, duel: Duel) -> Tensor:
        near = apply(duel.generator, near_source(duel, self.radius), duel.condition)
        return -(duel.fake - near).square().mean()


def near_source(duel: Duel, radius: float) -> Tensor:
    return duel.source + radius * duel.noise("latent consistency", *duel.source.shape[1:])  # (N, Z)


def moved_and_mirrored(image: Tensor, drawn: Tensor, shift: int) -> Tensor:
    """Each image mirrored with probability 1/2 and shifted by a whole number of pixels, (N, C, H, W).

    Args:
        image: (N, C, H, W).
        drawn: (N, 3), U[0, 1): decides mirroring and the shifts down and right.
        shift: the largest, in pixels.
    """
    count, _, height, width = image.shape
    steps = ((2 * shift + 1) * drawn[:, 1:]).floor().long() - shift  # (N, 2), from -shift to shift
    rows = (torch.arange(height, device=image.device) + steps[:, :1]).clamp(0, height - 1)  # (N, H)
    columns = (torch.arange(width, device=image.device) + steps[:, 1:]).clamp(0, width - 1)  # (N, W)
    columns = torch.where(drawn[:, :1] < 0.5, columns.flip(1), columns)
    number = torch.arange(count, device=image.device)[:, None, None]
    return image.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
