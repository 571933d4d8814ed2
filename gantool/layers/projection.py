"""The projection discriminator's last layer: Miyato & Koyama (2018), arXiv:1802.05637, eq. 3."""

from typing import final

from torch import Tensor, nn

from gantool.layers.conditional_norm import refuse_mismatch


@final
class Projection(nn.Module):
    """logit = w h + <V_y, h>: features (N, F) and labels (N,) -> (N,); without classes w h alone.

    V is a linear layer, whose answer for class y is picked: the same number as by an embedding of classes.

    Args:
        features: F.
        classes: number K of labels; None = an unconditional discriminator.
        bias: whether w h has one.
    """

    def __init__(self, features: int, classes: int | None, bias: bool):
        super().__init__()
        self.classes = classes
        self.linear = nn.Linear(features, 1, bias)
        self.V = None if classes is None else nn.Linear(features, classes, bias=False)

    def forward(self, h: Tensor, label: Tensor | None) -> Tensor:
        refuse_mismatch("D", self.classes, label)
        logit = self.linear(h)  # (N, 1)
        if self.V is not None and label is not None:
            logit = logit + self.V(h).gather(1, label[:, None])
        return logit.squeeze(1)
