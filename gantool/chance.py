"""Random numbers of single samples, the same in whatever micro-batch or process the sample is judged."""

import torch
from torch import Tensor

from gantool.seeds import mix
from gantool.shares import WHOLE, Share


def keys(count: int, device: torch.device, share: Share = WHOLE) -> Tensor:
    """A random number for each sample of a batch, (N,), int64: the seed of all that is random about it."""
    return share.draw(lambda total: torch.randint(2**63 - 1, (total,), device=device), count)


def uniform(keys: Tensor, purpose: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """U[0, 1) for each key of (N,); different for each `purpose`.

    The mixing function of SplitMix64: Steele, Lea & Flood (2014), OOPSLA, fig. 18; 24 bits of it.
    """
    state = keys ^ mix(purpose) >> 1  # 63 bits, as the keys have
    state = (state ^ shifted(state, 30)) * signed(0xBF58476D1CE4E5B9)
    state = (state ^ shifted(state, 27)) * signed(0x94D049BB133111EB)
    return shifted(state ^ shifted(state, 31), 40).to(dtype) / 2**24


def shifted(state: Tensor, bits: int) -> Tensor:
    """A logical shift to the right; that of int64 would fill up with the sign."""
    return (state >> bits) & (2 ** (64 - bits) - 1)


def signed(number: int) -> int:
    """The int64 of the same 64 bits."""
    return number - 2**64
