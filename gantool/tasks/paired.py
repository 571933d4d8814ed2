"""Image to image, learnt from pairs.

Pix2pix: Isola et al. (2017), arXiv:1611.07004; SRGAN: Ledig et al. (2017), arXiv:1609.04802.
"""

from collections.abc import Callable
from typing import final

from torch import Tensor, nn

from gantool.augment.augment import Augment
from gantool.duel import Duel
from gantool.shares import WHOLE, Share
from gantool.tasks.task import Batch, Pairs, Task


@final
class Paired(Task):
    """One generator from sources to targets.

    Args:
        G: makes targets (N, C, H, W) in [-1, 1] of sources.
        D: makes logits of targets and, if conditional, of the sources that they belong to.
        conditional: D sees the source: is this a target of *this* source (pix2pix), or any target (SRGAN)?
    """

    entries = ("source", "target")
    compares = ("",)

    def __init__(self, G: Callable[[], nn.Module], D: Callable[[], nn.Module], conditional: bool = True):
        super().__init__()
        self.G, self.D = G(), D()
        self.conditional = conditional

    def check(self, augment: Augment | None) -> None:
        if augment is not None and self.conditional:
            raise ValueError(
                "augment: D sees each image beside its source, which would stay as it is while the image "
                "moves; leave augment out, or set task.conditional=false model.D.source_channels=0."
            )

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        return dict(batch)

    def duels(self, batch: Batch) -> list[Duel]:
        source, target = batch["source"], batch["target"]
        condition = source if self.conditional else None
        return [Duel(self.G, self.D, source, target, self.G(source), condition)]

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"fake": G(batch["source"])}

    def translator(self, G: nn.Module, direction: str | None) -> nn.Module:
        if direction is not None:
            raise ValueError(
                f"direction={direction}: this model knows one way, from source to target; leave it out."
            )
        return G

    def compared(self, G: nn.Module, batch: Batch) -> Pairs:
        return {"": (G(batch["source"]), batch["target"])}

    def pictures(self, G: nn.Module, batch: Batch) -> dict[str, list[Tensor]]:
        return {"fake": [batch["source"], G(batch["source"]), batch["target"]]}
