"""Instance noise: Sonderby et al. (2017), arXiv:1610.04490; Arjovsky & Bottou (2017), arXiv:1701.04862."""

from typing import final

import torch
from torch import Tensor

from gantool.augment.augment import Augment, Chance
from gantool.augment.draws import normal
from gantool.schedules import Schedule, at


@final
class InstanceNoise(Augment):
    """N(0, std^2) on every number of reals and fakes: the two distributions then overlap, so D is never sure.

    Args:
        std: standard deviation, where images lie in [-1, 1]; a schedule that falls to 0 gives the sharp
            distribution in the end.
    """

    std: Tensor

    def __init__(self, std: Schedule):
        super().__init__()
        if at(std, 0) < 0:
            raise ValueError(f"augment.instance_noise.std={at(std, 0)}: a standard deviation is 0 or more.")
        self.schedule = std
        self.register_buffer("std", torch.tensor(float(at(std, 0))))

    def advance(self, images: int) -> None:
        self.std.fill_(at(self.schedule, images))

    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        return image + self.std * normal(chance, "instance noise", *image.shape[1:])
