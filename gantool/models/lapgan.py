"""LAPGAN: Denton, Chintala, Szlam & Fergus (2015), arXiv:1506.05751, and the authors' code for CIFAR-10.

A pair of networks for each level of a Laplacian pyramid: perceptrons for the coarsest images, convolutions
for the detail that every finer level adds.
"""

from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, relu

from gantool.layers.resolution import Resolution, halvings

Size = tuple[int, int]
LEAST = 9  # pixels that D's convolutions need, which do not pad


def generators(
    latent: int,
    units: int,
    width: int,
    channels: int,
    resolution: Resolution,
    classes: int = 0,
    smallest: int = 7,
) -> nn.ModuleList:
    """A generator for each level, the coarsest first.

    Args:
        latent: size Z of the latent of the coarsest level.
        units: of its hidden layers.
        width: channels of the hidden layers of all finer levels.
        channels: of the image.
        resolution: of the image, in pixels.
        classes: number K of labels; 0 = unconditional.
        smallest: images are halved while the shorter side stays so long: with 7, 28 -> 14 -> 7 and
            32 -> 16 -> 8.
    """
    coarsest, *finer = sizes(resolution, smallest)
    return nn.ModuleList(
        [
            CoarsestGenerator(latent, units, channels, coarsest, classes),
            *[Generator(width, channels, size, classes) for size in finer],
        ]
    )


def discriminators(
    units: int,
    width: int,
    channels: int,
    resolution: Resolution,
    classes: int = 0,
    smallest: int = 7,
) -> nn.ModuleList:
    """A discriminator for each level, the coarsest first; arguments as for `generators`."""
    coarsest, *finer = sizes(resolution, smallest)
    return nn.ModuleList(
        [
            CoarsestDiscriminator(units, channels, coarsest, classes),
            *[Discriminator(width, channels, size, classes) for size in finer],
        ]
    )


def sizes(resolution: Resolution, smallest: int) -> list[Size]:
    """(H, W) of each level, the coarsest first. Raises ValueError where D could not judge the second."""
    if 2 * smallest < LEAST:
        raise ValueError(
            f"model.G.smallest={smallest}: the level above the coarsest would be too small for D's "
            f"convolutions, which need {LEAST} pixels; use {-(-LEAST // 2)} or more."
        )
    count, (height, width) = halvings(resolution, smallest)
    return [(height * 2**level, width * 2**level) for level in range(count + 1)]


def told(label: Tensor | None, classes: int, beside: Tensor) -> Tensor:
    """One-hot labels (N, K), in the kind of numbers of `beside`; (N, 0) for a network without classes.

    Raises ValueError for labels that are not expected, or missing.
    """
    if bool(classes) != (label is not None):
        wrong = "needs labels" if classes else "knows no labels"
        raise ValueError(
            f"model=lapgan: the network {wrong}. With labels: task.conditional=true "
            "'model.G.classes=${data.classes}'; without: task.conditional=false model.G.classes=0."
        )
    return beside.new_empty(beside.shape[0], 0) if label is None else one_hot(label, classes).to(beside.dtype)


@final
class Plane(nn.Module):
    """The label as a plane beside those of an image: a linear layer of it, rectified, (N, 1, H, W).

    Without classes no plane, (N, 0, H, W).

    Differs from the paper: it joins the image, as in the authors' code, not the first feature maps.
    """

    def __init__(self, classes: int, size: Size):
        super().__init__()
        self.classes, self.size = classes, size
        self.linear = nn.Linear(classes, prod(size)) if classes else nn.Identity()

    def forward(self, image: Tensor, label: Tensor | None) -> Tensor:
        rows = relu(self.linear(told(label, self.classes, image)))  # (N, H W), or (N, 0)
        return rows.view(image.shape[0], int(self.classes > 0), *self.size)


@final
class CoarsestGenerator(nn.Module):
    """A perceptron with two hidden layers, from a latent (and a label) to a small image."""

    def __init__(self, latent: int, units: int, channels: int, size: Size, classes: int = 0):
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Linear(latent + classes, units),
            nn.ReLU(inplace=True),
            nn.Linear(units, units),
            nn.ReLU(inplace=True),
            nn.Linear(units, channels * prod(size)),
            nn.Unflatten(1, (channels, *size)),
        )

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return self.layers(torch.cat([z, told(label, self.classes, z)], 1))  # (N, Z) -> (N, C, H, W)


@final
class CoarsestDiscriminator(nn.Module):
    """A perceptron with two hidden layers and dropout, from a small image (and a label) to a logit."""

    def __init__(self, units: int, channels: int, size: Size, classes: int = 0):
        super().__init__()
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Linear(channels * prod(size) + classes, units),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(units, units),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(units, 1),
        )

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        joined = torch.cat([image.flatten(1), told(label, self.classes, image)], 1)  # (N, C H W + K)
        return self.layers(joined).squeeze(1)  # (N,)


@final
class Generator(nn.Module):
    """What a coarse image lacks, of the image itself and a plane of noise, added to it: (N, C, H, W).

    Its source, (N, C + 1, H, W), holds the coarse image, blurred as it came from half the size, and the
    noise, "as a 4th colour plane" (section 4).

    Args:
        width: channels of both hidden layers.
        channels: of the image.
        size: of the image, in pixels.
        classes: number K of labels; 0 = unconditional.
    """

    def __init__(self, width: int, channels: int, size: Size, classes: int = 0):
        super().__init__()
        self.channels = channels
        self.detail = nn.Sequential(
            nn.Conv2d(channels + 1 + bool(classes), width, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, channels, 5, padding=2),
        )
        self.plane = Plane(classes, size)

    def forward(self, source: Tensor, label: Tensor | None = None) -> Tensor:
        coarse = source[:, : self.channels]  # (N, C, H, W)
        return coarse + self.detail(torch.cat([source, self.plane(source, label)], 1))


@final
class Discriminator(nn.Module):
    """Two convolutions and a linear layer with dropout, from coarse image + detail to a logit.

    The paper's D is given both and begins with their sum, which is all that it sees of either; so it is
    given the sum here.

    Args:
        width: channels of both hidden layers.
        channels: of the image.
        size: of the image, in pixels.
        classes: number K of labels; 0 = unconditional.
    """

    def __init__(self, width: int, channels: int, size: Size, classes: int = 0):
        super().__init__()
        last = [(side - LEAST) // 2 + 1 for side in size]  # a side after both convolutions: 32 -> 28 -> 12
        self.layers = nn.Sequential(
            nn.Conv2d(channels + bool(classes), width, 5),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 5, stride=2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Dropout(),
            nn.Linear(width * prod(last), 1),
        )
        self.plane = Plane(classes, size)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        return self.layers(torch.cat([image, self.plane(image, label)], 1)).squeeze(1)  # (N,)
