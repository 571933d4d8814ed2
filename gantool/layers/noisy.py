"""Networks that draw random numbers while they are used."""

from abc import ABC


class Noisy(ABC):
    """One whose results are random unless `noise` is false."""

    noise: bool
