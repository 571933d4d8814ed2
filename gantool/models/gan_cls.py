"""GAN-CLS: Reed, Akata, Yan, Logeswaran, Schiele & Lee (2016), arXiv:1605.05396."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from gantool.layers.norm import norm as norm_of
from gantool.layers.resolution import Resolution
from gantool.layers.text import Projection, Text
from gantool.models import dcgan


@final
class Generator(nn.Module):
    """DCGAN's generator of a latent and a projected caption; figure 2.

    With conditioning augmentation, Zhang et al. (2017), arXiv:1612.03242, section 3.2, the caption's part is
    mu + sigma epsilon, and epsilon is the end of the latent: whatever fixes the latent fixes the image.

    Args:
        latent: size Z of the latent; with augmentation, the last `projected` of it are epsilon.
        width: of DCGAN's generator.
        channels: of the image.
        resolution: of the image, in pixels.
        text: how captions are read, see `Text`.
        words: of the vocabulary; 0 = captions are embeddings.
        embedding: of these, the size.
        text_width: of what is read in words.
        projected: numbers that G is told of a caption.
        augmentation: of the caption, see above; with the term `ConditioningAugmentation` in G's loss.
        norm: batch, layer, instance or none.

    Differs from the authors' code: no residual blocks at 4 and 8 pixels, which the paper does not mention.
    """

    def __init__(
        self,
        latent: int,
        width: int,
        channels: int,
        resolution: Resolution,
        text: str,
        words: int,
        embedding: int,
        text_width: int,
        projected: int,
        augmentation: bool = False,
        norm: str = "batch",
    ):
        super().__init__()
        if augmentation and latent <= projected:
            raise ValueError(
                f"model.G.latent={latent}: its last {projected} numbers (model.G.projected) are those that "
                f"augment the caption; use {projected + 1} or more, such as {projected + 100}."
            )
        self.noise = latent - projected if augmentation else latent
        self.augmentation = augmentation
        self.text = Text(text, words, embedding, text_width)
        self.projection = Projection(self.text.size, projected * (1 + augmentation))
        self.body = dcgan.Generator(self.noise + projected, width, channels, resolution, norm)

    def forward(self, z: Tensor, caption: Tensor) -> Tensor:
        told, log_sigma = self.told(caption)  # (N, P) each
        if log_sigma is not None:
            told = told + log_sigma.exp() * z[:, self.noise :]
        return self.body(torch.cat([z[:, : self.noise], told], 1))

    def told(self, caption: Tensor) -> tuple[Tensor, Tensor | None]:
        """What G hears of each caption, (N, P): its mean and, where that is augmented, its log deviation."""
        heard = leaky_relu(self.projection(self.text(caption)), 0.2)
        if not self.augmentation:
            return heard, None
        mu, log_sigma = heard.chunk(2, 1)
        return mu, log_sigma


@final
class Discriminator(nn.Module):
    """DCGAN's discriminator, which is told the caption where only 4x4 pixels are left; figure 2.

    Args:
        width: of DCGAN's discriminator.
        channels: of the image.
        resolution: of the image, in pixels.
        text: how captions are read, see `Text`; D reads for itself.
        words: of the vocabulary; 0 = captions are embeddings.
        embedding: of these, the size.
        text_width: of what is read in words.
        projected: numbers that D is told of a caption.
        norm: batch, layer, instance or none; batch normalises captions, too.

    Differs from the authors' code: no residual block at 4 pixels, and batch norm before the projection, not
    after it.
    """

    def __init__(
        self,
        width: int,
        channels: int,
        resolution: Resolution,
        text: str,
        words: int,
        embedding: int,
        text_width: int,
        projected: int,
        norm: str = "batch",
    ):
        super().__init__()
        layers, widest, base = dcgan.trunk(width, channels, resolution, norm)
        self.image = nn.Sequential(*layers)
        self.text = Text(text, words, embedding, text_width, normalised=norm == "batch")
        self.projection = Projection(self.text.size, projected)
        self.joint = nn.Sequential(
            nn.Conv2d(widest + projected, widest, 1, bias=False),
            norm_of(norm, widest),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(widest, 1, base, bias=False),
            nn.Flatten(0),
        )

    def forward(self, image: Tensor, caption: Tensor) -> Tensor:
        seen = self.image(image)  # (N, 8w, 4, 4)
        told = leaky_relu(self.projection(self.text(caption)), 0.2)  # (N, P)
        everywhere = told[:, :, None, None].expand(-1, -1, *seen.shape[2:])
        return self.joint(torch.cat([seen, everywhere], 1))  # (N,)
