"""LPIPS, the distance of images that people see: Zhang et al. (2018), arXiv:1801.03924, version 0.1."""

from pathlib import Path
from typing import Literal, final

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS

from gantool.weights import pretrained

Network = Literal["alex", "vgg"]
SERVER = "https://download.pytorch.org/models"
FILES: dict[str, str] = {"alex": "alexnet-owt-7be5be79.pth", "vgg": "vgg16-397923af.pth"}


def cached(network: Network) -> Path:
    """Where torch's cache keeps the weights of a network."""
    return Path(torch.hub.get_dir()) / "checkpoints" / FILES[network]


@final
class LPIPS(nn.Module):
    """Distances (N,) between images (N, 3, H, W) in [-1, 1], compared by what a classifier sees in them.

    The authors' five linear heads come with torchmetrics; the classifier's weights do not.

    Args:
        network: the classifier.
        weights: file of its weights, as torchvision names them; None = torch's cache, or its server.
    """

    least: dict[str, int] = {"alex": 31, "vgg": 16}  # pixels of an image of which each layer still sees some

    def __init__(self, network: Network, weights: str | None = None):
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # its first weights are random, and soon gone
            self.distance = _LPIPS(net=network, pnet_rand=True)
        url = f"{SERVER}/{FILES[network]}"
        found = pretrained(url, "metrics.likeness.weights=PATH, or metrics.likeness.lpips=false", weights)
        own = self.distance.net.state_dict()
        try:
            self.distance.net.load_state_dict({name: found[torchvision_name(name)] for name in own})
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"metrics.likeness.weights={weights}: no weights of torchvision's {network}; leave it out."
            ) from error
        self.network = network
        self.eval().requires_grad_(False)

    def check(self, side: int) -> None:
        """Raise ValueError for images of so many pixels if they are too small."""
        least = self.least[self.network]
        if side < least:
            raise ValueError(
                f"metrics.likeness.lpips=true: {self.network} needs images of {least} pixels or more, not of "
                f"{side}; give metrics.likeness.lpips=false."
            )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distance(x, y).flatten()


def torchvision_name(name: str) -> str:
    """`slice2.3.weight` -> `features.3.weight`."""
    return f"features.{name.partition('.')[2]}"
