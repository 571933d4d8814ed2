"""A player may be a team: several networks, in a ModuleDict or a ModuleList."""

from collections.abc import Iterator

from torch import nn


def members(player: nn.Module) -> Iterator[nn.Module]:
    """The networks of a player: itself, or those of a team."""
    if isinstance(player, nn.ModuleDict | nn.ModuleList):
        yield from player.children()
    else:
        yield player
