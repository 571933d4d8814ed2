"""Random numbers of single samples, the same in whatever micro-batch or process the sample is judged."""

from math import prod, tau

import torch
from torch import Tensor

from gantool.seeds import mix
from gantool.shares import WHOLE, Share

GOLDEN = 0x9E3779B97F4A7C15


def keys(count: int, device: torch.device, share: Share = WHOLE) -> Tensor:
    """A random number for each sample of a batch, (N,), int64: the seed of all that is random about it."""
    return share.draw(lambda total: torch.randint(2**63 - 1, (total,), device=device), count)


def uniform(keys: Tensor, purpose: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """U[0, 1) for each key of (N,), of (N, *shape); different for each `purpose`.

    The mixing function of SplitMix64: Steele, Lea & Flood (2014), OOPSLA, fig. 18; 24 bits of it.
    """
    state = mixed(keys ^ mix(purpose) >> 1)  # 63 bits, as the keys have
    if shape:
        steps = torch.arange(prod(shape), device=keys.device) * signed(GOLDEN)
        state = mixed(state[:, None] + steps).view(-1, *shape)
    return shifted(state, 40).to(dtype) / 2**24


def normal(keys: Tensor, purpose: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """N(0, 1) for each key of (N,), of (N, *shape)."""
    draws = (uniform(keys, f"{purpose} {part}", *shape, dtype=dtype) for part in ("radius", "angle"))
    return bell(*draws)


def bell(radius: Tensor, angle: Tensor) -> Tensor:
    """N(0, 1) of two U[0, 1): Box & Muller (1958), doi:10.1214/aoms/1177706645."""
    return (-2 * (-radius).log1p()).sqrt() * (tau * angle).cos()


def mixed(state: Tensor) -> Tensor:
    state = (state ^ shifted(state, 30)) * signed(0xBF58476D1CE4E5B9)
    state = (state ^ shifted(state, 27)) * signed(0x94D049BB133111EB)
    return state ^ shifted(state, 31)


def shifted(state: Tensor, bits: int) -> Tensor:
    """A logical shift to the right; that of int64 would fill up with the sign."""
    return (state >> bits) & (2 ** (64 - bits) - 1)


def signed(number: int) -> int:
    """The int64 of the same 64 bits."""
    return number - 2**64 if number >= 2**63 else number
