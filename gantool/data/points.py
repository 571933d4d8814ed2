"""Points of the plane as images of one pixel and two channels: where a GAN's modes can be counted."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch

from gantool.data.image_set import Batch, ImageSet


@final
class Points(ImageSet):
    """Points (x, y) as float images (2, 1, 1) in [-1, 1]: coordinates divided by `scale`.

    Args:
        points: (N, 2), in units of their own.
        scale: what these units are divided by.
        modes: (K, 2), the centres of K equally likely Gaussians, in the same units; none for other shapes.
        std: of each Gaussian, along each axis.

    Raises ValueError where `scale` leaves a point outside [-1, 1].
    """

    def __init__(self, points: np.ndarray, scale: float, modes: np.ndarray | None = None, std: float = 0.0):
        farthest = float(np.abs(points).max())
        if not farthest <= scale:
            raise ValueError(
                f"data.scale={scale}: points lie up to {farthest:.3g} from 0, and divided by data.scale they "
                f"must fit into [-1, 1]; use {1.1 * farthest:.2g} or more."
            )
        self.images = torch.from_numpy(points / scale).float()[:, :, None, None]  # (N, 2, 1, 1)
        self.modes = torch.from_numpy(np.zeros((0, 2)) if modes is None else modes)  # (K, 2), float64
        self.std = std
        self.scale = scale
        self.shape = (2, 1, 1)
        self.names = ()
        self.labels = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return {"image": self.images[torch.as_tensor(indices)]}


def ring(
    modes: int = 8,
    radius: float = 1.0,
    std: float = 0.01,
    count: int = 100_000,
    scale: float = 1.1,
    seed: int = 0,
) -> Points:
    """Gaussians around (cos 2 pi i / K, sin 2 pi i / K), i = 0 … K - 1: K different places, 0 and 2 pi once.

    VEEGAN: Srivastava et al. (2017), arXiv:1705.07761; PacGAN: Lin et al. (2018), arXiv:1712.04086.
    """
    if modes < 1:
        raise ValueError(f"data.modes={modes}: a ring has 1 mode or more.")
    angle = 2 * np.pi * np.arange(modes) / modes  # (K,)
    return mixture(radius * np.stack([np.cos(angle), np.sin(angle)], 1), std, count, scale, seed)


def grid(
    side: int = 5,
    spacing: float = 2.0,
    std: float = 0.05,
    count: int = 100_000,
    scale: float = 4.5,
    seed: int = 0,
) -> Points:
    """Gaussians on a square grid around 0: {-4, -2, 0, 2, 4}^2. Sources as for `ring`."""
    if side < 1:
        raise ValueError(f"data.side={side}: a grid has 1 mode or more along each side.")
    axis = spacing * (np.arange(side) - (side - 1) / 2)  # (side,)
    centres = np.stack(np.meshgrid(axis, axis, indexing="ij"), 2).reshape(-1, 2)  # (side^2, 2)
    return mixture(centres, std, count, scale, seed)


def swiss_roll(noise: float = 0.25, count: int = 100_000, scale: float = 15.5, seed: int = 0) -> Points:
    """(t cos t, t sin t) with t ~ U(1.5 pi, 4.5 pi), plus N(0, noise^2): Marsland (2009), chapter 10.

    As WGAN-GP trains on: Gulrajani et al. (2017), arXiv:1704.00028, figure 1.
    """
    random = drawing(noise, "noise", count, seed)
    t = np.pi * random.uniform(1.5, 4.5, count)  # (N,)
    roll = np.stack([t * np.cos(t), t * np.sin(t)], 1)
    return Points(roll + random.normal(0, noise, (count, 2)), scale)


def mixture(modes: np.ndarray, std: float, count: int, scale: float, seed: int) -> Points:
    """`count` points of equally likely Gaussians around `modes` (K, 2), drawn once."""
    random = drawing(std, "std", count, seed)
    kinds = random.integers(len(modes), size=count)  # (N,)
    return Points(modes[kinds] + random.normal(0, std, (count, 2)), scale, modes, std)


def drawing(std: float, name: str, count: int, seed: int) -> np.random.Generator:
    """Chance, once the numbers are possible."""
    if not std >= 0:
        raise ValueError(f"data.{name}={std}: give a standard deviation of 0 or more.")
    if count < 1:
        raise ValueError(f"data.count={count}: give 1 point or more.")
    return np.random.default_rng(seed)
