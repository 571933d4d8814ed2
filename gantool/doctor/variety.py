"""How different images are from each other: closed forms that need no features."""

from math import inf

from torch import Tensor, cdist
from torch.nn.functional import adaptive_avg_pool2d, pdist

SIDE = 32  # pixels: what differs in finer texture alone is alike
NEIGHBOURS = 5  # the K of coverage
NEAR = 0.1  # of the mean distance of reals: closer pairs are one image, give or take


def small(images: Tensor) -> Tensor:
    """(N, C, H, W) to (N, D) on the CPU, of at most SIDE pixels a side."""
    height, width = images.shape[2:]
    return adaptive_avg_pool2d(images.float(), (min(height, SIDE), min(width, SIDE))).flatten(1).cpu()


def distances(rows: Tensor) -> Tensor:
    """Of all pairs of (N, D): (N (N - 1) / 2,)."""
    return pdist(rows)


def repeated(pairs: Tensor, near: float) -> float:
    """The share of pairs that are one image.

    Of images that a generator makes with probabilities p_i, this is sum p_i^2 on average, whatever their
    number: 1/N for N equally likely ones. The birthday test of Arora & Zhang (2017), arXiv:1706.08224, asks
    whether there is any such pair, and finds one among s samples with probability 1 - exp(-s (s - 1) / 2N).
    """
    return (pairs < near).float().mean().item()


def coverage(real: Tensor, fake: Tensor) -> float:
    """The share of reals that have a fake nearer than their K-th nearest other real; (N, D) each.

    Coverage of Naeem, Oh, Uh, Choi & Yoo (2020), arXiv:2002.09797, eq. 5, in pixels. Of as many fakes that
    are distributed as the reals it is 1 - (N - 1) ... (N - K) / ((2N - 1) ... (2N - K)), about 1 - 2^-K.
    """
    reach = min(NEIGHBOURS, len(real) - 1)
    if reach < 1:
        return 0.0
    radius = cdist(real, real).kthvalue(reach + 1, 1).values  # (N,); the nearest is itself
    return (cdist(real, fake).min(1).values < radius).float().mean().item()


def memorised(seen: Tensor, unseen: Tensor, fake: Tensor) -> float | None:
    """How far D's answers to unseen reals lie on the way from those to seen reals (0) to fakes (1).

    r_v of Karras et al. (2020), arXiv:2006.06676, eq. 1: (E[C(seen)] - E[C(unseen)]) / (E[C(seen)] -
    E[C(g)]), the same whatever the scale of the logits. None where D tells fakes from what it has seen by
    less than a standard deviation: the ratio would be noise.
    """
    gap = seen.mean() - fake.mean()
    spread = ((seen.var() + fake.var()) / 2).sqrt()
    if not gap > spread:
        return None
    return ((seen.mean() - unseen.mean()) / gap).item()


def relative(part: float, whole: float) -> float:
    """A ratio, infinite where there is nothing to compare with."""
    return part / whole if whole > 0 else inf
