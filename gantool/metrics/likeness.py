"""How alike images are that should be equal: PSNR, SSIM, L1, and LPIPS where its weights are at hand."""

import logging
from collections.abc import Callable
from typing import Any, Literal, final

import torch
from omegaconf import DictConfig
from torch import Tensor
from torchmetrics.functional.image.ssim import structural_similarity_index_measure

from gantool.data.image_set import ImageSet
from gantool.layers.resolution import height_and_width
from gantool.metrics.extractor import rgb
from gantool.metrics.lpips import LPIPS, Network, cached
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Compared, Shown
from gantool.tasks.task import Task

WINDOW = 11  # pixels of SSIM's Gaussian window, which must fit into the image
log = logging.getLogger(__name__)
MOST = 100.0  # dB: the PSNR of equal images
BETTER: dict[str, Direction] = {
    "psnr": "maximize",
    "ssim": "maximize",
    "l1": "minimize",
    "lpips": "minimize",
}


@final
class Likeness(Metric):
    """Each measure of every image, then its mean over the images.

    Images are brought to the 256 values of a file first, in [0, 1]. PSNR = -10 log10 of the mean squared
    difference, at most 100 dB; L1 is the mean absolute difference; SSIM: Wang et al. (2004), IEEE TIP 13(4),
    with their Gaussian window of 11 pixels and 1.5 standard deviation; LPIPS: Zhang et al. (2018),
    arXiv:1801.03924, version 0.1.

    Args:
        channel: rgb = all channels; y = brightness alone, as ITU-R BT.601 codes it in [16, 235] / 255: what
            super-resolution papers report.
        crop: pixels that are left out at each border; super-resolution papers: as many as the scale, 4.
        lpips: true, false, or auto = where its weights are at hand. It sees RGB, uncropped.
        network: that LPIPS compares images by: alex, as in its paper's tables, or vgg.
        weights: file of that network's weights; None = torch's cache.
    """

    sight = Compared()
    deciding = "psnr"

    def __init__(
        self,
        channel: Literal["rgb", "y"] = "rgb",
        crop: int = 0,
        lpips: Literal["auto"] | bool = "auto",
        network: Network = "alex",
        weights: str | None = None,
    ):
        if channel not in ("rgb", "y"):
            raise ValueError(f"metrics.likeness.channel={channel}: give rgb or y.")
        if not isinstance(crop, int) or isinstance(crop, bool) or crop < 0:
            raise ValueError(f"metrics.likeness.crop={crop}: give a number of pixels, 0 or more.")
        if lpips not in ("auto", True, False):
            raise ValueError(f"metrics.likeness.lpips={lpips}: give true, false or auto.")
        if network not in ("alex", "vgg"):
            raise ValueError(f"metrics.likeness.network={network}: give alex or vgg.")
        self.channel, self.crop = channel, crop
        self.lpips: Literal["auto"] | bool = lpips
        self.network: Network = network
        self.weights = weights
        self.perceptual: LPIPS | None = None
        self.measures: tuple[str, ...] = ()
        self.device = torch.device("cpu")

    def check(self, task: Task, data: DictConfig) -> None:
        if not task.compares:
            raise ValueError(
                "metrics=likeness compares images with what they should be, but a model that makes images of "
                "noise has no such originals: leave it out."
            )
        least = min(height_and_width(data.resolution))
        if least <= 2 * self.crop:
            raise ValueError(
                f"metrics.likeness.crop={self.crop} leaves nothing of images of {least} pixels; give "
                f"{(least - 1) // 2} or less."
            )

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        least = min(images.shape[1:])
        self.device = device
        measures = {"psnr": True, "ssim": least - 2 * self.crop >= WINDOW, "l1": True, "lpips": False}
        if not measures["ssim"]:
            log.info("SSIM is left out: its window of %d pixels is larger than the images", WINDOW)
        if self.lpips is True or (self.lpips == "auto" and self.at_hand(least)):
            self.perceptual = LPIPS(self.network, self.weights).to(device)
            self.perceptual.check(least)
            measures["lpips"] = True
        self.measures = tuple(name for name, wanted in measures.items() if wanted)
        return len(images) if count is None else min(count, len(images))

    def at_hand(self, least: int) -> bool:
        """Whether LPIPS can be had of images of so many pixels without fetching anything."""
        if least < LPIPS.least[self.network]:
            log.info("LPIPS is left out: images of %d pixels are too small for it", least)
            return False
        if self.weights is None and not cached(self.network).is_file():
            log.info("LPIPS is left out: no %s; metrics.likeness.lpips=true fetches it", cached(self.network))
            return False
        return True

    def columns(self, task: Task) -> dict[str, Direction]:
        return {column(name, measure): BETTER[measure] for name in task.compares for measure in self.measures}

    @property
    def glance(self) -> None:
        return None

    @torch.no_grad()
    def look(self, shown: Shown) -> Seen:
        """(N, K), a column for each of K measures."""
        return {name: self.measured(fake, real).cpu() for name, (fake, real) in shown.images.items()}

    def measured(self, fake: Tensor, real: Tensor) -> Tensor:
        exact = torch.float32 if self.device.type == "mps" else torch.float64  # float32 blurs the 4th digit
        whole = [eight_bit(images.to(self.device, exact)) for images in (fake, real)]
        x, y = (cropped(self.seen(images), self.crop) for images in whole)
        of: dict[str, Callable[[], Tensor]] = {
            "psnr": lambda: psnr(x, y),
            "ssim": lambda: ssim(x, y),
            "l1": lambda: (x - y).abs().mean((1, 2, 3)),
            "lpips": lambda: self.distance(*whole),
        }
        return torch.stack([of[measure]() for measure in self.measures], 1)  # (N, K)

    def seen(self, images: Tensor) -> Tensor:
        return images if self.channel == "rgb" else brightness(rgb(images))

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        assert self.perceptual is not None
        return self.perceptual(rgb(x).float() * 2 - 1, rgb(y).float() * 2 - 1).to(x.dtype)

    def judge(self, seen: Seen) -> Found:
        means = {name: values.mean(0).tolist() for name, values in seen.items()}
        values = {
            column(name, measure): value
            for name, row in means.items()
            for measure, value in zip(self.measures, row, strict=True)
        }
        count = max(len(images) for images in seen.values())
        rows = [
            (name.replace("_", " ") or "Held out", told(dict(zip(self.measures, row, strict=True))))
            for name, row in means.items()
        ]
        record: dict[str, Any] = {**values, "samples": count}
        return Found(values, record, [*rows, ("Images", f"{count:,}, which training never saw")])

    @property
    def protocol(self) -> str:
        pixels = "RGB" if self.channel == "rgb" else "Y of BT.601"
        border = f" without {self.crop} pixels at each border" if self.crop else ""
        lpips = f"; LPIPS 0.1 by {self.network}" if self.perceptual is not None else ""
        return (
            f"mean over images of each, of 8-bit {pixels}{border}; data range 1; SSIM with a Gaussian window "
            f"of {WINDOW} pixels{lpips}"
        )


