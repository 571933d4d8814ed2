"""Residual blocks with resampling: Gulrajani et al.

(2017), arXiv:1704.00028, appendix F, after He et al. (2016).
"""

from typing import final

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from gantool.layers.conditional_norm import Norm
from gantool.layers.norm import norm as norm_of


def up(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, 2H, 2W), nearest."""
    return interpolate(x, scale_factor=2.0, mode="nearest")


def down(x: Tensor) -> Tensor:
    """(N, C, 2H, 2W) -> (N, C, H, W), mean of 2x2."""
    return avg_pool2d(x, 2)


@final
class UpBlock(nn.Module):
    """norm, relu, up, conv3, norm, relu, conv3, beside a shortcut of up, conv1: twice the size.

    Its norms also see a condition, if one is given: Miyato & Koyama (2018), arXiv:1802.05637, figure 14.

    Args:
        before: channels of the input.
        after: channels of the output.
        norm: makes a norm of as many channels as it is told.
    """

    def __init__(self, before: int, after: int, norm: Norm):
        super().__init__()
        self.norm1, self.norm2 = norm(before), norm(after)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, *condition: Tensor | None) -> Tensor:
        h = self.conv1(up(relu(self.norm1(x, *condition))))
        h = self.conv2(relu(self.norm2(h, *condition)))
        return h + up(
            self.shortcut(x)
        )  # a 1x1 convolution and nearest upsampling commute: this is the cheaper order


@final
class DownBlock(nn.Module):
    """norm, relu, conv3, norm, relu, conv3, mean pool, beside a shortcut: half the size, or the same.

    `halve=False` keeps the size, and then the shortcut is the identity where the channels agree. Between the
    convolutions are `hidden` channels; None = as many as before if it halves, otherwise as after.
    """

    def __init__(self, before: int, after: int, norm: str, halve: bool, hidden: int | None = None):
        super().__init__()
        hidden = hidden or (before if halve else after)
        self.norm1, self.norm2 = norm_of(norm, before), norm_of(norm, hidden)
        self.conv1 = nn.Conv2d(before, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1) if halve or before != after else nn.Identity()
        self.halve = halve

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(relu(self.norm1(x)))
        h = self.conv2(relu(self.norm2(h)))
        if self.halve:
            return down(h) + self.shortcut(
                down(x)
            )  # pooling first: the same numbers for a quarter of the work
        return h + self.shortcut(x)


@final
class FirstDownBlock(nn.Module):
    """conv3, relu, conv3, mean pool, beside mean pool, conv1.

    The first block of a critic, which sees raw pixels. Between the convolutions are `hidden` channels; None =
    as many as after.
    """

    def __init__(self, before: int, after: int, hidden: int | None = None):
        super().__init__()
        hidden = hidden or after
        self.conv1 = nn.Conv2d(before, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        return down(self.conv2(relu(self.conv1(x)))) + self.shortcut(down(x))
