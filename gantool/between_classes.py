"""Images between two classes or captions, of generators that were only ever shown one at a time.

However a label enters a network here - as one-hot vector, through an embedding, or as a row of a table of
gains - it is looked up. Between two classes is the mean of what both would find, (1 - t) E[a] + t E[b]: as
the class interpolations of Brock et al. (2019), arXiv:1809.11096. A caption is read, and between two captions
is the mean of what is read in both: Reed et al. (2016), arXiv:1605.05396, section 4.3.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from gantool.layers.text import Text
from gantool.spaces import Space
from gantool.tasks.task import moved

LOOKUPS = {  # and where among their arguments the label is
    functional.one_hot: 0,
    functional.embedding: 0,
    torch.embedding: 1,
    Tensor.__getitem__: 1,
}


@final
class Between(TorchFunctionMode):
    """While it is active, whatever is looked up by these labels is found between two classes.

    Args:
        start: labels (N,) that the network is called with.
        end: labels (N,) of the other class.
        shares: of the way from one to the other, (N,).
    """

    def __init__(self, start: Tensor, end: Tensor, shares: Tensor):
        super().__init__()
        self.start = start
        self.end = end
        self.shares = shares
        self.used = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        place = LOOKUPS.get(func, len(args))
        if place >= len(args) or args[place] is not self.start:
            return func(*args, **kwargs)
        self.used = True
        found = func(*args, **kwargs)  # (N, ...), of one-hot int64
        other = func(*args[:place], self.end, *args[place + 1 :], **kwargs)
        if not found.is_floating_point():
            found, other = found.to(self.shares.dtype), other.to(self.shares.dtype)
        shares = self.shares.to(found.dtype).view(-1, *[1] * (found.ndim - 1))
        return torch.lerp(found, other, shares)


@contextmanager
def between_captions(G: nn.Module, end: Tensor, shares: Tensor) -> Iterator[None]:
    """While it is active, G reads between the captions that it is given and these, (N, T) or (N, E)."""

    def read(reader: nn.Module, _: Any, found: Tensor) -> Tensor:
        other = reader.forward(end)  # not as a call, which would read between again
        return torch.lerp(found, other, shares.to(found.dtype)[:, None])

    hooks = [reader.register_forward_hook(read) for reader in G.modules() if isinstance(reader, Text)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def images(
    space: Space, points: Tensor, start: Tensor, end: Tensor, shares: Tensor, batch_size: int
) -> Iterator[Tensor]:
    """(N, C, H, W) in [-1, 1] on the CPU, batch by batch.

    Args:
        space: whose points do not know their class.
        points: (N, ...), on the CPU, as all that follows.
        start: labels (N,), or captions (N, T) or (N, E).
        end: likewise.
        shares: of the way from one to the other, (N,).
        batch_size: images of one pass through G.

    Raises ValueError for a generator that takes labels in another way.
    """
    every = {"points": points, "label": start, "end": end, "share": shares}
    for first in range(0, len(points), batch_size):
        batch = moved({name: value[first : first + batch_size] for name, value in every.items()}, space.G)
        yield painted(space, batch["points"], batch["label"], batch["end"], batch["share"]).cpu()


def painted(space: Space, points: Tensor, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    if start.ndim > 1:
        with between_captions(space.G, end, shares):
            return space.paint(points, start)
    with Between(start, end, shares) as between:
        made = space.paint(points, start)
    if not between.used:
        raise ValueError(
            f"{type(space.G).__name__} looks nothing up by label, neither one_hot nor nn.Embedding nor a "
            "table's row, so no path leads from class to class; give one label."
        )
    return made
