"""Generators that turn a latent into styles first: what style mixing, truncation and editing need of them."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from gantool.layers.running_mean import RunningMean


class Styled(nn.Module, ABC):
    """z -> w -> one style per layer -> image. Karras et al. (2019), arXiv:1812.04948.

    While training, some samples take the styles of their later layers from a second latent (section 3.1,
    style mixing), and the mean of all w is kept.

    Differs from the paper's code: each sample of a batch draws for itself whether and where it mixes.

    Args:
        mapping: (N, Z), and labels (N,) of a conditional one, to w of (N, W).
        width: W.
        layers: how many styles L an image takes, from the coarsest to the finest.
        mixing: probability that a sample mixes.
    """

    def __init__(self, mapping: nn.Module, width: int, layers: int, mixing: float = 0.9):
        super().__init__()
        if not 0 <= mixing <= 1:
            raise ValueError(f"model.G.mixing={mixing} is a probability; give 0 to 1.")
        self.mapping = mapping
        self.layers = layers
        self.mixing = mixing
        self.mean_style = RunningMean(width, rate=0.005)  # section B: decay 0.995
        self.psi, self.truncated = 1.0, layers

    @abstractmethod
    def paint(self, styles: Tensor) -> Tensor:
        """Images of (N, C, H, W) from styles of (N, L, W)."""

    @abstractmethod
    def affines(self) -> list[Tensor]:
        """For each style, the matrix (A, W) through which it reaches its layer."""

    def truncate(self, psi: float, layers: int | None = None) -> None:
        """Draw the first `layers` styles (None = all) toward the mean: mean + psi (w - mean); section B."""
        self.psi, self.truncated = psi, self.layers if layers is None else layers

    def styles(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        """The styles of latents (N, Z): (N, L, W), truncated."""
        w = self.mapping(latent) if label is None else self.mapping(latent, label)
        styles = w[:, None].expand(-1, self.layers, -1)
        if self.psi == 1:
            return styles
        near = torch.lerp(self.mean_style.value.to(w.dtype), styles, self.psi)
        return torch.cat([near[:, : self.truncated], styles[:, self.truncated :]], 1)

    def forward(self, latent: Tensor, label: Tensor | None = None) -> Tensor:
        styles = self.styles(latent, label)
        if self.training:
            self.mean_style.see(styles[:, 0])
            if self.mixing:
                styles = self.mixed(styles, label, latent)
        return self.paint(styles)

    def layers_now(self) -> int:
        """How many of the styles an image takes at present: networks that grow take fewer."""
        return self.layers

    def mixed(self, styles: Tensor, label: Tensor | None, latent: Tensor) -> Tensor:
        """From a random layer on, the styles of other latents, in a share `mixing` of the samples."""
        others = self.styles(torch.randn_like(latent), label)
        count = len(latent)
        first = torch.randint(1, max(self.layers_now(), 2), (count, 1), device=latent.device)
        first = torch.where(torch.rand(count, 1, device=latent.device) < self.mixing, first, self.layers)
        other = torch.arange(self.layers, device=latent.device) >= first  # (N, L)
        return torch.where(other[:, :, None], others, styles)
