"""Features of a network that has learnt nothing: numbers without labels, weights or downloads."""

from collections.abc import Callable
from typing import final

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gantool.data.image_set import ImageSet, is_image
from gantool.data.module import to_range
from gantool.metrics.classifier import digest_of
from gantool.metrics.content import content
from gantool.metrics.distribution import as_bytes
from gantool.metrics.extractor import Extractor, extracted, rgb
from gantool.metrics.metric import Seen

WIDTHS = (32, 64, 128, 64)
SIDE = 64  # pixels that it sees
TO_SCALE = 1000  # positions of the data that tell the scale of the features


@final
class RandomFeatures(Extractor):
    """Convolutions of random weights, their last layer averaged over places, in units of its deviation.

    Networks of random weights tell sets of images apart, too, and are fairer than ImageNet's to images that
    are unlike photographs: Naeem et al. (2020), arXiv:2002.09797, section 5; Lee et al. (2022),
    arXiv:2208.09218. They see colours, edges and textures, and no meaning. Differs from theirs, VGG16: four
    convolutions of 4x4 at stride 2, weights of He et al. (2015), arXiv:1502.01852, equation 10; and each
    feature has mean 0 and deviation 1 over the data, all sides of them, or brightness would drown the rest.

    Args:
        seed: of the weights; another seed is another measure.
    """

    name = "random"

    def __init__(self, seed: int = 0):
        self.seed = seed
        chance = torch.Generator().manual_seed(seed)
        layers: list[nn.Module] = []
        for before, width in zip((3, *WIDTHS), WIDTHS, strict=False):
            layer = nn.Conv2d(before, width, 4, stride=2, padding=1, bias=False, device="meta")
            layer = layer.to_empty(device="cpu")  # which draws nothing of anybody's chance
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=chance)
            layers += [layer, nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.digest = digest_of(self.layers.state_dict())
        self.centre, self.unit = torch.zeros(()), torch.ones(())  # of the features (64,), once prepared
        self.data = ""
        self.device = torch.device("cpu")

    def check(self, metric: str, data: DictConfig) -> None:
        """It sees everything."""

    def prepare(
        self, metric: str, images: ImageSet, device: torch.device, tell: Callable[[str], None]
    ) -> None:
        self.layers.to(device)
        self.device, self.data = device, content(images)
        self.centre, self.unit = torch.zeros(()), torch.ones(())
        chance = torch.Generator().manual_seed(0)
        some = torch.randperm(len(images), generator=chance)[:TO_SCALE].tolist()
        sides = [value for value in images[some].values() if is_image(value)]
        seen = torch.cat([extracted(self, as_bytes(side))["features"] for side in sides])  # (N, 64)
        deviation, self.centre = torch.std_mean(seen, 0, correction=0)
        self.unit = torch.where(deviation > 0, deviation, 1)

    def __call__(self, images: Tensor) -> Seen:
        seen = to_range(rgb(images), torch.float32).to(self.device)
        seen = interpolate(seen, (SIDE, SIDE), mode="bilinear", antialias=True)
        features = self.layers(seen).mean((2, 3))  # (N, 64)
        return {"features": (features.cpu() - self.centre) / self.unit}

    @property
    def identity(self) -> str:
        return f"random-{self.digest}-{self.data}"

    @property
    def protocol(self) -> str:
        return (
            f"{WIDTHS[-1]} features of convolutions of random weights {self.digest} (seed {self.seed}), "
            "which see textures and no meaning, in units of their deviation over the data; not comparable "
            "with FID or KID"
        )
