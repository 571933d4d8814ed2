"""DiffAugment: Zhao, Liu, Lin, Zhu & Han (2020), arXiv:2006.10738."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import pad

from gantool.augment.augment import Augment, Chance
from gantool.augment.draws import colours, whole

STEPS = ("color", "translation", "cutout")


@final
class DiffAugment(Augment):
    """The same mild changes for reals and fakes, on both players' turns; appendix A gives the strengths.

    Opacity is moved and cut as the colours are, but not recoloured.

    Args:
        policy: any of color, translation, cutout, in the order in which they are applied. The paper takes
            all three for small sets, and [translation, cutout] for CIFAR-10.
    """

    def __init__(self, policy: Sequence[str]):
        super().__init__()
        unknown = [step for step in policy if step not in STEPS]
        if unknown or not policy or isinstance(policy, str):
            raise ValueError(
                f"augment.diffaug.policy={policy}: give a list of {', '.join(STEPS)}, or of some of them."
            )
        self.policy = tuple(policy)

    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        steps = {"color": recoloured, "translation": translated, "cutout": cut}
        for step in self.policy:
            image = steps[step](image, chance)
        return image


def recoloured(image: Tensor, chance: Chance) -> Tensor:
    """Brightness + U(-0.5, 0.5), saturation * U(0, 2), contrast * U(0.5, 1.5).

    Saturation about the mean of each pixel's channels, contrast about the mean of the image.
    """
    count = colours(image.shape[1])
    colour, opacity = image[:, :count], image[:, count:]
    colour = colour + chance("diffaug brightness", 1, 1, 1) - 0.5
    grey = colour.mean(1, keepdim=True)  # (N, 1, H, W)
    colour = grey + (colour - grey) * 2 * chance("diffaug saturation", 1, 1, 1)
    mean = colour.mean((1, 2, 3), keepdim=True)  # (N, 1, 1, 1)
    colour = mean + (colour - mean) * (0.5 + chance("diffaug contrast", 1, 1, 1))
    return torch.cat([colour, opacity], 1) if opacity.shape[1] else colour


def translated(image: Tensor, chance: Chance) -> Tensor:
    """Moved by up to an eighth of each side, in whole pixels, over zeros."""
    N, C, H, W = image.shape
    farthest = [round(side / 8) for side in (H, W)]
    moves = [
        whole(chance, f"diffaug translation {axis}", 2 * far + 1).long()  # (N,)
        for axis, far in zip("yx", farthest, strict=True)
    ]
    y, x = (
        move[:, None] + torch.arange(side, device=image.device)
        for move, side in zip(moves, (H, W), strict=True)
    )  # (N, H), (N, W): places in the padded image
    padded = pad(image, (farthest[1], farthest[1], farthest[0], farthest[0]))
    rows = padded.gather(2, y[:, None, :, None].expand(N, C, H, padded.shape[3]))
    return rows.gather(3, x[:, None, None, :].expand(N, C, H, W))


def cut(image: Tensor, chance: Chance) -> Tensor:
    """A rectangle of half of each side is zero; its centre is anywhere, so a part may lie outside."""
    outside = []
    for axis, side in zip("yx", image.shape[2:], strict=True):
        length = round(side / 2)
        centre = whole(chance, f"diffaug cutout {axis}", side + 1 - length % 2)  # (N,)
        distance = torch.arange(side, device=image.device) - (centre - length // 2)[:, None]  # (N, side)
        outside.append((distance < 0) | (distance >= length))
    kept = outside[0][:, None, :, None] | outside[1][:, None, None, :]  # (N, 1, H, W)
    return image * kept