def column(name: str, measure: str) -> str:
    return f"{name}_{measure}" if name else measure


def told(values: dict[str, float]) -> str:
    """Numbers as people write them: PSNR in dB."""
    return ", ".join(
        f"PSNR {value:.2f} dB" if name == "psnr" else f"{name.upper()} {value:.4f}"
        for name, value in values.items()
    )


def eight_bit(images: Tensor) -> Tensor:
    """(N, C, H, W) in [-1, 1] to what a file keeps of it, k / 255 in [0, 1]."""
    return ((images + 1) * 127.5).round().clamp(0, 255) / 255


def cropped(images: Tensor, border: int) -> Tensor:
    height, width = images.shape[2:]
    return images[:, :, border : height - border, border : width - border]


def brightness(images: Tensor) -> Tensor:
    """(N, 3, H, W) in [0, 1] to (N, 1, H, W) in [16, 235] / 255: ITU-R BT.601, as MATLAB's rgb2ycbcr."""
    weights = images.new_tensor([65.481, 128.553, 24.966]).view(1, 3, 1, 1)
    return ((weights * images).sum(1, keepdim=True) + 16) / 255


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Of images (N, C, H, W) in [0, 1], in dB: (N,)."""
    return -10 * (x - y).square().mean((1, 2, 3)).clamp(min=10 ** (-MOST / 10)).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Of images (N, C, H, W) in [0, 1], a mean over channels and the places of whole windows: (N,).

    As in the authors' code; torchmetrics' own mean also has windows that reach over the border.
    """
    _, at = structural_similarity_index_measure(
        x, y, reduction="none", data_range=1.0, return_full_image=True
    )  # (N, C, H, W)
    return cropped(at, WINDOW // 2).mean((1, 2, 3))
