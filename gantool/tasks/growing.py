"""Noise to image by networks that grow: Karras et al. (2018), arXiv:1710.10196."""

from collections.abc import Callable
from typing import final

from torch import nn

from gantool.growth import Growth
from gantool.layers.progressive import Progressive, reduced
from gantool.priors import Prior
from gantool.shares import WHOLE, Share
from gantool.tasks.generation import Generation
from gantool.tasks.task import Batch


@final
class Growing(Generation):
    """Generation whose players grow together, and whose reals are as coarse as the fakes.

    Args:
        G: as Generation's; it grows.
        D: as Generation's; it grows.
        prior: draws the latents.
        growth: images seen -> level.
        conditional: as Generation's.
        dequantize: as Generation's; before the reals are made coarse.
        pack: as Generation's; only 1, for what judges packs does not grow.

    Raises ValueError for networks that cannot grow.
    """

    def __init__(
        self,
        G: Callable[[], nn.Module],
        D: Callable[..., nn.Module],
        prior: Prior,
        growth: Growth,
        conditional: bool = False,
        dequantize: bool = False,
        pack: int = 1,
    ):
        super().__init__(G, D, prior, conditional, dequantize, pack)
        self.growth = growth
        self.networks = [progressive(name, network) for name, network in (("G", self.G), ("D", self.D))]
        self.advance(0)

    def advance(self, images: int) -> None:
        self.level = self.growth(images)
        for network in self.networks:
            network.grow(self.level)

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        drawn = super().draw(batch, share)
        if "image" in batch:
            drawn["image"] = reduced(drawn["image"], self.growth.highest, self.level)
        return drawn


def progressive(name: str, network: nn.Module) -> Progressive:
    """Raises ValueError for a network that cannot grow."""
    if not isinstance(network, Progressive):
        raise ValueError(
            f"task=growing needs networks that grow; {name}, a {type(network).__name__}, does not: use "
            "model=progan or stylegan1 (with task.pack=1), or task=generation."
        )
    return network
