"""DiscoGAN's networks: Kim, Cha, Kim, Lee & Kim (2017), arXiv:1703.05192, and the authors' code.

The authors' images are in [0, 1], ours in [-1, 1]: both networks map the one to the other where images come
in and go out, so that they compute what the authors' compute.
"""

from typing import final

from torch import Tensor, nn, tanh

from gantool.layers.norm import norm as norm_of
from gantool.layers.padded import Padded, cropped
from gantool.layers.resolution import Resolution, halvings


@final
class Generator(Padded):
    """(N, C', H, W) to (N, C, H, W) in [-1, 1]: halved down to 4 pixels, and doubled again.

    All that passes from one image to the other passes through the smallest layer. The sigmoid s(x) in [0, 1]
    at the end is 2 s(x) - 1 = tanh(x / 2) in [-1, 1]. Images whose sides cannot be halved as often are padded
    on the way in and cropped on the way out.

    Args:
        width: features of the first layer; each deeper one has twice as many, up to 8 times.
        source_channels: C'.
        channels: C.
        resolution: of the images that it is trained on; 64 gives the paper's network.
        norm: of all layers but the first and the last.

    Differs from the paper: four layers down for all data, as the authors' code has it unless told otherwise,
    never a fifth, to a single pixel. Differs from the authors' code: that standardises by the batch always;
    here the finished G takes running statistics, of sources alone: fakes on their way back leave no trace.
    """

    def __init__(
        self,
        width: int,
        source_channels: int,
        channels: int,
        resolution: Resolution,
        norm: str = "batch",
    ):
        stages, _ = halvings(resolution)
        super().__init__(multiple=2**stages)
        widths = [width * min(2**stage, 8) for stage in range(stages)]  # 64 px: w 2w 4w 8w
        layers: list[nn.Module] = [nn.Conv2d(source_channels, width, 4, 2, 1, bias=False)]
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False)]
            layers += [norm_of(norm, after), nn.LeakyReLU(0.2, inplace=True)]
        for before, after in zip(widths[::-1], widths[-2::-1], strict=False):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
            layers += [norm_of(norm, after), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False))

    def forward(self, source: Tensor) -> Tensor:
        x = (self.padded(source) + 1) / 2
        return cropped(tanh(self.layers(x) / 2), source)


@final
class Discriminator(nn.Module):
    """(N, C, H, W) to "logits" (N,), and to what it saw on the way: "features_2", "features_3", ….

    DCGAN's, with a map of features (N, 2^(k-1) w, H / 2^k, W / 2^k) for each layer k from the second on,
    behind its rectifier.

    Args:
        width: features w of the first layer; each deeper one has twice as many, up to 8 times.
        channels: C.
        resolution: of the images; 64 gives the paper's network.
        norm: of all layers but the first and the last.
    """

    def __init__(self, width: int, channels: int, resolution: Resolution, norm: str = "batch"):
        super().__init__()
        stages, base = halvings(resolution)
        if stages < 2:
            raise ValueError(
                f"data.resolution={resolution}: this discriminator compares what its second layer sees; give "
                "16 pixels or more."
            )
        widths = [width * min(2**stage, 8) for stage in range(stages)]  # 64 px: w 2w 4w 8w
        self.first = nn.Sequential(
            nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                norm_of(norm, after),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for before, after in zip(widths, widths[1:], strict=False)
        )
        self.last = nn.Sequential(nn.Conv2d(widths[-1], 1, base, bias=False), nn.Flatten(0))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.first((image + 1) / 2)
        features: dict[str, Tensor] = {}
        for layer, stage in enumerate(self.stages, start=2):
            x = features[f"features_{layer}"] = stage(x)
        return {"logits": self.last(x), **features}
