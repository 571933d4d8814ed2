"""What is shown of a generator to those who judge it."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal, final, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from gantool.layers.styled import Styled
from gantool.paths import on_arcs, on_lines
from gantool.priors import Gaussian, Truncated
from gantool.prompts import is_told
from gantool.subject import Subject
from gantool.summary import kinds
from gantool.tasks.generation import Generation
from gantool.tasks.pyramid import Pyramid
from gantool.tasks.task import Batch, Task, moved

Latents = Literal["auto", "z", "w"]
Moments = Literal["full", "end"]
Precision = Literal["double", "single"]
Way = Callable[[Tensor], Tensor]
Paint = Callable[[Tensor, int], Tensor]
TOGETHER = 50  # images made together, since each of them is made twice
LARGEST = 256  # pixels of the shorter side


@final
@dataclass(frozen=True)
class Shown:
    """A pass of images, on the CPU or where the generator is.

    Attributes:
        images: (N, C, H, W) in [-1, 1], by name: what belongs together has one name.
        labels: (N,), of the classes that were asked for; zeros of a model without classes; None = nothing was
            asked for.
    """

    images: dict[str, tuple[Tensor, ...]]
    labels: Tensor | None = None


class Sight(ABC):
    """A way of looking at a generator. Metrics of equal sights look at the very same images."""

    held_out: bool  # it needs images that training never saw

    @abstractmethod
    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        """The images of these numbers, made by the subject's G."""

    @abstractmethod
    def protocol(self, subject: Subject) -> str | None:
        """How they are made, in one line; None = as in training."""


@final
@dataclass(frozen=True)
class Fakes(Sight):
    """Fakes alone, of latents, by the name ""."""

    held_out = False

    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        labels = subject.labels(numbers)
        return Shown({"": (subject.generated(G, numbers, labels),)}, labels)

    def protocol(self, subject: Subject) -> str:
        return subject.protocol


@final
@dataclass(frozen=True)
class Compared(Sight):
    """Each fake with the image that it should be, by the names of `Task.compared`."""

    held_out = True

    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        return Shown({**subject.compared(G, numbers)})

    def protocol(self, subject: Subject) -> None:
        return None


@final
@dataclass(frozen=True)
class Couples(Sight):
    """Two fakes each, of one class where the model knows classes, by the name ""; no fake is in two.

    Captions are any two: no two reals share one that they could be compared with.
    """

    held_out = False

    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        if is_told(subject.config):
            labels = subject.labels(range(2 * numbers.start, 2 * numbers.stop))
            sides = labels[::2], labels[1::2]
        else:
            labels = subject.labels(numbers)
            sides = labels, labels
        first, second = (
            subject.generated(G, range(2 * numbers.start + place, 2 * numbers.stop + place, 2), sides[place])
            for place in (0, 1)
        )
        return Shown({"": (first, second)}, sides[0])

    def protocol(self, subject: Subject) -> str:
        return subject.protocol


