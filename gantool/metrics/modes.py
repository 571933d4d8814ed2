"""Modes that a generator keeps, on data whose modes are known.

The protocol of VEEGAN, Srivastava et al. (2017), arXiv:1705.07761, and PacGAN, Lin et al. (2018),
arXiv:1712.04086, section 4: on Gaussians 2,500 points, on stacked MNIST 26,000 images.
"""

from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.data.cache import cache_folder
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.data.points import Points
from gantool.data.torchvision_sets import mnist
from gantool.metrics.classifier import Classifier, learnt
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.sight import Fakes, Shown
from gantool.tasks.task import Task

Numbers = dict[str, float | int | None]  # None = undefined
POINTS, IMAGES = 2_500, 26_000  # samples of the protocol
SIDE = 28  # pixels of a digit
TOGETHER = 1000  # reals that are looked at together
WITHIN = 3.0  # standard deviations from its mode to a sample of high quality
SUITABLE = {  # what makes the data
    "gantool.data.points.ring",
    "gantool.data.points.grid",
    "gantool.data.stacked_mnist.stacked_mnist",
}


@final
class Modes(Metric):
    """How many modes are found, how evenly, and how many samples are good, of fakes and of reals.

    Args:
        cache: folder that keeps the digit classifier; None = ~/.cache/gantool.
        learn: images that it learns from, in all.
    """

    sight = Fakes()

    def __init__(self, cache: str | None = None, learn: int = 240_000):
        if learn < 1:
            raise ValueError(f"metrics.modes.learn={learn}: give a number of images, 1 or more.")
        self.cache = cache_folder() if cache is None else Path(cache).expanduser()
        self.learn = learn
        self.mode_of: Callable[[Tensor], Tensor] = nowhere
        self.of = 0
        self.graded = False  # whether a sample may be of no mode
        self.said = ""
        self.real = torch.empty(0, dtype=torch.long)  # (N,), the modes of as many reals as there are fakes

    def check(self, task: Task, data: DictConfig) -> None:
        made_by = str(data.set["_target_"])
        if made_by not in SUITABLE:
            raise ValueError(
                "metrics=modes needs data=ring, grid or stacked_mnist; this run was trained on "
                f"{made_by.rpartition('.')[2]}."
            )

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        if isinstance(images, Points):
            centres, std, scale = images.modes, images.std, images.scale
            self.of, self.graded = len(centres), True
            self.mode_of = lambda fake: nearest(fake.flatten(1).to(centres.dtype) * scale, centres, std)
            self.said = (
                f"high quality: within {WITHIN:g} std of a mode; a mode is found by one such sample; "
                "KL is over such samples (PacGAN, arXiv:1712.04086)"
            )
            count = POINTS if count is None else count
        else:
            digits = learnt(
                mnist(data.root, "train"), mnist(data.root, "test"), self.cache, self.learn, device, tell
            )
            self.of = 1000
            self.mode_of = lambda fake: number(digits.classifier, fake.to(device))
            self.said = (
                "a mode is three digits, found by one sample (PacGAN, arXiv:1712.04086); digits are read by "
                f"a classifier of our own, right on {digits.accuracy:.2%} of MNIST's test set"
            )
            count = IMAGES if count is None else count
        self.real = self.modes_of(images, count)
        return count

    @torch.no_grad()
    def modes_of(self, images: ImageSet, count: int) -> Tensor:
        """Of so many of them, at random: (N,)."""
        order = Order(len(images), seed=0)
        starts = range(0, count, TOGETHER)
        parts = [images[order(start, min(TOGETHER, count - start))]["image"] for start in starts]
        return torch.cat([self.mode_of(to_range(part, torch.float32)).cpu() for part in parts])

    def columns(self, task: Task) -> dict[str, Direction]:
        good: dict[str, Direction] = {"high_quality": "maximize"} if self.graded else {}
        return {"modes": "maximize", **good, "reverse_kl": "minimize"}

    @property
    def glance(self) -> None:
        return None

    @torch.no_grad()
    def look(self, shown: Shown) -> Seen:
        """The mode of each sample, (N,)."""
        [fake] = shown.images[""]
        return {"fake": self.mode_of(fake).cpu()}

    def judge(self, seen: Seen) -> Found:
        sides = {"fake": seen["fake"], "real": self.real}
        numbers = {side: coverage(modes, self.of) for side, modes in sides.items()}
        if not self.graded:
            for of_side in numbers.values():
                del of_side["high_quality"]
        curves = ("modes", "high_quality", "reverse_kl")
        known = {name: numbers["fake"].get(name) for name in curves}
        values = {name: float(value) for name, value in known.items() if value is not None}
        record: dict[str, Any] = {**numbers}
        return Found(values, record, self.rows(numbers["fake"], numbers["real"]))

    def rows(self, fake: Numbers, real: Numbers) -> list[tuple[str, str]]:
        perfect = f"a perfect generator {fake['floor']:.4f}"
        rows = [("Modes", f"{fake['modes']:,} of {self.of:,} (real data {real['modes']:,})")]
        if self.graded:
            share = f"{fake['high_quality']:.1%} (real data scores {real['high_quality']:.1%})"
            rows.append(("High quality", share))
        rows.append(("Reverse KL", f"{nats(fake)} (real data {nats(real)}, {perfect})"))
        rows.append(("Samples", f"{fake['samples']:,}"))
        return rows

    @property
    def protocol(self) -> str:
        return self.said


