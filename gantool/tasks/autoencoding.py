"""Images to themselves, by way of latents: GANomaly, Akcay et al. (2018), arXiv:1805.06725."""

from collections.abc import Callable
from typing import final

from torch import Tensor, nn

from gantool.duel import Duel
from gantool.layers.encoded import Autoencoder
from gantool.shares import WHOLE, Share
from gantool.tasks.task import Batch, Pairs, Scored, Task


@final
class Autoencoding(Task):
    """One generator that reconstructs images, against one discriminator of reals and reconstructions.

    A duel's source is the latent of its real.

    Args:
        G: an Autoencoder, (N, C, H, W) in [-1, 1] to the same.
        D: makes logits (N,) of images.

    Raises ValueError for any other G.
    """

    compares = ("",)
    judges = True

    def __init__(self, G: Callable[[], nn.Module], D: Callable[[], nn.Module]):
        super().__init__()
        self.G, self.D = G(), D()
        autoencoder(self.G)

    @property
    def translates(self) -> bool:
        """Though what it learns from are images alone."""
        return True

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        return dict(batch)

    def duels(self, batch: Batch) -> list[Duel]:
        G, image = autoencoder(self.G), batch["image"]
        latent = G.encoder(image)  # (N, Z, 1, 1)
        return [Duel(G, self.D, latent, image, G.decoder(latent))]

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"fake": G(batch["image"])}

    def translator(self, G: nn.Module, direction: str | None) -> nn.Module:
        if direction is not None:
            raise ValueError(
                f"direction={direction}: this model knows one way, from an image to itself; leave it out."
            )
        return G

    def compared(self, G: nn.Module, batch: Batch) -> Pairs:
        return {"": (G(batch["image"]), batch["image"])}

    def pictures(self, G: nn.Module, batch: Batch) -> dict[str, list[Tensor]]:
        return {"fake": [batch["image"], G(batch["image"])]}

    def scored(self, G: nn.Module, image: Tensor) -> Scored:
        """Mean (z - z')^2 over the latent: the authors' code; the paper, eq. 5, has a sum of absolutes."""
        team = autoencoder(G)
        latent = team.encoder(image)
        made = team.decoder(latent)
        return Scored((latent - team.second(made)).square().flatten(1).mean(1), made)


def autoencoder(G: nn.Module) -> Autoencoder:
    if not isinstance(G, Autoencoder):
        raise ValueError(
            f"task=autoencoding needs a G that encodes, decodes and encodes again; {type(G).__name__} does "
            "not: use model=ganomaly."
        )
    return G
