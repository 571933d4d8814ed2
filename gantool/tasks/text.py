"""Noise and a caption to image: Reed et al. (2016), arXiv:1605.05396."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from torch import Tensor, nn

from gantool.duel import Duel, apply
from gantool.priors import Prior
from gantool.shares import WHOLE, Share
from gantool.tasks.generation import Generation
from gantool.tasks.task import Batch


@final
@dataclass(eq=False)
class TextDuel(Duel):
    """A duel over images with captions, which are its condition: (N, T) words or (N, E) embeddings."""

    mismatch: Tensor | None = None  # of the same shape: captions that are not true of the reals


@final
class Text(Generation):
    """Generation whose players are both told a caption; each reads it with a network of its own.

    A batch of a captioned set holds `caption`, one that is true of the image, and `mismatch`, one that is
    not. Verbs hand captions on as `label`, in the place of classes.

    Args:
        G: as Generation's; it takes captions for labels.
        D: likewise.
        prior: draws the latents.
        words: of the vocabulary; 0 = captions are embeddings.
        embedding: of these, the size.
        dequantize: as Generation's.

    Raises ValueError for data without captions.
    """

    def __init__(
        self,
        G: Callable[[], nn.Module],
        D: Callable[..., nn.Module],
        prior: Prior,
        words: int,
        embedding: int,
        dequantize: bool = False,
    ):
        if not words and not embedding:
            raise ValueError(
                "This model makes images of captions, but this data set has none: choose data=captions, with "
                "captions of your own, or data=captioned_shapes."
            )
        super().__init__(G, D, prior, conditional=True, dequantize=dequantize)

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        given = batch["caption"] if "caption" in batch else batch["label"]
        caption = given if given.ndim > 1 else given[:, None]  # (N, T), or (N, E)
        return {**super().draw(batch, share), "caption": caption, "label": caption}

    def duels(self, batch: Batch) -> list[Duel]:
        caption = batch["caption"]
        fake = apply(self.G, batch["latent"], caption)
        return [
            TextDuel(
                self.G, self.D, batch["latent"], batch["image"], fake, caption, mismatch=batch["mismatch"]
            )
        ]

    def label(self, batch: Batch) -> Tensor:
        return batch["caption"]
