"""Conditional GAN for MNIST: Mirza & Osindero (2014), arXiv:1411.1784, section 4.1."""

from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, relu

from gantool.layers.maxout import Maxout
from gantool.layers.resolution import Resolution, height_and_width


@final
class Generator(nn.Module):
    """Latent and label are mapped on their own, joined, and turned into a sigmoid image.

    Args:
        latent: size Z of the latent.
        classes: number K of labels.
        width_latent: hidden units for the latent.
        width_label: hidden units for the label.
        channels: of the image.
        resolution: of the image, in pixels.

    Differs from the paper: the sigmoid is stretched from [0, 1] to [-1, 1]. The "combined hidden layer" of
    1200 units is read as the joined 200 + 1000.
    """

    def __init__(
        self,
        latent: int,
        classes: int,
        width_latent: int,
        width_label: int,
        channels: int,
        resolution: Resolution,
    ):
        super().__init__()
        self.classes = classes
        self.shape = (channels, *height_and_width(resolution))
        self.from_latent = nn.Linear(latent, width_latent)
        self.from_label = nn.Linear(classes, width_label)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(width_latent + width_label, prod(self.shape))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        y = one_hot(label, self.classes).to(z.dtype)  # (N, K)
        joined = torch.cat([relu(self.from_latent(z)), relu(self.from_label(y))], 1)
        return self.output(self.dropout(joined)).sigmoid().mul(2).sub(1).unflatten(1, self.shape)


@final
class Discriminator(nn.Module):
    """Image and label pass a maxout layer each, then a joint one.

    Args:
        classes: number K of labels.
        units_image, pieces_image: maxout layer of the image.
        units_label, pieces_label: maxout layer of the label.
        units_joint, pieces_joint: maxout layer of both.
        channels: of the image.
        resolution: of the image, in pixels.
    """

    def __init__(
        self,
        classes: int,
        units_image: int,
        pieces_image: int,
        units_label: int,
        pieces_label: int,
        units_joint: int,
        pieces_joint: int,
        channels: int,
        resolution: Resolution,
    ):
        super().__init__()
        self.classes = classes
        self.from_image = Maxout(channels * prod(height_and_width(resolution)), units_image, pieces_image)
        self.from_label = Maxout(classes, units_label, pieces_label)
        self.joint = Maxout(units_image + units_label, units_joint, pieces_joint)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(units_joint, 1)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        pixels = (image.flatten(1) + 1) / 2  # (N, C H W) in [0, 1]
        y = one_hot(label, self.classes).to(pixels.dtype)  # (N, K)
        joined = torch.cat([self.from_image(pixels), self.from_label(y)], 1)
        return self.output(self.dropout(self.joint(self.dropout(joined)))).squeeze(1)  # (N,)
