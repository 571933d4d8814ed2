"""StyleGAN2's networks: Karras et al. (2020), arXiv:1912.04958, with labels as in arXiv:2006.06676."""

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu

from gantool.layers.conditional_norm import refuse_mismatch
from gantool.layers.equalized import EqualizedConv, EqualizedLinear
from gantool.layers.mapping import Mapping
from gantool.layers.minibatch import MinibatchStandardDeviation
from gantool.layers.modulated import ModulatedConv, ToImage
from gantool.layers.resample import blur, downsample, upsample
from gantool.layers.resolution import Resolution, halvings
from gantool.layers.styled import Styled
from gantool.layers.tapered import widths_of
from gantool.layers.text import Text

TAPS = [1.0, 3.0, 3.0, 1.0]


@final
class Layer(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU: features of `size`. Figure 2d.

    The noise is the same for all channels, in a strength that is learnt, at first 0. While training each
    sample has noise of its own; afterwards it is the same for all and always.
    """

    noise: Tensor

    def __init__(self, style: int, before: int, after: int, size: tuple[int, int], up: bool):
        super().__init__()
        self.conv = ModulatedConv(style, before, after, up, gain=sqrt(2))
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(after))
        self.register_buffer("noise", torch.randn(1, *size))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        h = self.conv(x, style)  # (N, after, H, W)
        noise = torch.randn_like(h[:, :1]) if self.training else self.noise.to(h.dtype)  # (N, 1, H, W)
        h = h.add_(noise * (self.strength * sqrt(2))).add_(self.bias[:, None, None] * sqrt(2))
        return leaky_relu(h, 0.2, inplace=True)


@final
class Generator(Styled):
    """Each size adds to the image of the size before, smoothly enlarged: figure 7b. No tanh.

    There is a learnt constant and one layer at the smallest size, and two layers at each further one; what
    makes a part of the image takes the style of the layer that follows.

    Args:
        latent: size Z of the latent.
        style: size W of a style.
        depth: layers of the mapping from the one to the other.
        width: channels of every stage of up to `full` pixels; half as many for each doubling above.
        channels: of the image.
        resolution: of the image, in pixels; 28 starts from 7x7.
        full: in pixels: 64 is the paper's, 32 what is called half width.
        widths: of each stage, from the smallest, instead of what follows from `width`.
        mixing: probability that a sample mixes two styles while training.
        classes: 0 = images without labels.
        text: of captions in the place of labels: makes what reads them. None = images without captions.
    """

    taps: Tensor

    def __init__(
        self,
        latent: int,
        style: int,
        depth: int,
        width: int,
        channels: int,
        resolution: Resolution,
        full: int = 64,
        widths: Sequence[int] | None = None,
        mixing: float = 0.9,
        classes: int = 0,
        text: Callable[[], Text] | None = None,
    ):
        doublings, (height, breadth) = halvings(resolution)
        stages = widths_of(width, widths, (height, breadth), doublings + 1, full)
        mapping = Mapping(latent, style, depth, classes, None if text is None else text())
        super().__init__(mapping, style, 2 * len(stages), mixing)
        self.constant = nn.Parameter(torch.randn(stages[0], height, breadth))
        self.convs = nn.ModuleList()
        for stage, after in enumerate(stages):
            size = (height * 2**stage, breadth * 2**stage)
            if stage:
                self.convs.append(Layer(style, stages[stage - 1], after, size, up=True))
            self.convs.append(Layer(style, after, after, size, up=False))
        self.to_image = nn.ModuleList(ToImage(style, width, channels) for width in stages)
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)

    def paint(self, styles: Tensor) -> Tensor:
        count = styles.shape[0]  # len() would fix it in an export
        h = self.constant.expand(count, -1, -1, -1).to(styles.dtype)
        h = self.convs[0](h, styles[:, 0])  # (N, width, 4, 4)
        image = self.to_image[0](h, styles[:, 1])  # (N, C, 4, 4)
        for stage, to_image in enumerate(self.to_image[1:], start=1):
            h = self.convs[2 * stage - 1](h, styles[:, 2 * stage - 1])
            h = self.convs[2 * stage](h, styles[:, 2 * stage])
            image = upsample(image, self.taps) + to_image(h, styles[:, 2 * stage + 1])
        return image

    def affines(self) -> list[Tensor]:
        of_convs = [conv.affine for conv in self.convs.modules() if isinstance(conv, ModulatedConv)]
        of_images = [image.affine for image in self.to_image.modules() if isinstance(image, ToImage)]
        fed = [[affine] for affine in of_convs] + [[]]
        for stage, affine in enumerate(of_images):
            fed[2 * stage + 1].append(affine)
        return [torch.cat([affine.weight * affine.scale for affine in affines]) for affines in fed]


@final
class DownConv(nn.Module):
    """(N, C, 2H, 2W) to (N, D, H, W): the filter [1, 3, 3, 1], then a convolution of stride 2. Appendix B."""

    taps: Tensor

    def __init__(self, inputs: int, outputs: int, gain: float):
        super().__init__()
        self.scale = gain / (sqrt(inputs) * 3)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(blur(x, self.taps, padding=2), self.weight * self.scale, self.bias, stride=2)


@final
class DownBlock(nn.Module):
    """conv3, conv3 to half the size, each with leaky ReLU; `residual`: plus a 1x1 convolution of the half.

    The sum is divided by sqrt(2), which keeps its variance.
    """

    taps: Tensor

    def __init__(self, before: int, after: int, residual: bool):
        super().__init__()
        self.conv = EqualizedConv(before, before, 3, gain=sqrt(2))
        self.down = DownConv(before, after, gain=1.0 if residual else sqrt(2))
        self.skip = EqualizedConv(before, after, 1, gain=sqrt(0.5), bias=False) if residual else None
        self.register_buffer("taps", torch.tensor(TAPS), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        h = leaky_relu(self.conv(x), 0.2, inplace=True)
        h = leaky_relu(self.down(h), 0.2, inplace=True)
        return h if self.skip is None else h + self.skip(downsample(x, self.taps))


@final
class Discriminator(nn.Module):
    """Blocks down to 4x4, there the samples compared, one convolution and two linear layers: figure 7c.

    With labels, the last layer gives a vector whose product with the label's, over sqrt(width), is the logit:
    the projection of Miyato & Koyama (2018), arXiv:1802.05637, without its unconditional part. A mapping
    network of D's own makes the label's vector.

    Args:
        width: as the generator's.
        channels: of the image.
        resolution: of the image, in pixels.
        full: as the generator's.
        widths: of each stage, from the smallest, as the generator's.
        residual: whether blocks have shortcuts; those of the CIFAR-10 setting have none.
        group: samples that are compared.
        classes: 0 = images without labels.
        text: as the generator's; D reads for itself.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        full: int = 64,
        widths: Sequence[int] | None = None,
        residual: bool = True,
        group: int = 4,
        classes: int = 0,
        text: Callable[[], Text] | None = None,
    ):
        super().__init__()
        halving, base = halvings(resolution)
        stages = widths_of(width, widths, base, halving + 1, full)[::-1]
        last = stages[-1]
        self.from_image = EqualizedConv(channels, stages[0], 1, gain=sqrt(2))
        self.blocks = nn.Sequential(
            *[DownBlock(before, after, residual) for before, after in zip(stages, stages[1:], strict=False)]
        )
        self.compare = MinibatchStandardDeviation(group)
        self.conv = EqualizedConv(last + 1, last, 3, gain=sqrt(2))
        self.linear = EqualizedLinear(last * prod(base), last, gain=sqrt(2))
        told = bool(classes) or text is not None
        self.output = EqualizedLinear(last, last if told else 1)
        self.mapping = Mapping(0, last, 8, classes, None if text is None else text()) if told else None
        self.classes = classes or (0 if told else None)

    def forward(self, image: Tensor, label: Tensor | None = None) -> Tensor:
        refuse_mismatch("D", self.classes, label)
        known = None if self.mapping is None else self.mapping(image.new_zeros(len(image), 0), label)
        h = self.blocks(leaky_relu(self.from_image(image), 0.2, inplace=True))  # (N, width, 4, 4)
        h = leaky_relu(self.conv(self.compare(h)), 0.2)
        h = self.output(leaky_relu(self.linear(h.flatten(1)), 0.2))  # (N, 1), or (N, width)
        if known is None:
            return h.squeeze(1)
        return (h * known).sum(1) / sqrt(h.shape[1])  # (N,), known being what the label alone says
