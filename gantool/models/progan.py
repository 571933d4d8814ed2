"""ProGAN: Karras, Aila, Laine & Lehtinen (2018), arXiv:1710.10196, table 2, as in the authors' code."""

from math import prod, sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from gantool.layers.equalized import EqualizedConv, EqualizedLinear
from gantool.layers.equalized_resize import DownConv, UpConv
from gantool.layers.minibatch import MinibatchStandardDeviation
from gantool.layers.pixel_norm import PixelNorm
from gantool.layers.progressive import Level, Progressive, blend, enlarged, shrunk
from gantool.layers.resample import blur as blurred
from gantool.layers.residual import down, up
from gantool.layers.resolution import Resolution, halvings
from gantool.layers.tapered import widths_of

FULL = 32  # pixels up to which stages have all of their channels


@final
class First(nn.Module):
    """Latents of a mean square made 1, (N, Z), to features of (N, width, *size): linear, conv3."""

    def __init__(self, latent: int, width: int, size: tuple[int, int]):
        super().__init__()
        self.shape = (width, *size)
        self.norm = PixelNorm()
        self.linear = EqualizedLinear(latent, width * prod(size), gain=sqrt(2) / 4, bias=None)
        self.bias = nn.Parameter(torch.zeros(width))
        self.conv = EqualizedConv(width, width, 3, gain=sqrt(2))

    def forward(self, z: Tensor) -> Tensor:
        h = self.linear(self.norm(z)).unflatten(1, self.shape) + self.bias[:, None, None]
        h = self.norm(leaky_relu(h, 0.2))
        return self.norm(leaky_relu(self.conv(h), 0.2))


@final
class Doubling(nn.Module):
    """up, conv3, conv3: twice the size. Each convolution ends with a leaky ReLU and pixel norm."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.up = UpConv(before, after)
        self.conv = EqualizedConv(after, after, 3, gain=sqrt(2))
        self.norm = PixelNorm()

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(leaky_relu(self.up(x), 0.2))
        return self.norm(leaky_relu(self.conv(h), 0.2))


@final
class Look(nn.Module):
    """An image to features of its size: conv1, leaky ReLU."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = EqualizedConv(channels, width, 1, gain=sqrt(2))

    def forward(self, image: Tensor) -> Tensor:
        return leaky_relu(self.conv(image), 0.2)


@final
class Halving(nn.Module):
    """conv3, leaky ReLU, conv3, mean pool, leaky ReLU: half the size. StyleGAN's blurs before the second."""

    def __init__(self, channels: int, before: int, after: int, blur: bool):
        super().__init__()
        self.blur = blur
        self.look = Look(channels, before)
        self.conv = EqualizedConv(before, before, 3, gain=sqrt(2))
        self.down = DownConv(before, after)

    def forward(self, x: Tensor) -> Tensor:
        h = leaky_relu(self.conv(x), 0.2)
        h = blurred(h, [1, 2, 1]) if self.blur else h
        return leaky_relu(self.down(h), 0.2)


@final
class Last(nn.Module):
    """Features of (N, width, *size) to logits: minibatch standard deviation, conv3, linear, linear."""

    def __init__(self, channels: int, width: int, size: tuple[int, int], group: int, logits: int):
        super().__init__()
        self.look = Look(channels, width)
        self.deviation = MinibatchStandardDeviation(group)
        self.conv = EqualizedConv(width + 1, width, 3, gain=sqrt(2))
        self.hidden = EqualizedLinear(width * prod(size), width, gain=sqrt(2))
        self.linear = EqualizedLinear(width, logits)

    def forward(self, x: Tensor) -> Tensor:
        h = leaky_relu(self.conv(self.deviation(x)), 0.2)
        h = leaky_relu(self.hidden(h.flatten(1)), 0.2)
        return self.linear(h)  # (N, logits)


@final
class Generator(nn.Module, Progressive):
    """Twice the size with each stage, each of which can make an image; no tanh.

    Args:
        latent: size Z of the latent.
        width: channels of every stage of up to 32 pixels; half as many for each doubling above.
        channels: of the image.
        resolution: of the whole image, in pixels; 28 starts from 7x7.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution):
        super().__init__()
        doublings, base = halvings(resolution)
        widths = widths_of(width, None, base, doublings + 1, FULL)
        self.level = Level(doublings)
        self.stages = nn.ModuleList([First(latent, widths[0], base)])
        self.stages.extend(Doubling(*pair) for pair in zip(widths, widths[1:], strict=False))
        self.to_image = nn.ModuleList(EqualizedConv(width, channels, 1) for width in widths)

    def grow(self, level: float) -> None:
        self.level.move(level)

    def forward(self, z: Tensor) -> Tensor:
        return self.partly(z, *self.level.read())

    def partly(self, z: Tensor, stage: int, share: Tensor | None) -> Tensor:
        """The image (N, C, H, W) of the stages up to `stage`, which has a `share` in it; None = alone."""
        before = h = self.stages[0](z)
        for block in self.stages[1 : stage + 1]:
            before, h = h, block(h)  # (N, width, 2^k base)
        image = self.to_image[stage](h)
        if share is not None:
            image = blend(up(self.to_image[stage - 1](before)), image, share)
        return enlarged(image, self.level.highest - stage)


@final
class Discriminator(nn.Module, Progressive):
    """The generator's mirror image, from images of any stage to a logit.

    Args:
        width: as the generator's.
        channels: of the image.
        resolution: of the whole image, in pixels.
        group: samples that the minibatch standard deviation compares.
        blur: smooth features by [1, 2, 1] before they are halved, as StyleGAN does.
        classes: 0 = images without labels; otherwise there is a logit for each label, as in StyleGAN's code.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        group: int = 4,
        blur: bool = False,
        classes: int = 0,
    ):
        super().__init__()
        count, base = halvings(resolution)
        widths = widths_of(width, None, base, count + 1, FULL)
        self.classes = classes
        self.level = Level(count)
        self.stages = nn.ModuleList(  # from the image on, the largest first
            Halving(channels, before, after, blur)
            for before, after in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.stages.append(Last(channels, widths[0], base, group, max(classes, 1)))

    def grow(self, level: float) -> None:
        self.level.move(level)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        if bool(self.classes) != (label is not None):
            wrong = "needs labels" if self.classes else "knows no labels"
            raise ValueError(
                f"This discriminator {wrong}. With labels: task.conditional=true "
                "'model.G.classes=${data.classes}'; without: task.conditional=false model.G.classes=0."
            )
        logits = self.partly(image, *self.level.read())  # (N, 1), or (N, K)
        return (logits if label is None else logits.gather(1, label[:, None])).squeeze(1)  # (N,)

    def partly(self, image: Tensor, stage: int, share: Tensor | None) -> Tensor:
        """The logits by the stages up to `stage`, which has a `share` in them; None = alone."""
        newest, *others = self.stages[self.level.highest - stage :]
        image = shrunk(image, self.level.highest - stage)
        h = newest(newest.look(image))  # pyright: ignore
        if share is not None:
            h = blend(others[0].look(down(image)), h, share)  # pyright: ignore
        for block in others:
            h = block(h)  # half the size with each, but for the last
        return h
