"""APA, adaptive pseudo augmentation: Jiang, Dai, Wu & Loy (2021), arXiv:2111.06849."""

from typing import ClassVar, final

import torch
from torch import Tensor

from gantool.augment.augment import Chance
from gantool.augment.occasional import Occasional


@final
class Pseudo(Occasional):
    """With probability p D is shown a fake in the place of a real, and told that it is real.

    D cannot learn the few reals by heart, for some of what it should call real is what it should call fake.
    Section 3; images themselves stay as they are, so this works for any kind of data and beside any other
    augmentation.

    Differs from the authors' code: there the fakes are the last ones of G's turn; here each real gives way to
    the fake of its own place in the batch, so with its own label, and in whatever micro-batch or process. A
    loss that judges reals and fakes apart is the same on average; a relativistic pair of a fake with itself
    says nothing, so there such pairs only drop out.
    """

    name: ClassVar[str] = "apa"

    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        return image

    def substitute(self, real: Tensor, fake: Tensor, chance: Chance) -> Tensor:
        poses = chance("pseudo") < self.p  # (N,)
        return torch.where(poses.view(-1, *[1] * (real.ndim - 1)), fake.detach(), real)
