"""Points on the way between two others, each pair with a share of its own."""

import torch
from torch import Tensor

from gantool.spaces import slerp


def on_lines(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """start + t (end - start) of (N, ...), for t of shares (N,)."""
    return torch.lerp(start, end, shares.to(start).view(-1, *[1] * (start.ndim - 1)))


def on_arcs(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """The direction is on the arc between those of the ends (N, Z), the length on the line between theirs.

    Spherical interpolation of normalised ends: Karras et al. (2019), arXiv:1812.04948, section 4.1.

    Differs from the authors' code, which leaves the points at length 1: their generators normalise latents,
    so that images are the same; others have learnt from latents of length sqrt(Z) or so, and from no shorter
    ones.
    """
    lengths = on_lines(lengths_of(start), lengths_of(end), shares)  # (N, 1)
    ways = zip(unit(start), unit(end), shares, strict=True)
    return lengths * unit(torch.cat([slerp(a, b, share[None]) for a, b, share in ways]))


def unit(vectors: Tensor) -> Tensor:
    """(N, Z), each divided by its length."""
    return vectors / lengths_of(vectors).clamp(min=1e-30)


def lengths_of(vectors: Tensor) -> Tensor:
    return vectors.norm(dim=1, keepdim=True)  # (N, 1)
