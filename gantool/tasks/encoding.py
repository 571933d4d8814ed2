"""Noise to image, then image to noise: f-AnoGAN, Schlegl et al. (2019), Medical Image Analysis 54."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from gantool.duel import Duel, named
from gantool.layers.encoded import Inverted, resting
from gantool.losses.features import FEATURES
from gantool.priors import Prior
from gantool.tasks.generation import Generation
from gantool.tasks.task import Batch, Scored


@final
class Encoding(Generation):
    """Generation until `pretrain` images have been seen; from then on only G's encoder learns.

    Generator and D then keep every bit, the running statistics of their norms included, and the fake of a
    real x is G(E(x)).

    Args:
        G: an Inverted, whose decoder is the generator.
        D: makes logits (N,) of images and, for `scored`, "features".
        prior: draws the latents.
        pretrain: images until the encoder's turn.
        kappa: weight of the features in a score.
        dequantize: as Generation's.

    Raises ValueError for any other G.
    """

    judges = True

    def __init__(
        self,
        G: Callable[[], nn.Module],
        D: Callable[..., nn.Module],
        prior: Prior,
        pretrain: int,
        kappa: float = 1.0,
        dequantize: bool = False,
    ):
        super().__init__(G, D, prior, dequantize=dequantize)
        if not isinstance(pretrain, int) or isinstance(pretrain, bool) or pretrain < 0:
            raise ValueError(
                f"pretrain={pretrain}: give the images of the GAN before the encoder learns, 0 or more."
            )
        inverted(self.G)
        self.pretrain = pretrain
        self.kappa = kappa
        self.encodes = self.learnt = False

    @property
    def detects(self) -> bool:
        """Once the encoder has learnt from any images."""
        return self.learnt

    def advance(self, images: int) -> None:
        self.encodes, self.learnt = images >= self.pretrain, images > self.pretrain
        for network in (inverted(self.G).decoder, self.D):
            network.train(self.training and not self.encodes)

    def duels(self, batch: Batch) -> list[Duel]:
        if not self.encodes:
            return super().duels(batch)
        G, image = inverted(self.G), batch["image"]
        latent = G.encoder(image)  # (N, Z)
        with resting(G.decoder):
            return [Duel(G, self.D, latent, image, G.decoder(latent))]

    def pictures(self, G: nn.Module, batch: Batch) -> dict[str, list[Tensor]]:
        pictures = super().pictures(G, batch)
        if self.encodes:
            image = batch["image"]
            pictures["reconstruction"] = [image, G(inverted(G).encoder(image))]
        return pictures

    @torch.no_grad()
    def scored(self, G: nn.Module, image: Tensor) -> Scored:
        """Mean (x - G(E(x)))^2 + kappa mean (f(x) - f(G(E(x))))^2, f being D's features."""
        made = G(inverted(G).encoder(image))
        verdicts = [named(self.D(picture)) for picture in (image, made)]
        if FEATURES not in verdicts[0]:
            raise ValueError('task=encoding scores by what D\'s verdict calls "features"; this D shows none.')
        real, fake = (verdict[FEATURES] for verdict in verdicts)
        distances = [(a - b).square().flatten(1).mean(1) for a, b in ((image, made), (real, fake))]
        return Scored(distances[0] + self.kappa * distances[1], made)


def inverted(G: nn.Module) -> Inverted:
    if not isinstance(G, Inverted):
        raise ValueError(
            f"task=encoding needs a G with an encoder; {type(G).__name__} has none: use model=f_anogan."
        )
    return G
