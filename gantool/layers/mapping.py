"""StyleGAN's mapping network: Karras, Laine & Aila (2019), arXiv:1812.04948, section 2."""

from math import sqrt
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, one_hot

from gantool.layers.equalized import EqualizedLinear
from gantool.layers.pixel_norm import PixelNorm
from gantool.layers.text import Text


@final
class Mapping(nn.Module):
    """Latents (N, Z), of a mean square made 1, through fully connected layers to w of (N, W).

    The layers learn at a hundredth of the others' rate (appendix C). A label joins the latent as numbers of
    a mean square of 1: Karras et al. (2020), arXiv:2006.06676, the authors' code.

    Args:
        latent: Z.
        width: W, of every layer and of what stands for a label.
        layers: 8 in the paper.
        classes: 0 = images without labels.
        text: of captions in the place of labels: what reads them. None = images without captions.
    """

    def __init__(self, latent: int, width: int, layers: int = 8, classes: int = 0, text: Text | None = None):
        super().__init__()
        if layers < 1:
            raise ValueError(f"A mapping network of {layers} layers maps nothing; use 1 or more.")
        self.classes = classes
        self.text = text
        told = classes if text is None else text.size
        self.embedding = EqualizedLinear(told, width) if told else None
        self.norm = PixelNorm()
        sizes = [latent + (width if told else 0)] + [width] * layers
        self.layers = nn.ModuleList(
            EqualizedLinear(before, after, gain=sqrt(2), rate=0.01)
            for before, after in zip(sizes, sizes[1:], strict=False)
        )

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        h = self.norm(latent)  # (N, Z)
        if (self.embedding is None) != (label is None):
            wrong = "knows no labels" if self.embedding is None else "needs labels"
            raise ValueError(
                f"The mapping network {wrong}. With labels: task.conditional=true "
                "'model.G.classes=${data.classes}'; without: task.conditional=false model.G.classes=0."
            )
        if self.embedding is not None and label is not None:
            told = one_hot(label, self.classes) if self.text is None else self.text(label)
            known = self.embedding(told.to(h.dtype))  # (N, W)
            h = torch.cat([h, self.norm(known)], 1)
        for layer in self.layers:
            h = leaky_relu(layer(h), 0.2)
        return h  # (N, W)
