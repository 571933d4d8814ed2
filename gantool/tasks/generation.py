"""Noise to image, with or without a class label."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gantool.duel import Duel, apply
from gantool.layers.packed import Packed
from gantool.priors import Prior
from gantool.shares import WHOLE, Share
from gantool.tasks.task import Batch, Task


class Generation(Task):
    """One generator of latents against one discriminator.

    Args:
        G: makes (N, C, H, W) in [-1, 1] of latents (N, Z) and, if conditional, labels (N,).
        D: makes logits (N,) of images and, if conditional, labels.
        prior: draws the latents.
        conditional: fakes borrow the labels of the reals: the same distribution with less variance, and a
            relativistic pair is then of one class.
        dequantize: add U(0, 1/128), one step of an 8-bit image, to the reals.
        pack: samples that D judges together, as one image of so many times the channels: PacGAN.

    Raises ValueError for a conditional D that would judge packs: they hold several classes.
    """

    def __init__(
        self,
        G: Callable[[], nn.Module],
        D: Callable[..., nn.Module],
        prior: Prior,
        conditional: bool = False,
        dequantize: bool = False,
        pack: int = 1,
    ):
        super().__init__()
        if pack > 1 and conditional:
            raise ValueError(
                f"task.pack={pack}: a pack holds several classes, so D cannot be told one; use pack=1."
            )
        self.G, self.D = G(), D() if pack == 1 else Packed(D, pack)
        if isinstance(self.G, nn.ModuleList | nn.ModuleDict):
            raise ValueError(
                "task=generation has one network for each player; that G is a team: task=pyramid."
            )
        self.prior = prior
        self.conditional = conditional
        self.dequantize = dequantize

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        some = next(iter(batch.values()))
        latent = share.draw(lambda total: self.prior(total, some.device), len(some))  # (N, Z)
        drawn = {**batch, "latent": latent}
        if self.dequantize and "image" in batch:
            image = batch["image"]
            noise = share.draw(
                lambda total: torch.rand(total, *image.shape[1:], device=image.device), len(image)
            )
            drawn["image"] = image + noise.to(image.dtype) / 128
        return drawn

    def duels(self, batch: Batch) -> list[Duel]:
        label = self.label(batch)
        fake = apply(self.G, batch["latent"], label)
        return [Duel(self.G, self.D, batch["latent"], batch["image"], fake, label)]

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"fake": apply(G, batch["latent"], self.label(batch))}

    def label(self, batch: Batch) -> Tensor | None:
        return batch["label"] if self.conditional else None
