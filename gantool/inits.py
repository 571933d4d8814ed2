"""How weights start: each is called once with a player, before training.

Under spectral norm it is the weight before the division that they set.
"""

from dataclasses import dataclass
from math import sqrt
from typing import final

from torch import nn

from gantool.layers.conditional_norm import Table
from gantool.layers.spectral import learnt, realign

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

    DCGAN: Radford et al. (2016), arXiv:1511.06434, section 4; the gains as in the authors' code. Per class,
    gains are N(1, std) and biases N(0, std), as in Brock's code for CIFAR-10.
    """

    std: float = 0.02

    def __call__(self, player: nn.Module) -> None:
        for module in player.modules():
            if isinstance(module, CONVOLUTIONS | nn.Linear):
                nn.init.normal_(learnt(module), 0.0, self.std)
            elif isinstance(module, Table):
                nn.init.normal_(module.weight, 0.0, self.std)
                continue
            elif isinstance(module, BATCH_NORMS) and module.affine:
                nn.init.normal_(module.weight, 1.0, self.std)
            else:
                continue
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        realign(player)


@final
@dataclass(frozen=True)
class Uniform:
    """Weights U(-bound, bound), biases 0."""

    bound: float

    def __call__(self, player: nn.Module) -> None:
        for module in player.modules():
            if isinstance(module, CONVOLUTIONS | nn.Linear):
                nn.init.uniform_(learnt(module), -self.bound, self.bound)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        realign(player)


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
                nn.init.xavier_uniform_(learnt(module), sqrt(2) if inside else 1.0)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        realign(player)


@final
@dataclass(frozen=True)
class Orthogonal:
    """Weights with orthonormal rows or columns, embeddings too; biases 0.

    Saxe et al. (2014), arXiv:1312.6120; BigGAN: Brock et al. (2019), arXiv:1809.11096, appendix C.
    """

    def __call__(self, player: nn.Module) -> None:
        for module in player.modules():
            if isinstance(module, nn.Embedding):
                nn.init.orthogonal_(module.weight)
            elif isinstance(module, CONVOLUTIONS | nn.Linear):
                nn.init.orthogonal_(learnt(module))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        realign(player)
