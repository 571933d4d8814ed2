"""Random numbers that depend on where training stands, not on how it got there.

Every iteration seeds the generators anew from (seed, iteration, rank), so that a run that was stopped
anywhere goes on with the very numbers it would have drawn, and nothing about randomness needs to be in a
checkpoint.
"""

import zlib

import torch

MASK = 2**64 - 1


def mix(*parts: int | str) -> int:
    """A 64-bit seed from numbers and words: SplitMix64 of Steele, Lea & Flood (2014), OOPSLA, fig. 18."""
    state = 0
    for part in parts:
        number = zlib.crc32(part.encode()) if isinstance(part, str) else part
        state = (state ^ (number & MASK)) + 0x9E3779B97F4A7C15 & MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return state


def reseed(device: torch.device, *parts: int | str) -> None:
    """Seed what layers and priors draw from on `device`, and only there: torch.manual_seed seeds all."""
    seed = mix(*parts)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
