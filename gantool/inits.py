"""How weights start: each is called once with a player, before training."""

from dataclasses import dataclass
from math import sqrt
from typing import final

from torch import nn

CONVOLUTIONS = (
    nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
)
BATCH_NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


@final
@dataclass(frozen=True)
class Default:
    """Every layer as torch initialises it."""

    def __call__(self, player: nn.Module) -> None:
        return


@final
@dataclass(frozen=True)
class Normal:
    """Weights N(0, std), batch-norm gains N(1, std), biases 0.

    DCGAN: Radford et al. (2016), arXiv:1511.06434, section 4; the gains as in the authors' code.
    """

    std: float = 0.02

    def __call__(self, player: nn.Module) -> None:
        for module in player.modules():
            if isinstance(module, CONVOLUTIONS | nn.Linear):
                nn.init.normal_(module.weight, 0.0, self.std)
            elif isinstance(module, BATCH_NORMS) and module.affine:
                nn.init.normal_(module.weight, 1.0, self.std)
            else:
                continue
            if module.bias is not None:
                nn.init.zeros_(module.bias)


@final
@dataclass(frozen=True)
class Uniform:
    """Weights U(-bound, bound), biases 0."""

    bound: float

    def __call__(self, player: nn.Module) -> None:
        for module in player.modules():
            if isinstance(module, CONVOLUTIONS | nn.Linear):
                nn.init.uniform_(module.weight, -self.bound, self.bound)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


@final
@dataclass(frozen=True)
class Residual:
    """Glorot uniform, times sqrt(2) for the 3x3 convolutions inside residual blocks; biases 0.

    WGAN-GP's ResNet, Gulrajani et al. (2017), arXiv:1704.00028, as in the authors' code: shortcuts (1x1),
    linear layers and the convolution that makes the image (named `output` in our networks) keep gain 1.
    """

    def __call__(self, player: nn.Module) -> None:
        for name, module in player.named_modules():
            if isinstance(module, CONVOLUTIONS | nn.Linear):
                inside = isinstance(module, CONVOLUTIONS) and max(module.kernel_size) > 1
                inside = inside and name.rpartition(".")[2] != "output"
                nn.init.xavier_uniform_(module.weight, sqrt(2) if inside else 1.0)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
