"""Features of DINOv2, learnt without labels: Oquab et al. (2023), arXiv:2304.07193."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from gantool.data.image_set import ImageSet
from gantool.metrics.content import digest_of
from gantool.metrics.extractor import Extractor, rgb
from gantool.metrics.metric import Seen
from gantool.weights import fetched, pretrained

URL = "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth"
SIDE = 224  # pixels that it sees
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@final
class DINOv2(Extractor):
    """The class token of a vision transformer: what Stein et al. (2023), arXiv:2306.04675, recommend for FD.

    Bicubic resize of 8-bit images, with antialiasing, to 224 pixels. The network is timm's, the weights are
    the authors'. Differs from the authors' code: the 37 x 37 embeddings of places are brought to 16 x 16 by
    timm, with antialiasing, so that numbers are near the published ones and not equal to them.

    Args:
        network: timm's name of it.
        weights: file of the authors' weights; None = torch's cache, or their server (1.2 GB).
    """

    name = "dinov2"

    def __init__(self, network: str = "vit_large_patch14_dinov2.lvd142m", weights: str | None = None):
        if "dinov2" not in network:
            raise ValueError(f"features.network={network}: give timm's name of a DINOv2.")
        self.network, self.weights = network, weights
        self.layers: nn.Module = nn.Identity()
        self.digest = ""
        self.device = torch.device("cpu")

    def check(self, metric: str, data: DictConfig) -> None:
        if find_spec("timm") is None:
            raise ValueError(f"metrics={metric} needs timm: pip install 'gantool[metrics]'.")

    def prepare(
        self, metric: str, images: ImageSet, device: torch.device, tell: Callable[[str], None]
    ) -> None:
        import timm

        key = f"metrics.{metric}.features.weights=PATH"
        pretrained(URL, key, self.weights)  # which refuses what is no plain table of tensors
        file = Path(self.weights) if self.weights is not None else fetched(URL, key)
        source: dict[str, Any] = {"file": str(file), "hf_hub_id": None, "url": ""}
        try:
            with torch.random.fork_rng(devices=[]):  # its first weights are random, and soon gone
                network = timm.create_model(
                    self.network,
                    pretrained=True,
                    pretrained_cfg_overlay=source,
                    img_size=SIDE,
                    num_classes=0,
                )
        except RuntimeError as error:
            raise ValueError(f"{file} holds no weights of {self.network}; give {key}.") from error
        self.layers, self.device = network.to(device).eval().requires_grad_(False), device
        self.digest = digest_of(file)

    def __call__(self, images: Tensor) -> Seen:
        large = resize(rgb(images), [SIDE, SIDE], InterpolationMode.BICUBIC, antialias=True)
        mean, deviation = (torch.tensor(it).view(1, 3, 1, 1) for it in (MEAN, DEVIATION))
        normal = (large.float() / 255 - mean) / deviation  # (N, 3, 224, 224)
        return {"features": self.layers(normal.to(self.device))}

    @property
    def identity(self) -> str:
        return f"{self.network}-{self.digest}"

    @property
    def protocol(self) -> str:
        return f"class token of DINOv2 ({self.network}, weights {self.digest}) at {SIDE} pixels; not FID"
