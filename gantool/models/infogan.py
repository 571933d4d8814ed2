"""InfoGAN's networks for MNIST: Chen et al. (2016), arXiv:1606.03657, appendix C.1, and the authors' code."""

from collections.abc import Sequence
from math import prod
from typing import final

from torch import Tensor, nn

from gantool.layers.resolution import Resolution, halvings

SLOPE = 0.01  # of the leaky units, in the authors' code; 0.1 in the paper


@final
class Generator(nn.Module):
    """Two linear layers, then a transposed convolution per halving of the size.

    Args:
        latent: size Z of the latent, its codes included.
        width: channels of the last hidden stage; the first linear layer has 16 times as many units.
        channels: of the image.
        resolution: of the image, in pixels; 28 gives the paper's network.

    Differs from the paper: a tanh in [-1, 1] where the paper's pixels are Bernoulli means in [0, 1].
    """

    def __init__(self, latent: int, width: int, channels: int, resolution: Resolution):
        super().__init__()
        stages, base = halvings(resolution)
        widths = [width * 2**stage for stage in reversed(range(stages))]  # 28 px: 2w w
        size = widths[0] * prod(base)
        layers: list[nn.Module] = [nn.Linear(latent, 16 * width), nn.BatchNorm1d(16 * width), nn.ReLU()]
        layers += [nn.Linear(16 * width, size), nn.BatchNorm1d(size), nn.ReLU()]
        layers += [nn.Unflatten(1, (widths[0], *base))]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.BatchNorm2d(after)]
            layers += [nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)  # (N, Z) -> (N, C, H, W)


@final
class Discriminator(nn.Module):
    """D and Q: one trunk, which ends in a verdict and in a guess of the code.

    Answers "logits" (N,) and "code" (N, sum of the sizes of the codes + the number of continuous ones): the
    logits of each categorical code, the means of the continuous ones, and their log-deviations, which the
    authors' code has as well and likewise leaves unused.

    Args:
        width: channels of the first stage; the linear layer has 16 times as many units, Q's twice.
        categorical: number of values of each categorical code.
        continuous: number of continuous codes.
        channels: of the image.
        resolution: of the image, in pixels.
    """

    def __init__(
        self,
        width: int,
        categorical: Sequence[int],
        continuous: int,
        channels: int,
        resolution: Resolution,
    ):
        super().__init__()
        stages, base = halvings(resolution)
        widths = [width * 2**stage for stage in range(stages)]  # 28 px: w 2w
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.BatchNorm2d(after)]
            layers += [nn.LeakyReLU(SLOPE)]
        layers += [nn.Flatten(), nn.Linear(widths[-1] * prod(base), 16 * width), nn.BatchNorm1d(16 * width)]
        self.trunk = nn.Sequential(*layers, nn.LeakyReLU(SLOPE))
        self.verdict = nn.Linear(16 * width, 1)
        self.code = nn.Sequential(
            nn.Linear(16 * width, 2 * width),
            nn.BatchNorm1d(2 * width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(2 * width, sum(categorical) + 2 * continuous),
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        h = self.trunk(image)  # (N, 16 w)
        return {"logits": self.verdict(h).squeeze(1), "code": self.code(h)}
