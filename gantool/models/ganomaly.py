"""GANomaly: Akcay, Atapour-Abarghouei & Breckon (2018), arXiv:1805.06725, figure 2, and the authors' code."""

from math import lcm
from typing import final

from torch import Tensor, nn
from torch.nn.functional import pad

from gantool.layers.encoded import Autoencoder
from gantool.layers.norm import biased
from gantool.layers.norm import norm as norm_of
from gantool.layers.padded import Padded, cropped
from gantool.layers.resolution import Resolution, halvings, height_and_width


@final
class Generator(Padded, Autoencoder):
    """Encoder, decoder, encoder: what all three have learnt of normal images alone does not hold for others.

    (N, C, H, W) to the same, in [-1, 1], by way of (N, Z, 1, 1). Larger images are padded to multiples of the
    size in training, and have a grid of latents instead of one.

    Args:
        latent: size Z of the latent.
        width: channels of the first stage; each later stage has twice as many.
        channels: of the image.
        resolution: of the image, in pixels; 32 gives the paper's network.
        norm: batch, layer, instance or none.
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution, norm: str = "batch"):
        self.size = height_and_width(resolution)
        super().__init__(lcm(*self.size))
        self.encoder = nn.Sequential(*encoding(width, channels, resolution, norm, latent))
        self.decoder = nn.Sequential(*decoding(latent, width, channels, resolution, norm))
        self.second = nn.Sequential(*encoding(width, channels, resolution, norm, latent))

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[2:]
        missing = (0, -width % self.size[1], 0, -height % self.size[0])
        whole = pad(image, missing, mode="replicate") if any(missing) else image
        return cropped(self.decoder(self.encoder(whole)), image)


@final
class Discriminator(nn.Module):
    """An encoder to one logit; answers "logits" (N,) and "features" (N, F), what its last layer is given.

    Args:
        width: channels of the first stage; each later stage has twice as many.
        channels: of the image.
        resolution: of the image, in pixels.
        norm: batch, layer, instance or none.
    """

    def __init__(self, width: int, channels: int, resolution: Resolution, norm: str = "batch"):
        super().__init__()
        *layers, last = encoding(width, channels, resolution, norm, 1)
        self.features = nn.Sequential(*layers)
        self.last = last

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.features(image)  # (N, C', H', W')
        return {"logits": self.last(features).flatten(), "features": features.flatten(1)}


def encoding(width: int, channels: int, resolution: Resolution, norm: str, outputs: int) -> list[nn.Module]:
    """DCGAN's strided convolutions, (N, C, H, W) to (N, `outputs`, 1, 1)."""
    stages, base = halvings(resolution)
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False)]
    layers += [nn.LeakyReLU(0.2, inplace=True)]
    for stage in range(stages - 1):
        before, after = width * 2**stage, width * 2 ** (stage + 1)
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=biased(norm))]
        layers += [norm_of(norm, after), nn.LeakyReLU(0.2, inplace=True)]
    return [*layers, nn.Conv2d(width * 2 ** (stages - 1), outputs, base, bias=False)]


def decoding(latent: int, width: int, channels: int, resolution: Resolution, norm: str) -> list[nn.Module]:
    """DCGAN's transposed convolutions, (N, Z, 1, 1) to (N, C, H, W)."""
    stages, base = halvings(resolution)
    widths = [width * 2**stage for stage in reversed(range(stages))]
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], base, bias=biased(norm))]
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [norm_of(norm, before), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=biased(norm))]
    layers += [norm_of(norm, widths[-1]), nn.ReLU(inplace=True)]
    return [*layers, nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1, bias=False), nn.Tanh()]
