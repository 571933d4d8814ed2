"""Distances of deep features.

SRGAN: Ledig et al. (2017), arXiv:1609.04802, section 2.2.1; ESRGAN: Wang et al. (2018), arXiv:1809.00219,
section 3.3; both after Johnson et al. (2016), arXiv:1603.08155.
"""

import logging
from typing import final

import torch
from torch import Tensor, nn
from torchvision.models import VGG19_Weights, vgg19

from gantool.duel import Duel, single
from gantool.layers.resolution import Resolution, height_and_width
from gantool.losses.reconstruction import DISTANCES
from gantool.losses.term import Term
from gantool.schedules import Schedule
from gantool.tasks.task import Task
from gantool.weights import pretrained

CONVOLUTIONS = [
    f"conv{block}_{n + 1}" for block, count in enumerate((2, 2, 4, 4, 4), 1) for n in range(count)
]
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours in [0, 1]
SEED = 0  # of random features
log = logging.getLogger(__name__)


@final
class Perceptual(Term):
    """Of the fake from the real in the features phi of VGG19: mean over elements of |phi(g) - phi(x)|^p.

    SRGAN's VGG54 takes phi behind the activation of conv5_4 and p = 2 (eq. 5, and a mean over channels too),
    ESRGAN before it and p = 1. Grey images are shown in three equal channels. The weights are torchvision's,
    trained on ImageNet; they are never part of a checkpoint.

    Differs from the papers, whose weights are those of VGG's authors.

    Args:
        weights: `imagenet`; the path of a file of them; `random` = without meaning, but always the same.
        channels: of the images, 1 or 3.
        resolution: of the images.
        layer: conv1_1 to conv5_4.
        activated: whether phi is taken behind the rectifier.
        distance: `l1` or `l2`.
        weight: see Term.
        every: likewise.
    """

    def __init__(
        self,
        weights: str,
        channels: int,
        resolution: Resolution,
        layer: str = "conv5_4",
        activated: bool = True,
        distance: str = "l2",
        weight: Schedule = 1.0,
        every: int = 1,
    ):
        super().__init__(weight, every)
        if channels not in (1, 3):
            raise ValueError(
                f"data.channels={channels}: VGG sees colours or grey, not transparency; set data.channels=3, "
                "or a loss without a perceptual term."
            )
        if layer not in CONVOLUTIONS:
            raise ValueError(f"layer={layer}: choose one of {', '.join(CONVOLUTIONS)}.")
        if distance not in DISTANCES:
            raise ValueError(f"distance={distance}: choose one of {', '.join(DISTANCES)}.")
        least = 2 ** (int(layer[4]) - 1)
        if min(height_and_width(resolution)) < least:
            raise ValueError(
                f"data.resolution={resolution}: VGG19 halves images until nothing is left before {layer}; "
                f"take {least} pixels or more, or a layer before it."
            )
        self.weights = weights
        self.layer, self.activated = layer, activated
        self.between = DISTANCES[distance]
        self.networks: list[nn.Module] = []  # in a list: no part of this module, nor of checkpoints

    def check(self, name: str, task: Task) -> None:
        if "target" not in task.entries:
            raise ValueError(f"loss.{name} compares fakes with their targets: it needs task=paired.")

    def prepare(self, name: str) -> None:
        self.networks = [features(self.weights, self.layer, self.activated, f"loss.{name}.weights")]

    def forward(self, duel: Duel) -> Tensor:
        [network] = self.networks
        network = network.to(duel.real)
        with torch.no_grad():
            wanted = network(duel.real)  # (N, F, H', W')
        return self.between(single(network(duel.fake)), single(wanted))


def features(weights: str, layer: str, activated: bool, key: str) -> nn.Module:
    """VGG19 from the image, normalised, to the features of a layer.

    Args:
        weights: see Perceptual.
        layer: likewise.
        activated: likewise.
        key: of `weights`, as one types it.
    """
    with torch.device("meta"):
        layers = list(vgg19().features.children())
    convolutions = [i for i, module in enumerate(layers) if isinstance(module, nn.Conv2d)]
    network = nn.Sequential(*layers[: convolutions[CONVOLUTIONS.index(layer)] + 1 + activated])
    if weights == "random":
        log.warning("%s=random: features without meaning; the numbers of this loss say little.", key)
        drawn(network.to_empty(device="cpu"))
    else:
        table = pretrained(
            VGG19_Weights.IMAGENET1K_V1.url, f"{key}=PATH|random", None if weights == "imagenet" else weights
        )
        own = {name: table.get(f"features.{name}", value[:0]) for name, value in network.state_dict().items()}
        try:
            network.load_state_dict(own, assign=True)
        except RuntimeError as error:
            raise ValueError(
                f"{key}={weights}: not the weights of VGG19, as torchvision has them."
            ) from error
    return nn.Sequential(Normalised(), network).requires_grad_(False).eval()


@final
class Normalised(nn.Module):
    """(N, 1 or 3, H, W) in [-1, 1] to (N, 3, H, W) as ImageNet's networks take them."""

    mean: Tensor
    deviation: Tensor

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        return ((image + 1) / 2 - self.mean) / self.deviation


def drawn(network: nn.Module) -> None:
    """He normal weights, biases 0, whatever else is drawn."""
    chance = torch.Generator().manual_seed(SEED)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=chance)
            nn.init.zeros_(module.bias)  # pyright: ignore