def nats(numbers: Numbers) -> str:
    value = numbers["reverse_kl"]
    return "undefined, no sample is near a mode" if value is None else f"{value:.4f}"


def coverage(modes: Tensor, of: int) -> Numbers:
    """Numbers of samples whose modes are (N,), -1 for a sample of none, among `of` modes."""
    good = modes[modes >= 0]
    histogram = torch.bincount(good, minlength=of)  # (K,)
    return {
        "modes": int((histogram > 0).sum()),
        "of": of,
        "high_quality": len(good) / len(modes),
        "reverse_kl": reverse_kl(histogram),
        "samples": len(modes),
        "floor": floor(of, len(modes)),
    }


def reverse_kl(histogram: Tensor) -> float | None:
    """KL(p || uniform) = ln K - H(p) in nats, p the shares of the K modes; None where there are no samples.

    Uniform over m of the K modes it is ln(K / m).
    """
    if not histogram.sum():
        return None
    shares = histogram.double() / histogram.sum()
    return log(len(histogram)) + float(torch.xlogy(shares, shares).sum())


def floor(modes: int, samples: int) -> float:
    """What `reverse_kl` of N samples of the very uniform distribution over K modes is: (K - 1) / 2N.

    To first order in 1 / N: Miller (1955), Note on the bias of information estimates.
    """
    return (modes - 1) / (2 * samples)


def nearest(points: Tensor, centres: Tensor, std: float, within: float = WITHIN) -> Tensor:
    """The mode of each point, -1 for one as far as `within` standard deviations from all: (N,), int64.

    Args:
        points: (N, 2), in the units of `centres` (K, 2).
        centres: of Gaussians with covariance std^2 I, so that Mahalanobis' distance is Euclid's / std.
        std: of each of them.
        within: standard deviations.
    """
    distance, mode = torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    return torch.where(distance < within * std, mode, -1)


def number(classifier: Classifier, images: Tensor) -> Tensor:
    """100 a + 10 b + c of the three digits of each image (N, 3, H, W): (N,), int64."""
    return (triples(classifier, images) * images.new_tensor([100, 10, 1]).long()).sum(1)


def triples(classifier: Classifier, images: Tensor) -> Tensor:
    """The digits that the channels of (N, 3, H, W) in [-1, 1] show, in their middle: (N, 3), int64."""
    top, left = ((side - SIDE) // 2 for side in images.shape[2:])
    digits = images[:, :, top : top + SIDE, left : left + SIDE].reshape(-1, 1, SIDE, SIDE)
    return classifier(digits.float()).argmax(1).view(-1, 3)


def nowhere(samples: Tensor) -> Tensor:
    raise RuntimeError("Modes.look before Modes.prepare")
