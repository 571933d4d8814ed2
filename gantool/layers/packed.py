"""PacGAN: Lin, Khetan, Fanti & Oh (2018), arXiv:1712.04086."""

from collections.abc import Callable
from typing import Any, final

from torch import Tensor, nn


@final
class Packed(nn.Module):
    """A discriminator of packs: m samples, joined along the channels, get one verdict.

    With N images, pack i holds those numbered i, i + N/m, i + 2N/m, and so on.

    Differs from the paper: a pack is made of one minibatch, so N images give N/m verdicts; the authors draw
    m minibatches.

    Args:
        D: makes the discriminator, for as many `channels` as it is told.
        pack: m, samples of one pack.

    Raises ValueError for a D that has no channels to widen, and in `forward` for images that make no packs.
    """

    def __init__(self, D: Callable[..., nn.Module], pack: int):
        super().__init__()
        if pack < 1:
            raise ValueError(
                f"task.pack={pack}: give the number of samples that D judges together, 1 or more."
            )
        channels = keywords(D).get("channels")
        if channels is None:
            raise ValueError(f"task.pack={pack}: this D is not told its channels, so packs cannot widen it.")
        self.network = D(channels=pack * channels)
        self.pack = pack

    def forward(self, image: Tensor) -> Any:
        if len(image) % self.pack:
            raise ValueError(
                f"{len(image)} images make no packs of {self.pack}; use a multiple of {self.pack}."
            )
        packs = image.unflatten(0, (self.pack, -1)).transpose(0, 1)  # (N / m, m, C, H, W)
        return self.network(packs.flatten(1, 2))


def keywords(partial: Any) -> dict[str, Any]:
    """What a recipe of a network is told already."""
    return partial.keywords
