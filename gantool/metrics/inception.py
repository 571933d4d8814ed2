"""Features of the Inception network of 2015, which FID, KID and the inception score are defined by."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, final

import numpy as np
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor, nn

from gantool.data.image_set import ImageSet
from gantool.metrics.content import digest_of
from gantool.metrics.extractor import Extractor, rgb
from gantool.metrics.metric import Seen
from gantool.weights import fetched, pretrained

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
PUBLISHED = "6726825d"  # begins the SHA-256 of those weights
SIDE = 299  # pixels that it sees


@final
class Inception(Extractor):
    """The 2048 values before the last layer, and 1008 logits without its bias.

    The network and its weights, ported from TensorFlow's graph of 2015-12-05, are torch-fidelity's;
    torchvision's Inception is another. Grey is repeated as RGB, alpha is left out.

    Args:
        resize: tf1 = TensorFlow 1's bilinear, without antialiasing, as FID was defined and NVIDIA and
            torch-fidelity compute it; clean = Pillow's bicubic of floating pixels, with antialiasing: Parmar
            et al. (2022), arXiv:2104.11222.
        weights: file of the weights; None = torch's cache, or their server.
    """

    name = "inception"

    def __init__(self, resize: Literal["tf1", "clean"] = "tf1", weights: str | None = None):
        if resize not in ("tf1", "clean"):
            raise ValueError(f"features.resize={resize}: give tf1 or clean.")
        self.resize: Literal["tf1", "clean"] = resize
        self.weights = weights
        self.layers: nn.Module = nn.Identity()
        self.last = torch.empty(0)  # (1008, 2048)
        self.digest = ""
        self.device = torch.device("cpu")

    def check(self, metric: str, data: DictConfig) -> None:
        if find_spec("torch_fidelity") is None:
            raise ValueError(f"metrics={metric} needs torch-fidelity: pip install 'gantool[metrics]'.")

    def prepare(
        self, metric: str, images: ImageSet, device: torch.device, tell: Callable[[str], None]
    ) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        key = f"metrics.{metric}.features.weights=PATH"
        pretrained(URL, key, self.weights)  # which refuses what is no plain table of tensors
        file = Path(self.weights) if self.weights is not None else fetched(URL, key)
        try:
            with torch.random.fork_rng(devices=[]):  # its first weights are random, and soon gone
                network = FeatureExtractorInceptionV3("inception", ["2048"], str(file))
        except RuntimeError as error:
            raise ValueError(f"{file} holds no weights of the Inception of 2015; give {key}.") from error
        *layers, last = network.to(device).children()
        self.layers, self.last, self.device = nn.Sequential(*layers), last.weight, device
        self.digest = digest_of(file)

    def __call__(self, images: Tensor) -> Seen:
        large = (enlarged if self.resize == "tf1" else clean)(rgb(images).float(), self.device)
        features = self.layers((large - 128) / 128).flatten(1)  # (N, 2048)
        return {"features": features, "logits": features @ self.last.T}

    @property
    def identity(self) -> str:
        return f"inception-{self.digest}-{self.resize}"

    @property
    def protocol(self) -> str:
        how = "TensorFlow 1's bilinear resize" if self.resize == "tf1" else "clean-fid's bicubic resize"
        which = "" if self.digest == PUBLISHED else ", NOT the published ones: compare with nothing published"
        return f"Inception of 2015-12-05, {how}, weights {self.digest}{which}"


def enlarged(images: Tensor, device: torch.device) -> Tensor:
    """(N, 3, H, W) to (N, 3, 299, 299) as TensorFlow 1 does: pixel i of the new comes of i * H / 299."""
    from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

    return interpolate_bilinear_2d_like_tensorflow1x(images.to(device), (SIDE, SIDE), align_corners=False)


def clean(images: Tensor, device: torch.device) -> Tensor:
    """Likewise as clean-fid does: each channel alone, in floating point, kept in 0 to 255."""
    channels = images.flatten(0, 1).numpy()  # (N * 3, H, W)
    resized = [
        np.asarray(Image.fromarray(it).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for it in channels
    ]
    large = torch.from_numpy(np.stack(resized)).clamp(0, 255)
    return large.view(len(images), 3, SIDE, SIDE).to(device)
