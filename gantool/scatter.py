"""Pictures of tables: each column against each, what G makes over what is real."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from gantool import clouds

COLUMNS = 5  # on a picture, the first of a table
PANEL = 168  # pixels along each side of a panel
GAP, LETTERS = 10, 13
BINS = 28
INK = (40, 40, 40)


def picture(
    fake: Tensor | None, real: Tensor | None, logits: Tensor | None, columns: Sequence[str]
) -> np.ndarray:
    """Points of (N, F, 1, 1) as a picture (H, W, 3): of the plane a cloud, of a table a matrix."""
    if columns:
        return matrix(fake, real, columns)
    assert real is not None
    return clouds.cloud(fake, real, logits)


def matrix(fake: Tensor | None, real: Tensor | None, columns: Sequence[str]) -> np.ndarray:
    """A panel for each pair of the first columns; in the diagonal the distribution of each.

    Reals are blue, fakes orange. A panel shows the middle 99 % of the reals (without any, of the fakes) and
    some room around; what lies beyond is drawn on its edge.

    Args:
        fake: (N, F, 1, 1).
        real: (M, F, 1, 1).
        columns: names of all F.
    """
    shown = min(len(columns), COLUMNS)
    sides = [
        (colour, placed(points, fake if real is None else real, shown))
        for points, colour in ((real, clouds.REAL), (fake, clouds.FAKE))
        if points is not None
    ]
    step = PANEL + GAP
    edge = LETTERS + GAP  # where names stand: left and below
    sheet = np.broadcast_to(clouds.PAPER, (shown * step + edge, shown * step + edge, 3)).copy()
    for row in range(shown):
        for column in range(shown):
            top, left = row * step, edge + column * step
            drawn = panel([(colour, points[:, [column, row]]) for colour, points in sides], row == column)
            sheet[top : top + PANEL, left : left + PANEL] = drawn[::-1]
    return named(sheet.round().astype(np.uint8), columns[:shown], step, edge)


def placed(points: Tensor, frame: Tensor | None, shown: int) -> Tensor:
    """The first columns (N, shown), so that [-EDGE, EDGE] is what a panel shows."""
    assert frame is not None
    seen = frame.detach().flatten(1)[:, :shown].double().cpu().nan_to_num()
    low, high = torch.quantile(seen, torch.tensor([0.005, 0.995], dtype=seen.dtype), dim=0)
    middle, half = (low + high) / 2, ((high - low) / 2).clamp(min=1e-9)
    return (points.detach().flatten(1)[:, :shown].double().cpu().nan_to_num() - middle) / half


def panel(sides: Sequence[tuple[np.ndarray, Tensor]], diagonal: bool) -> np.ndarray:
    """(PANEL, PANEL, 3), upwards: points of (N, 2); in the diagonal how often values are."""
    made = np.broadcast_to(clouds.PAPER, (PANEL, PANEL, 3)).copy()
    for colour, points in sides:
        if diagonal:
            opacity = 0.55 * bars(points[:, 0])
        else:
            opacity = 1 - 0.45 ** clouds.dots(points, PANEL)
        made += opacity[:, :, None] * (colour - made)
    made[[0, -1]] = made[:, [0, -1]] = clouds.LINE
    return made


def bars(values: Tensor) -> np.ndarray:
    """A histogram of (N,): (PANEL, PANEL), 1 below its height and 0 above; full at 4 times a flat one."""
    shares = torch.histc(values.clamp(-clouds.EDGE, clouds.EDGE), BINS, -clouds.EDGE, clouds.EDGE) / len(
        values
    )
    heights = (shares * BINS / 4 * PANEL).clamp(max=PANEL).numpy()
    across = heights[np.arange(PANEL) * BINS // PANEL]
    return (np.arange(PANEL)[:, None] < across[None]).astype(np.float32)


def named(sheet: np.ndarray, columns: Sequence[str], step: int, edge: int) -> np.ndarray:
    """With the columns' names left and below."""
    font = ImageFont.load_default(LETTERS)
    page = Image.fromarray(sheet)
    pen = ImageDraw.Draw(page)
    for place, name in enumerate(columns):
        short = name
        while font.getlength(short) > PANEL and len(short) > 1:
            short = short[:-2] + "…"
        pen.text((edge + place * step, len(columns) * step), short, fill=INK, font=font)
        upright = Image.new("RGB", (PANEL, edge - 4), "white")
        ImageDraw.Draw(upright).text((0, 0), short, fill=INK, font=font)
        page.paste(upright.rotate(90, expand=True), (0, place * step))
    return np.asarray(page)
