"""Which modules are layers with weights: convolutions and linear layers, torch's and ours."""

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from gantool.layers.conditional_norm import Table

OTHERS = nn.Embedding | nn.LayerNorm | Table  # whose `weight` is no matrix that an input is multiplied by


def is_weighted(module: nn.Module) -> bool:
    """Whether it is a layer of its own, not made of others, whose `weight` mixes channels."""
    if isinstance(module, OTHERS):
        return False
    own = dict(module.named_parameters(recurse=False))
    return is_parametrized(module, "weight") or ("weight" in own and own["weight"].ndim >= 2)


def weighted(network: nn.Module) -> list[nn.Module]:
    """In the order in which they were registered."""
    return [module for module in network.modules() if is_weighted(module)]
