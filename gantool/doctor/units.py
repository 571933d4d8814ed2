"""Units that never fire: Lu, Shin, Su & Karniadakis (2020), arXiv:1903.06733."""

from typing import Any, final

import torch
from torch import Tensor, nn


@final
class Units:
    """Watches the ReLUs of a player: which of their channels ever let something through."""

    def __init__(self, player: nn.Module):
        self.largest: dict[nn.Module, Tensor] = {}  # (C,)
        for module in player.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_hook(self.see)

    def see(self, module: nn.Module, given: Any, out: Tensor) -> None:
        """Of (N, C, ...); a layer that is used twice, at other sizes, too, is one."""
        now = out.detach().amax([axis for axis in range(out.ndim) if axis != 1])
        before = self.largest.get(module)
        self.largest[module] = now if before is None else torch.maximum(before, now)

    @property
    def known(self) -> bool:
        return bool(self.largest)

    @property
    def dead(self) -> float:
        """The share of channels that were never above 0."""
        return torch.cat([value <= 0 for value in self.largest.values()]).float().mean().item()
