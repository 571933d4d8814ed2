"""Noise to image from coarse to fine: LAPGAN, Denton et al. (2015), arXiv:1506.05751."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gantool.chance import keys, uniform
from gantool.duel import Duel, apply
from gantool.priors import Prior
from gantool.shares import WHOLE, Share
from gantool.tasks.task import Batch, Task


@final
class Pyramid(Task):
    """A generator against a discriminator on each level of a Laplacian pyramid.

    With d for `halved` and u for `doubled`, an image I_0 has the levels I_k = d(I_{k-1}) and the details
    h_k = I_k - u(I_{k+1}); section 2.2. The coarsest pair is a plain GAN. Each finer one plays for
    u(I_{k+1}) + G_k against I_k, from real coarse images, so that no level learns from another; eq. 2.
    Only in sampling is the coarse image that of the level below; eq. 5.

    Args:
        G: makes a ModuleList, the coarsest level's generator first: that of latents (N, Z); the others make
            (N, C, H, W) of a source (N, C + 1, H, W), a coarse image and a plane of noise.
        D: makes a ModuleList of as many discriminators.
        prior: draws the latents; the planes are uniform between -1 and 1.
        conditional: all networks see the label, too.

    Raises ValueError for players that are no such teams.
    """

    def __init__(
        self,
        G: Callable[[], nn.Module],
        D: Callable[[], nn.Module],
        prior: Prior,
        conditional: bool = False,
    ):
        super().__init__()
        self.G, self.D = G(), D()
        for player, team in (("G", self.G), ("D", self.D)):
            if not isinstance(team, nn.ModuleList):
                raise ValueError(
                    f"task=pyramid has a network for each level, but model.{player} makes one "
                    f"{type(team).__name__}: choose model=lapgan, or task=generation."
                )
        levels = [len(list(team.children())) for team in (self.G, self.D)]
        if levels[0] != levels[1]:
            raise ValueError(
                f"model.G has {levels[0]} levels and model.D {levels[1]}: give both the same resolution and "
                "smallest."
            )
        self.levels = levels[0]
        self.prior = prior
        self.conditional = conditional

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        some = next(iter(batch.values()))
        latent = share.draw(lambda total: self.prior(total, some.device), len(some))  # (N, Z)
        return {**batch, "latent": latent, "noise": keys(len(some), some.device, share)}

    def duels(self, batch: Batch) -> list[Duel]:
        label = self.label(batch)
        images = [batch["image"]]  # of (N, C, H, W), the coarsest first
        while len(images) < self.levels:
            images = [halved(images[0]), *images]
        sources = [batch["latent"]]
        sources += [source(image, batch["noise"], level) for level, image in enumerate(images[:-1], 1)]
        return [
            Duel(G, D, given, image, apply(G, given, label), label)
            for G, D, given, image in zip(self.G.children(), self.D.children(), sources, images, strict=True)
        ]

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        label = self.label(batch)
        coarsest, *finer = G.children()
        image = apply(coarsest, batch["latent"], label)
        for level, network in enumerate(finer, 1):
            image = apply(network, source(image, batch["noise"], level), label)
        return {"fake": image}

    def label(self, batch: Batch) -> Tensor | None:
        return batch["label"] if self.conditional else None


def source(image: Tensor, key: Tensor, level: int) -> Tensor:
    """What G of a level is given of the level below: (N, C, H, W) to (N, C + 1, 2H, 2W).

    Args:
        image: of the level below.
        key: (N,), the seeds of the noise.
        level: 1 for the first above the coarsest, and so on.
    """
    coarse = doubled(image)
    noise = uniform(key, f"noise {level}", 1, *coarse.shape[2:], dtype=coarse.dtype) * 2 - 1
    return torch.cat([coarse, noise], 1)


def halved(image: Tensor) -> Tensor:
    """Blurred by [1, 3, 3, 1] / 8 and thinned out: (N, C, 2H, 2W) to (N, C, H, W).

    Differs from Burt & Adelson (1983), doi:10.1109/TCOM.1983.1095851, whose five taps sit on a pixel: of an
    even size, this keeps a mirrored image mirrored. The authors' code scales images bilinearly, too.
    """
    return interpolate(image, scale_factor=0.5, mode="bilinear", antialias=True)


def doubled(image: Tensor) -> Tensor:
    """Bilinearly enlarged, the same filter turned round: (N, C, H, W) to (N, C, 2H, 2W)."""
    return interpolate(image, scale_factor=2, mode="bilinear")
