"""Where latents come from."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


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
class Uniform:
    """Uniform between `low` and `high`, of (N, size)."""

    size: int
    low: float = -1.0
    high: float = 1.0

    def __call__(self, count: int, device: torch.device) -> Tensor:
        return torch.rand(count, self.size, device=device) * (self.high - self.low) + self.low
