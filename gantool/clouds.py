"""Points, images of one pixel; pictures of those of the plane: fakes over reals, with D's level lines."""

import copy

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gantool.gan import GAN
from gantool.layers.packed import Packed
from gantool.layers.synced import alone
from gantool.tasks.task import moved

SHAPE = (2, 1, 1)  # (C, H, W) of a point of the plane
COUNT = 2_000  # points on a picture, at least
SIDE = 512  # of a picture, in pixels
EDGE = 1.15  # a picture shows [-EDGE, EDGE]^2
PLACES = 96  # along each side, where D is asked
CHUNK = 256  # points that D judges together: it may compare them with each other
LEVELS = 12  # lines

REAL, FAKE = (np.array(colour, np.float32) for colour in ((60, 110, 190), (225, 95, 20)))
PAPER, LINE, ZERO = (np.array(colour, np.float32) for colour in ((255,) * 3, (205,) * 3, (90,) * 3))


def is_point(shape: tuple[int, ...]) -> bool:
    """Whether images of (C, H, W) are points of C coordinates: of the plane, or rows of a table."""
    return tuple(shape[1:]) == (1, 1)


def cloud(fake: Tensor | None, real: Tensor, logits: Tensor | None = None) -> np.ndarray:
    """Points of (N, 2, 1, 1) as a picture (SIDE, SIDE, 3): reals in blue, below fakes in orange; y upwards.

    Args:
        fake: points beyond the picture are drawn on its edge.
        real: to compare with.
        logits: D's at `places()`, (PLACES, PLACES): a grey line at each level, a dark one at 0.
    """
    picture = np.broadcast_to(PAPER, (SIDE, SIDE, 3)).copy()
    if logits is not None and logits.max() > logits.min():
        height = interpolate(logits[None, None].float().cpu(), (SIDE, SIDE), mode="bilinear")[0, 0].numpy()
        low, high = np.quantile(height, [0.02, 0.98])
        picture[lines(np.floor((height - low) / max(high - low, 1e-12) * LEVELS))] = LINE
        picture[lines(height > 0)] = ZERO
    for points, colour in ((real, REAL), (fake, FAKE)):
        if points is not None:
            opacity = 1 - 0.3 ** dots(points)[:, :, None]  # (SIDE, SIDE, 1)
            picture += opacity * (colour - picture)
    return picture[::-1].round().astype(np.uint8)


def lines(steps: np.ndarray) -> np.ndarray:
    """Where a number differs from that of the pixel beside or below: (SIDE, SIDE), bool."""
    edge = np.zeros(steps.shape, bool)
    edge[:, 1:] |= steps[:, 1:] != steps[:, :-1]
    edge[1:] |= steps[1:] != steps[:-1]
    return edge


def dots(points: Tensor, side: int = SIDE) -> np.ndarray:
    """How many points, of 2x2 pixels each, cover a pixel: (side, side)."""
    flat = points.detach().flatten(1).double().cpu().nan_to_num().clamp(-EDGE, EDGE)  # (N, 2)
    across, up = ((flat / EDGE + 1) / 2 * (side - 2)).long().numpy().T
    covered = np.zeros((side, side), np.float32)
    for right in (0, 1):
        for above in (0, 1):
            np.add.at(covered, (up + above, across + right), 1)
    return covered


def places() -> Tensor:
    """The middles of PLACES x PLACES squares of the picture, row by row from below: (PLACES^2, 2, 1, 1)."""
    axis = ((torch.arange(PLACES) + 0.5) / PLACES * 2 - 1) * EDGE
    up, across = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([across, up], 2).view(-1, *SHAPE)


@torch.no_grad()
def landscape(gan: GAN) -> Tensor | None:
    """D's logits at `places()`, (PLACES, PLACES); None where it gives other than one number for each.

    A D that judges packs (PacGAN) is asked about packs of equal points.
    """
    task = copy.deepcopy(gan.task).eval()
    alone(task)  # the other processes do not take part
    pack = task.D.pack if isinstance(task.D, Packed) else 1
    rows = []
    with torch.random.fork_rng(devices=[]):
        for points in places().split(CHUNK):
            packs = points.repeat(pack, 1, 1, 1)  # pack i holds i, i + N, i + 2N, …
            [duel] = task.duels(moved(task.draw({"image": packs}), task.D))
            rows.append(duel.judge(duel.real_view))
    logits = torch.cat(rows)
    return logits.view(PLACES, PLACES) if logits.numel() == PLACES**2 else None
