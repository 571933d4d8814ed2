"""Where latents come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import one_hot


class Prior(Protocol):
    def __call__(self, count: int, device: torch.device) -> Tensor:
        """Latents of (count, Z)."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """Standard normal of (N, size)."""

    size: int

    def __call__(self, count: int, device: torch.device) -> Tensor:
        return torch.randn(count, self.size, device=device)


@dataclass(frozen=True)
class Truncated:
    """What `of` draws, truncated."""

    of: Gaussian
    threshold: float  # standard deviations

    def __call__(self, count: int, device: torch.device) -> Tensor:
        return truncated(self.of(count, device), self.threshold)


def truncated(latent: Tensor, threshold: float) -> Tensor:
    """Standard normal latents moved into [-threshold, threshold], as if the others had been drawn again.

    The truncation trick of Brock et al. (2019), arXiv:1809.11096, section 3.1, through the quantiles of the
    two distributions: an image changes gradually with the threshold.
    """
    edge = torch.special.ndtr(torch.tensor(threshold, dtype=torch.float64, device=latent.device))
    inside = (1 - edge) + torch.special.ndtr(latent.double()) * (2 * edge - 1)
    return torch.special.ndtri(inside).clamp(-threshold, threshold).to(latent.dtype)


@dataclass(frozen=True)
class Uniform:
    """Uniform between `low` and `high`, of (N, size)."""

    size: int
    low: float = -1.0
    high: float = 1.0

    def __call__(self, count: int, device: torch.device) -> Tensor:
        return torch.rand(count, self.size, device=device) * (self.high - self.low) + self.low


@dataclass(frozen=True)
class Codes:
    """Noise, then one-hot categorical codes, then continuous codes, in one latent of (N, size).

    InfoGAN: Chen et al. (2016), arXiv:1606.03657, section 5. Every value of a categorical code is equally
    likely; noise and continuous codes are uniform between -1 and 1.

    Args:
        size: of the whole latent Z.
        categorical: number of values of each categorical code.
        continuous: number of continuous codes.
    """

    size: int
    categorical: Sequence[int]
    continuous: int

    def __post_init__(self) -> None:
        if self.continuous < 0 or any(values < 2 for values in self.categorical):
            raise ValueError(
                f"categorical={list(self.categorical)}, continuous={self.continuous}: a categorical code has "
                "2 values or more, and there are 0 continuous codes or more."
            )
        if self.noise < 0:
            raise ValueError(
                f"A latent of {self.size} is too small for its codes: set model.G.latent to "
                f"{self.size - self.noise} or more."
            )

    @property
    def noise(self) -> int:
        """How many numbers of the latent are none of the codes."""
        return self.size - sum(self.categorical) - self.continuous

    def __call__(self, count: int, device: torch.device) -> Tensor:
        noise = torch.rand(count, self.noise, device=device) * 2 - 1
        values = [torch.randint(number, (count,), device=device) for number in self.categorical]  # each (N,)
        codes = [one_hot(value, k).to(noise.dtype) for value, k in zip(values, self.categorical, strict=True)]
        continuous = torch.rand(count, self.continuous, device=device) * 2 - 1
        return torch.cat([noise, *codes, continuous], 1)
