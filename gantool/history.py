"""Old fakes for D to see among the new: Shrivastava et al. (2017), arXiv:1612.07828, section 2.3."""

from typing import Any, final

import torch
from torch import Tensor, distributed, nn

from gantool.shares import Share


@final
class History(nn.Module):
    """The last fakes, as CycleGAN's authors keep them: Zhu et al. (2017), arXiv:1703.10593, section 4.

    The first `size` fakes are kept and returned. From then on each is, at even odds, returned as it is, or
    put in the place of a kept one, which is returned instead. Several processes keep the same.

    Args:
        size: fakes that are kept; 0 = none, so that every fake is returned.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int):
        super().__init__()
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError(f"task.history={size}: give a whole number of fakes to keep, 0 or more.")
        self.size = size
        self.register_buffer("images", torch.empty(0))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def forward(self, fake: Tensor, chance: Tensor) -> Tensor:
        """What D sees instead of `fake`, (N, C, H, W).

        Args:
            fake: without a graph.
            chance: (N, 2), U[0, 1): whether to exchange, and with which.
        """
        if self.size == 0:
            return fake
        share, every, draws = together(fake), gathered(fake), gathered(chance).tolist()
        if self.images.shape[1:] != every.shape[1:]:
            self.images = every.new_zeros(self.size, *every.shape[1:])
            self.count.zero_()
        shown = every.clone()
        for i, (whether, which) in enumerate(draws):
            kept = int(self.count)
            if kept < self.size:
                self.images[kept] = every[i]
                self.count += 1
            elif whether < 0.5:
                place = int(which * self.size)
                shown[i] = self.images[place]
                self.images[place] = every[i]
        return share.of(shown)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:  # pyright: ignore
        """What is stored has a shape that only the first fake tells."""
        stored = state_dict.get(f"{prefix}images")
        if stored is not None:
            self.images = torch.empty_like(stored, device=self.images.device)
        super()._load_from_state_dict(state_dict, prefix, *args)


def together(tensor: Tensor) -> Share:
    """What of a batch is this process's."""
    if not distributed.is_initialized():
        return Share()
    return Share(distributed.get_rank(), distributed.get_world_size())


def gathered(tensor: Tensor) -> Tensor:
    """The samples of all processes, in the order in which one process would have them."""
    if not distributed.is_initialized():
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, tensor.contiguous())
    return torch.stack(parts, 1).flatten(0, 1)
