"""Path length regularisation: Karras et al. (2020), arXiv:1912.04958, section 3.2."""

from math import sqrt
from typing import final

import torch
from torch import Tensor

from gantool.chance import normal
from gantool.duel import Duel
from gantool.layers.styled import Styled
from gantool.losses.observed import Observed
from gantool.losses.term import Term
from gantool.schedules import Schedule
from gantool.tasks.task import Task


@final
class PathLength(Term):
    """(|J_w^T y| - a)^2 with y ~ N(0, 1) / sqrt(H W) of the image's shape: eq. 4.

    A step in w is to change the image by as much wherever it is taken and into whichever direction. J is the
    derivative of the image by the styles, and a the moving average of |J_w^T y|, from 0: it moves after each
    step of G that computes this term.

    Differs from the paper: |.|^2 is the mean over an image's styles, of each alone, as in the authors' code;
    there, however, a knows of the current minibatch already.

    Args:
        shrink: only one sample in so many is taken, to save memory.
        decay: share of a new mean in a.
        weight: the paper's gamma.
        every: laziness.
    """

    average: Tensor

    def __init__(self, shrink: int = 2, decay: float = 0.01, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        if shrink < 1 or not 0 < decay <= 1:
            raise ValueError(
                f"shrink={shrink}, decay={decay}: give a whole number of 1 or more, and a share above 0; the "
                "paper's are 2 and 0.01."
            )
        self.shrink = shrink
        self.decay = decay
        self.observed = Observed()
        self.register_buffer("average", torch.zeros(()))

    def check(self, name: str, task: Task) -> None:
        if not isinstance(task.G, Styled):
            raise ValueError(
                f"loss.{name} needs a G with styles, such as that of model=stylegan2; choose one, or "
                f"leave the term out: '~loss.{name}'."
            )

    def forward(self, duel: Duel) -> Tensor:
        assert isinstance(duel.generator, Styled)
        count = max(len(duel.source) // self.shrink, 1)
        label = None if duel.condition is None else duel.condition[:count]
        length = lengths(duel.generator, duel.source[:count], label, duel.seeds[:count])
        self.observed.see(length)
        return (length - self.average).square().mean()

    @torch.no_grad()
    def settle(self) -> None:
        self.average.lerp_(self.observed.mean(otherwise=self.average), self.decay)
        self.observed.clear()


def lengths(G: Styled, latent: Tensor, label: Tensor | None, seeds: Tensor) -> Tensor:
    """|J_w^T y| of each sample, (N,); no autocast, and past torch.compile, which has no second derivative."""
    with torch.autocast(latent.device.type, enabled=False):
        styles = G.styles(latent, label)
        if G.training and G.mixing:
            styles = G.mixed(styles, label, latent)
        styles = styles if styles.requires_grad else styles.requires_grad_()  # of a frozen mapping
        image = G.paint(styles)
        _, channels, height, width = image.shape
        noise = normal(seeds, "path length", channels, height, width, dtype=image.dtype)
        noise = noise / sqrt(height * width)
        (slope,) = torch.autograd.grad((image * noise).sum(), styles, create_graph=True)  # (N, L, W)
    return slope.square().sum(2).mean(1).sqrt()