@final
@dataclass(frozen=True)
class Paths(Sight):
    """Two fakes each, of points close together on the way between two random ones, by the name of the space.

    Both have the same label and the same noise. Rounding is random, so that its square, divided by epsilon^2,
    is added to a squared distance. In float32 that is 0.04 % of the path length of a StyleGAN2 of 32 pixels
    at an epsilon of 1e-4, 1 % at 1e-5, a half at 1e-6; TF32, which rounds 8,000 times as much, would leave
    nothing else and is never used. In float64 it is nothing, for 2 to 8 times the time on a CPU.

    Attributes:
        space: arcs between Gaussian latents z, straight lines between other latents, or straight lines
            between styles w; auto = w where there are styles.
        moments: of the first of two points on its way: full = any, uniform; end = the very beginning.
        epsilon: share of the way from one to the other.
        crop: only the middle of each image, where faces are: Karras et al. (2019), arXiv:1812.04948,
            section 4.1.
        precision: single = float32, as published; double = float64 where the device has it.
    """

    space: Latents = "auto"
    moments: Moments = "full"
    epsilon: float = 1e-4
    crop: bool = False
    precision: Precision = "single"
    held_out = False

    def check(self, metric: str) -> None:
        """Raise ValueError, in the name of a metric, for values that mean nothing."""
        choices = {"space": get_args(Latents), "moments": get_args(Moments), "precision": get_args(Precision)}
        for key, known in choices.items():
            if (value := asdict(self)[key]) not in known:
                raise ValueError(f"metrics.{metric}.{key}={value}: choose one of {', '.join(known)}.")
        if not 0 < self.epsilon <= 0.1:
            raise ValueError(
                f"metrics.{metric}.epsilon={self.epsilon}: give a small share, such as 1e-4, at most 0.1."
            )

    def suit(self, metric: str, G: nn.Module) -> None:
        """Raise ValueError, in the name of a metric, for a generator without such a space."""
        if self.space == "w" and not isinstance(G, Styled):
            raise ValueError(f"metrics.{metric}.space=w: {kinds(G)} has no styles; its only space is z.")

    def space_of(self, G: nn.Module) -> Literal["z", "w"]:
        return "w" if isinstance(G, Styled) and self.space != "z" else "z"

    @torch.no_grad()
    def show(self, subject: Subject, G: nn.Module, numbers: range) -> Shown:
        labels = subject.labels(numbers)
        kind = self.kind(subject.gan.device)
        exact = G if next(G.parameters()).dtype == kind else copy.deepcopy(G).to(kind)
        ends = [moved(subject.drawn(numbers, labels, end), exact) for end in (0, 1)]
        shares = subject.shares(numbers) if self.moments == "full" else torch.zeros(len(numbers)).double()
        way, paint = self.ways(subject.gan.task, exact, ends)
        images: list[Tensor] = []
        for moment in (shares, shares + self.epsilon):
            points = way(moment)
            with subject.chance("path", numbers.start), full_floats():
                parts = [
                    self.seen(paint(points[begin : begin + TOGETHER], begin))
                    for begin in range(0, len(points), TOGETHER)
                ]
            images.append(torch.cat(parts))
        return Shown({self.space_of(G): (images[0], images[1])}, labels)

    def ways(self, task: Task, G: nn.Module, ends: list[Batch]) -> tuple[Way, Paint]:
        """From shares of the ways (N,) to points (N, ...), and from some of these to images (n, C, H, W).

        Args:
            task: whose generator this is.
            G: the generator.
            ends: what is drawn for where ways begin, which says all but the latents, and for where they end.
        """
        start, end = (it["latent"] for it in ends)
        if isinstance(task, Generation) and isinstance(G, Styled) and self.space_of(G) == "w":
            label = task.label(ends[0])
            w0, w1 = G.styles(start, label), G.styles(end, label)  # (N, L, W)
            return lambda shares: on_lines(w0, w1, shares), lambda points, begin: G.paint(points)
        between = on_arcs if curved(task) else on_lines

        def paint(points: Tensor, begin: int) -> Tensor:
            batch = {name: value[begin : begin + len(points)] for name, value in ends[0].items()}
            return task.generate(G, {**batch, "latent": points})["fake"]

        return lambda shares: between(start, end, shares), paint

    def seen(self, images: Tensor) -> Tensor:
        """(N, C, H, W), smaller: means of squares of pixels, so many that the shorter side keeps 256."""
        height, width = images.shape[2:]
        times = shrink((height, width))
        if self.crop:
            images = images[:, :, 3 * height // 8 : 7 * height // 8, 2 * width // 8 : 6 * width // 8]
        return avg_pool2d(images, times) if times > 1 else images

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Of the images that are shown, where G makes images of H x W."""
        times = shrink((height, width))
        if self.crop:
            height, width = 7 * height // 8 - 3 * height // 8, 6 * width // 8 - 2 * width // 8
        return height // times, width // times

    def kind(self, device: torch.device) -> torch.dtype:
        """Of the numbers that images are made of."""
        return torch.float64 if self.precision == "double" and device.type != "mps" else torch.float32

    def protocol(self, subject: Subject) -> str:
        shape = "arcs" if curved(subject.gan.task) else "straight lines"
        ways = "straight lines in W" if self.space_of(subject.gan.task.G) == "w" else f"{shape} in Z"
        moments = "uniform in [0, 1]" if self.moments == "full" else "0"
        kind = str(self.kind(subject.gan.device)).removeprefix("torch.")
        crop = ", cropped to where faces are" if self.crop else ""
        return (
            f"{subject.protocol}; {ways}, from t, {moments}, to t + {self.epsilon:g}, of one label and one "
            f"noise, in {kind}{crop}, at most {LARGEST} pixels"
        )


def curved(task: Task) -> bool:
    """Whether latents are drawn near a sphere."""
    return isinstance(task, Generation | Pyramid) and isinstance(task.prior, Gaussian | Truncated)


def shrink(size: tuple[int, int]) -> int:
    """How many pixels of these images become one."""
    return max(1, min(size) // LARGEST)


@contextmanager
def full_floats() -> Iterator[None]:
    """Products of float32 are not rounded to the 10 bits of TF32, which are coarser than what is measured."""
    matrices, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matrices, convolutions
