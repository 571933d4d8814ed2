"""Layers that do not learn: FreezeD of Mo, Cho & Shin (2020), arXiv:2002.10964."""

from torch import nn

from gantool.layers.text import Text
from gantool.layers.weighted import is_weighted
from gantool.teams import members


def lowest(player: nn.Module, layers: int) -> list[nn.Parameter]:
    """Parameters of the first so many layers with weights of each network, and of the norms behind each.

    The first layers of a discriminator see the image, those of a generator the latent. What reads captions is
    none of them: it goes on learning.

    Raises ValueError where a network has no more layers than that.
    """
    return [parameter for network in members(player) for parameter in first(network, layers)]


def first(network: nn.Module, layers: int) -> list[nn.Parameter]:
    found: list[nn.Parameter] = []
    count = 0
    reading = {part for reader in network.modules() if isinstance(reader, Text) for part in reader.modules()}
    for module in network.modules():
        if module in reading:
            continue
        count += is_weighted(module)
        if count > layers:
            return found
        if count:
            found += module.parameters(recurse=False)
    raise ValueError(f"freeze: {layers} layers are all that {type(network).__name__} has; freeze fewer.")
