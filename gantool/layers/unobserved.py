"""Passes that batch norm does not remember."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def unobserved(network: nn.Module) -> Iterator[nn.Module]:
    """Leave the running statistics of `network` as they are: they belong to what it is used for later."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield network
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
