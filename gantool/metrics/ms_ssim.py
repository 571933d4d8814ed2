"""MS-SSIM, how alike two images are, from fine to coarse.

Wang, Simoncelli & Bovik (2003), doi:10.1109/ACSSC.2003.1292216.
"""

from math import prod
from typing import final

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from gantool.data.image_set import ImageSet
from gantool.metrics.pairwise import Pairwise, Tell

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # section 3.2; they sum to 1.0001
WINDOW, DEVIATION = 11, 1.5  # pixels of the Gaussian window, and its standard deviation
COARSEST = 8  # pixels that images of the coarsest scale have at least
C1, C2 = 0.01**2, 0.03**2  # of images in [0, 1]


@final
class MSSSIM(Pairwise):
    """l_M^w_M prod_j (c s)_j^w_j: luminance of the coarsest scale, contrast and structure of all. Eq. 7.

    Each is a mean over channels and the places of whole windows; each scale has half the pixels of the one
    before. Where the window does not fit, it is as large as the image, and narrower by the same factor, as in
    ProGAN's code: Karras et al. (2018), arXiv:1710.10196. A negative factor counts as 0.

    Fewer scales have the first weights, made to sum to 1, and another name: they are another number.

    Args:
        scales: 5 as published, which needs images of 128 pixels or more.
    """

    diverse = "minimize"

    def __init__(self, scales: int = 5):
        if not 1 <= scales <= len(WEIGHTS):
            raise ValueError(f"scales={scales}: MS-SSIM has 1 to {len(WEIGHTS)} of them.")
        self.scales = scales
        self.name = "ms_ssim" if scales == len(WEIGHTS) else f"ms_ssim_{scales}scales"
        first = WEIGHTS[:scales]
        self.weights = WEIGHTS if scales == len(WEIGHTS) else tuple(it / sum(first) for it in first)
        self.device = torch.device("cpu")

    def check(self, metric: str, data: DictConfig, height: int, width: int) -> None:
        least = COARSEST * 2 ** (self.scales - 1)
        if min(height, width) >= least:
            return
        fitting = (min(height, width) // COARSEST).bit_length()
        cure = f"metrics.{metric}.measure.scales={fitting} is another number" if fitting else "leave it out"
        raise ValueError(
            f"metrics={metric}: {self.scales} scales need images of {least} pixels or more, not of "
            f"{height}x{width}; {cure}."
        )

    def prepare(self, metric: str, images: ImageSet, device: torch.device, tell: Tell) -> None:
        self.device = device

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        kind = torch.float32 if self.device.type == "mps" else torch.float64  # float32 blurs variances
        one, other = ((it.to(self.device, kind) + 1) / 2 for it in (x, y))
        return ms_ssim(one, other, self.weights).to(x.dtype)

    @property
    def protocol(self) -> str:
        fewer = "" if self.scales == len(WEIGHTS) else ", NOT the published 5"
        return f"MS-SSIM of {self.scales} scales{fewer}, windows of {WINDOW} pixels where they fit"


def ms_ssim(x: Tensor, y: Tensor, weights: tuple[float, ...]) -> Tensor:
    """Of images (N, C, H, W) in [0, 1]: (N,), a weight for each scale."""
    factors: list[Tensor] = []
    for scale, weight in enumerate(weights):
        if scale:
            x, y = avg_pool2d(x, 2), avg_pool2d(y, 2)
        luminance, structure = compared(x, y)  # (N, C, h, w) each
        coarsest = scale == len(weights) - 1
        factor = (luminance * structure if coarsest else structure).mean((1, 2, 3))  # (N,)
        factors.append(factor.clamp(min=0) ** weight)
    return prod(factors[1:], start=factors[0])


def compared(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at each place of the window: (N, C, h, w) each. Eq. 1 to 3."""
    mean_x, mean_y, xx, yy, xy = (blurred(it) for it in (x, y, x * x, y * y, x * y))
    variances = xx - mean_x**2 + yy - mean_y**2
    covariance = xy - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return luminance, (2 * covariance + C2) / (variances + C2)


def blurred(images: Tensor) -> Tensor:
    """Gaussian means of whole windows of (N, C, H, W)."""
    rows, columns = (window(min(WINDOW, side)).to(images) for side in images.shape[2:])
    flat = images.flatten(0, 1)[:, None]  # (N * C, 1, H, W)
    means = conv2d(conv2d(flat, rows[None, None, :, None]), columns[None, None, None])
    return means[:, 0].unflatten(0, images.shape[:2])


def window(size: int) -> Tensor:
    """(size,), whose deviation is to its size as 1.5 to 11."""
    at = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = torch.exp(-((at * WINDOW / (size * DEVIATION)) ** 2) / 2)
    return weights / weights.sum()
