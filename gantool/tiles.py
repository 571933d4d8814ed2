"""Large images piece by piece: tiles that overlap, without a visible seam."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from gantool.data.threads import bar

GRID = 16  # pixels; tiles begin at multiples: what a network halves is then cut as in the whole image
SHARE = 3  # of the overlap, one part is blended

Span = tuple[int, int]  # start and stop


@final
@dataclass(frozen=True)
class Tiles:
    """How an image is cut.

    The outer third of an overlap is what a tile knows least about, and is cut off; in the middle third, one
    tile fades into the other. So tiles are equal to the whole image where a pixel depends on nothing further
    away than a third of the overlap. A network that normalises by the whole of what it sees, as instance norm
    does, makes tiles that differ, and their difference is spread over the blended part.

    Args:
        side: of a tile, in pixels of the source; None = the whole image at once.
        overlap: pixels that two neighbours share, or more; None = a quarter of a tile.
    """

    side: int | None = None
    overlap: int | None = None

    def __post_init__(self):
        for key, value, least in (("tile", self.side, 2 * GRID), ("overlap", self.overlap, 0)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
                raise ValueError(f"{key}={value}: give a number of pixels, {least} or more, or null.")
        if self.side is None and self.overlap is not None:
            raise ValueError(f"overlap={self.overlap} of what? Add tile=512.")
        if self.side is not None and self.side - self.shared < GRID:
            raise ValueError(
                f"overlap={self.shared} leaves too little of tile={self.side}; give up to {self.side - GRID}."
            )

    @property
    def shared(self) -> int:
        """Pixels of the overlap."""
        return (self.side or 0) // 4 if self.overlap is None else self.overlap

    def spans(self, length: int) -> list[Span]:
        """Of the tiles along one axis; none is longer than `side`."""
        if self.side is None or length <= self.side:
            return [(0, length)]
        step = (self.side - self.shared) // GRID * GRID
        last = -(-(length - self.side) // GRID) * GRID
        return [(start, min(start + self.side, length)) for start in (*range(0, last, step), last)]

    def __call__(self, make: Callable[[Tensor, int], Tensor], source: Tensor, follow: bool = False) -> Tensor:
        """What `make` makes of a source (N, C', H, W), tile by tile: (N, C, s H, s W), on the CPU.

        Args:
            make: a tile and its number -> an image, s times as large.
            follow: show a bar of the tiles.
        """
        rows, columns = self.spans(source.shape[2]), self.spans(source.shape[3])
        if len(rows) == len(columns) == 1:
            return make(source, 0).cpu()
        places = [(i, j) for i in range(len(rows)) for j in range(len(columns))]
        whole, scale, down, right = source, 1, [], []
        with bar("Translating tiles", len(places) if follow else None) as advance:
            for number, (i, j) in enumerate(places):
                (top, bottom), (left, rest) = rows[i], columns[j]
                made = make(source[:, :, top:bottom, left:rest], number).cpu()
                if number == 0:
                    scale = made.shape[2] // (bottom - top)
                    down = weights(rows, scale, self.shared / SHARE)
                    right = weights(columns, scale, self.shared / SHARE)
                    size = [scale * side for side in source.shape[2:]]
                    whole = made.new_zeros(*made.shape[:2], *size)
                weight = torch.outer(down[i], right[j]).to(made.dtype)
                whole[:, :, scale * top : scale * bottom, scale * left : scale * rest] += made * weight
                if follow:
                    advance(1)
        return whole


def weights(spans: list[Span], scale: int, ramp: float) -> list[Tensor]:
    """How much each tile counts at its own pixels along one axis, (s L,) each.

    Tile i fades in around the middle of its overlap with the one before, m_i, along a line
    f_i(x) = clamp((x - m_i) / ramp + 1/2, 0, 1), and counts f_i - f_(i+1), with f = 1 before the first and
    f = 0 behind the last: so all add up to 1.

    Args:
        spans: (start, stop) of the tiles, in pixels of the source.
        scale: s, pixels made of one.
        ramp: length of the line in pixels of the source; 0 = a step.
    """
    x = (torch.arange(scale * spans[-1][1], dtype=torch.float64) + 0.5) / scale  # (s L,), middles of pixels
    middles = [(after[0] + before[1]) / 2 for before, after in pairwise(spans)]
    fades = [((x - middle) / max(ramp, 1e-6) + 0.5).clamp(0, 1) for middle in middles]
    parts = [here - after for here, after in pairwise([torch.ones_like(x), *fades, torch.zeros_like(x)])]
    return [part[scale * start : scale * stop] for part, (start, stop) in zip(parts, spans, strict=True)]
