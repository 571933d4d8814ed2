"""ADA's feedback: Karras, Aittala, Hellsten, Laine, Lehtinen & Aila (2020), arXiv:2006.06676, section 3."""

from typing import final

import torch
from torch import Tensor, nn

from gantool.losses.observed import Observed


@final
class Adaptive(nn.Module):
    """Augments more while D is too sure of the reals, and less while it is not.

    With r = E[sign(C(x) - boundary)], r_t of eq. 1, which is 1 where D knows the reals by heart and 0 where
    it cannot tell them: every few steps of D, which saw n images since the last time,

        p <- clip(p + sign(r - target) n / images, 0, limit).

    What it saw since then lies in buffers, so a run resumed in between goes on bit for bit; micro-batches and
    processes change nothing.

    Differs from the authors' code: there p may grow beyond 1, which does no more than 1, and from where it
    takes long to come back.

    Args:
        target: of r; less keeps D less sure.
        images: in which p can go from 0 to 1.
        every: steps of D between two moves.
        start: where p begins.
        limit: where p ends. Below 1 no augmentation hides the distribution of the plain images; in practice
            augmentations show in the samples above 0.8 (section 2.2).
    """

    signs: Tensor
    seen: Tensor
    steps: Tensor
    r: Tensor

    def __init__(
        self, target: float, images: int = 500_000, every: int = 4, start: float = 0.0, limit: float = 1.0
    ):
        super().__init__()
        if not -1 < target < 1:
            raise ValueError(f"target={target}: a mean of signs lies between -1 and 1; ADA's is 0.6.")
        if images < 1:
            raise ValueError(f"images={images}: p needs some images to go from 0 to 1; ADA's are 500,000.")
        if every < 1:
            raise ValueError(f"every={every}: p moves every so many steps of D; give 1 or more.")
        if not 0 <= start <= limit <= 1:
            raise ValueError(
                f"start={start}, limit={limit}: p begins at a probability and stays below another; "
                "give 0 <= start <= limit <= 1."
            )
        self.target, self.images, self.every, self.start, self.limit = target, images, every, start, limit
        self.observed = Observed()
        for name in ("signs", "seen", "steps"):  # since p was last moved: sum of signs, images, steps
            self.register_buffer(name, torch.zeros(()))
        self.register_buffer("r", torch.zeros(()))  # when p was last moved

    def see(self, margins: Tensor) -> None:
        """Take in how far above its boundary D's answers to reals lie, (N, ...)."""
        self.observed.see(margins.sign())

    @torch.no_grad()
    def settle(self, p: Tensor, images: int) -> None:
        """Move p, in place, if it is time; without a look at any value: an accelerator would wait for it."""
        total, count = self.observed.total, self.observed.count
        self.signs += torch.where(count > 0, total * images / count.clamp(min=1e-6), 0.0)
        self.seen += (count > 0) * images
        self.steps += 1
        self.observed.clear()

        due = (self.steps >= self.every) & (self.seen > 0)
        self.r.copy_(torch.where(due, self.signs / self.seen, self.r))
        moved = p + (self.r - self.target).sign() * self.seen / self.images
        p.copy_(torch.where(due, moved.clamp(0, self.limit), p))
        for since in (self.signs, self.seen, self.steps):
            since *= ~due
