"""AC-GAN's networks for CIFAR-10: Odena, Olah & Shlens (2017), arXiv:1610.09585, appendix A."""

from math import prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, relu

from gantool.layers.resolution import Resolution, halvings


@final
class Generator(nn.Module):
    """Latent and one-hot label to 4x4, then a transposed 5x5 convolution per halving of the size.

    Args:
        latent: size Z of the latent, without the label.
        classes: number K of labels; the paper's 110 inputs are 100 + 10.
        width: channels of the last hidden stage; each stage before has twice as many.
        channels: of the image.
        resolution: of the image, in pixels; 32 gives the paper's network.
    """

    def __init__(self, latent: int, classes: int, width: int, channels: int, resolution: Resolution):
        super().__init__()
        self.classes = classes
        stages, base = halvings(resolution)
        widths = [width * 2**stage for stage in reversed(range(stages))]  # 32 px: 384 192 96
        self.base = (widths[0], *base)
        self.linear = nn.Linear(latent + classes, prod(self.base))
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [doubling(before, after), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, doubling(widths[-1], channels), nn.Tanh())

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        y = one_hot(label, self.classes).to(z.dtype)  # (N, K)
        h = self.linear(torch.cat([z, y], 1)).unflatten(1, self.base)  # (N, 4w, 4, 4)
        return self.layers(relu(h))  # (N, C, H, W)


@final
class Discriminator(nn.Module):
    """Pairs of 3x3 convolutions, the first of each strided, with dropout; two heads.

    Answers "logits" (N,) and "class" (N, K). The label of the image is ignored: the class is what this
    discriminator has to find out.

    Args:
        classes: number K of labels.
        width: channels of the first layer; each later one has twice as many, up to 32 times.
        channels: of the image.
        resolution: of the image, in pixels.
        dropout: share of the features that are dropped after each layer.

    Differs from the paper: no noise on the images.
    """

    def __init__(self, classes: int, width: int, channels: int, resolution: Resolution, dropout: float = 0.5):
        super().__init__()
        stages, base = halvings(resolution)
        before, after = channels, width
        layers: list[nn.Module] = []
        for number in range(2 * stages):  # 32 px: 16 32, 64 128, 256 512
            after = width * 2 ** min(number, 5)
            layers += [nn.Conv2d(before, after, 3, stride=2 if number % 2 == 0 else 1, padding=1)]
            layers += [nn.BatchNorm2d(after)] if number else []
            layers += [nn.LeakyReLU(0.2), nn.Dropout(dropout)]
            before = after
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.heads = nn.Linear(after * prod(base), 1 + classes)

    def forward(self, image: Tensor, label: Tensor) -> dict[str, Tensor]:
        answer = self.heads(self.trunk(image))  # (N, 1 + K)
        return {"logits": answer[:, 0], "class": answer[:, 1:]}


def doubling(before: int, after: int) -> nn.ConvTranspose2d:
    """(N, before, H, W) -> (N, after, 2H, 2W)."""
    return nn.ConvTranspose2d(before, after, 5, stride=2, padding=2, output_padding=1)
