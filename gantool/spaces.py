"""The spaces in which images have an address: that of the latents z, and that of the styles w they become."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from math import pi
from typing import Any, final

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from gantool import clouds
from gantool.duel import apply
from gantool.finished import Finished
from gantool.first_layer import first_matrix
from gantool.layers.styled import Styled
from gantool.priors import Gaussian, Truncated
from gantool.summary import kinds
from gantool.tasks.generation import Generation
from gantool.tasks.task import moved

CANDIDATES = 256  # latents among which a search looks for its start
Region = Callable[[Tensor], Tensor]  # points (N, ...) to the nearest ones of it
NAMED = {"coarse": (0, 4), "middle": (4, 8), "fine": (8, None)}  # layers: Karras et al. (2019), fig. 3


class Space(ABC):
    """Points, and how they become images, a path, and the start of a search."""

    name: str  # as it is typed, and as files call its points
    layers: int  # that a point has; 0 = it has none
    G: nn.Module
    conditional: bool

    @abstractmethod
    def points(self, latent: Tensor, label: Tensor) -> Tensor:
        """Those of latents (N, Z) and labels (N,): (N, ...)."""

    @abstractmethod
    def paint(self, points: Tensor, label: Tensor) -> Tensor:
        """Images of (N, C, H, W) from points and labels (N,)."""

    @abstractmethod
    def between(self, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
        """Points at shares (T,) of the way from one to another: (T, ...); at 0 and 1 exactly these."""

    @abstractmethod
    def near(self, point: Tensor, direction: Tensor, amounts: Tensor, layers: list[int] | None) -> Tensor:
        """A point moved along a direction by amounts (T,), in some of its layers: (T, ...)."""

    @abstractmethod
    def matrix(self, layers: list[int] | None, example: Tensor, label: Tensor, batch_size: int) -> Tensor:
        """The linear map (A, Z) or (A, W) through which points enter the layers of G.

        Args:
            layers: that take styles; None = all.
            example: points (N, ...).
            label: of these, (N, ...); of several, the first counts.
            batch_size: latents of one pass through G.
        """

    @abstractmethod
    def free(self, points: Tensor) -> Tensor:
        """What of random points (N, ...) varies by itself: of equal styles one."""

    @abstractmethod
    def candidates(self, draws: Tensor) -> Tensor:
        """Where a search may begin: (K, ...), from what is `free` of many random points (M, ...)."""

    @abstractmethod
    def region(self, draws: Tensor) -> Region:
        """What brings points that a search has moved back to where random points (M, ...) lie."""

    @torch.no_grad()
    def images(self, points: Tensor, labels: Tensor, batch_size: int) -> Iterator[Tensor]:
        """(N, C, H, W) in [-1, 1] on the CPU, batch by batch, from points and labels on the CPU."""
        for start in range(0, len(points), batch_size):
            part = slice(start, start + batch_size)
            batch = moved({"points": points[part], "label": labels[part]}, self.G)
            yield self.paint(batch["points"], batch["label"]).cpu()

    def labelled(self, label: Tensor) -> Tensor | None:
        return label if self.conditional else None


@final
class Latents(Space):
    """z of (N, Z), of any generator.

    Args:
        G: the generator.
        conditional: it takes labels.
        curved: paths are arcs, as Gaussian latents want it; otherwise straight lines.
    """

    name = "z"
    layers = 0

    def __init__(self, G: nn.Module, conditional: bool, curved: bool):
        self.G = G
        self.conditional = conditional
        self.curved = curved

    def points(self, latent: Tensor, label: Tensor) -> Tensor:
        return latent

    def paint(self, points: Tensor, label: Tensor) -> Tensor:
        return apply(self.G, points, self.labelled(label))

    def between(self, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
        return slerp(start, end, shares) if self.curved else lerp(start, end, shares)

    def near(self, point: Tensor, direction: Tensor, amounts: Tensor, layers: list[int] | None) -> Tensor:
        return point + amounts[:, None] * direction

    def matrix(self, layers: list[int] | None, example: Tensor, label: Tensor, batch_size: int) -> Tensor:
        return first_matrix(self.G, example.shape[1], self.labelled(label[:1]), batch_size)

    def free(self, points: Tensor) -> Tensor:
        return points

    def candidates(self, draws: Tensor) -> Tensor:
        return draws[:CANDIDATES]

    def region(self, draws: Tensor) -> Region:
        """No coordinate and no length is beyond those that were drawn: G has learnt nothing about others."""
        low, high = draws.amin(0), draws.amax(0)  # (Z,)
        lengths = draws.norm(dim=1)
        short, long = lengths.min(), lengths.max()

        def kept(points: Tensor) -> Tensor:
            points = points.clamp(low, high)
            lengths = points.norm(dim=1, keepdim=True).clamp(min=1e-12)
            return points * (lengths.clamp(short, long) / lengths)

        return kept


@final
class Styles(Space):
    """w of (N, L, W), one style for each layer, of a generator that has them.

    Args:
        G: the generator.
        conditional: its styles depend on labels.
        plus: a search gives each layer a style of its own, W+ of Abdal, Qin & Wonka (2019), arXiv:1904.03189;
            otherwise all layers the same.
    """

    name = "w"

    def __init__(self, G: Styled, conditional: bool, plus: bool):
        self.G = G
        self.styled = G
        self.layers = G.layers
        self.conditional = conditional
        self.plus = plus

    def points(self, latent: Tensor, label: Tensor) -> Tensor:
        return self.styled.styles(latent, self.labelled(label))

    def paint(self, points: Tensor, label: Tensor) -> Tensor:
        return self.styled.paint(points.expand(-1, self.layers, -1))

    def between(self, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
        return lerp(start, end, shares)

    def near(self, point: Tensor, direction: Tensor, amounts: Tensor, layers: list[int] | None) -> Tensor:
        points = point.repeat(len(amounts), 1, 1)  # (T, L, W)
        points[:, slice(None) if layers is None else layers] += amounts[:, None, None] * direction
        return points

    def matrix(self, layers: list[int] | None, example: Tensor, label: Tensor, batch_size: int) -> Tensor:
        affines = self.styled.affines()
        return torch.cat([affines[layer].detach().cpu() for layer in layers or range(self.layers)])

    def free(self, points: Tensor) -> Tensor:
        return points[:, :1]

    def candidates(self, draws: Tensor) -> Tensor:
        """The mean of w: Karras et al. (2020), arXiv:1912.04958, appendix D."""
        return draws.mean(0, keepdim=True).expand(-1, self.layers if self.plus else 1, -1)

    def region(self, draws: Tensor) -> Region:
        return unchanged


def unchanged(points: Tensor) -> Tensor:
    return points


def space_of(run: Finished, name: Any, choices: Sequence[str] = ("auto", "z", "w")) -> Space:
    """The space of this name: `auto` is w where there is one, and `w_plus` w for a search in W+.

    Raises ValueError where the generator has no such space, or draws no images from latents.
    """
    task, G = run.gan.task, run.G
    if not isinstance(task, Generation):
        raise ValueError(
            f"{run.path}: {type(task).__name__} has no single generator of latents, so no space to move in."
        )
    if clouds.is_point(run.shape):
        raise ValueError(f"{run.path} makes points, not images: gantool sample shows them.")
    if name not in choices:
        raise ValueError(f"space={name}: choose one of {', '.join(choices)}.")
    if isinstance(G, Styled) and name != "z":
        return Styles(G, task.conditional, plus=name == "w_plus")
    if name in ("w", "w_plus"):
        raise ValueError(f"space={name}: {kinds(G)} has no styles; its only space is z.")
    return Latents(G, task.conditional, curved=isinstance(task.prior, Gaussian | Truncated))


def lerp(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """start + t (end - start) for each t of shares (T,): (T, ...)."""
    return torch.lerp(start[None], end[None], shares.to(start.dtype).view(-1, *[1] * start.ndim))


def slerp(start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """sin((1 - t) a) / sin(a) start + sin(t a) / sin(a) end, a the angle between these vectors: (T, Z).

    White (2016), arXiv:1609.04468, section 2. Gaussian latents lie near a sphere of radius sqrt(Z), and an
    arc stays there; the middle of a straight line is where G has seen nothing, at 0.7 of that radius. Where
    the vectors point the same or opposite ways there is no one arc, and the line is taken.
    """
    a, b = start.double(), end.double()
    u, v = (x / x.norm().clamp(min=1e-300) for x in (a, b))
    angle = 2 * torch.atan2((u - v).norm(), (u + v).norm())  # exact for small angles: acos is not
    if angle < 1e-9 or angle > pi - 1e-6:
        return lerp(start, end, shares)
    t = shares.double()[:, None]
    path = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    return path.to(start.dtype)


def layers_of(value: Any, total: int) -> list[int] | None:
    """The numbers of layers that somebody means by 3, `0-3`, `coarse`, `middle`, `fine` or a list of these.

    None are all. Coarse are the first four, of the sizes 4 and 8; middle the next four, of 16 and 32; fine
    the rest. Raises ValueError for what is none of the `total` layers.
    """
    if value is None:
        return None
    if not total:
        raise ValueError(f"layers={value}: this generator has no styles in its layers; leave it out.")
    wrong = ValueError(
        f"layers={value}: this generator has the layers 0 to {total - 1}; give 3, 0-3, coarse, middle, fine, "
        "or a list of these."
    )
    found: set[int] = set()
    for one in list(value) if OmegaConf.is_list(value) else [value]:
        first, dash, last = str(one).partition("-")
        if str(one) in NAMED:
            found |= set(range(total)[slice(*NAMED[str(one)])])
        elif first.isdecimal() and (last.isdecimal() if dash else True):
            found |= set(range(int(first), int(last if dash else first) + 1))
        else:
            raise wrong
    if not found or not found <= set(range(total)):
        raise wrong
    return sorted(found)


def evenly(count: int) -> Tensor:
    """Shares of a way, both ends included: (count,), float64."""
    return torch.linspace(0, 1, count, dtype=torch.float64)
