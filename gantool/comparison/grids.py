"""grids.png: what each run makes of the same latents, side by side."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from PIL import Image, ImageDraw, ImageFont

from gantool import clouds
from gantool.comparison.settings import Setting
from gantool.comparison.trace import Trace
from gantool.finished import finished, generate, labels_of
from gantool.images import picture_of, to_uint8
from gantool.timelapse import moments

LEAST = 64  # pixels of an image: smaller ones are enlarged
MOST = 512  # of a picture that a run has left: larger ones are reduced
GAP = 12
TITLE = 14  # height of letters
PAPER, INK = (255, 255, 255), (40, 40, 40)


class Grid(NamedTuple):
    """The picture of a run, and what it shows."""

    picture: Image.Image
    title: str


def draw(cfg: DictConfig, settings: list[Setting], file: Path) -> list[str]:
    """A row for each setting, a column for each of its runs; answers what could not be shown, and why.

    Where nothing can be shown, there is no file.
    """
    rows: list[list[Grid]] = []
    complaints: list[str] = []
    for setting in settings:
        grids: list[Grid] = []
        for trace in setting.traces:
            grid, complaint = grid_of(cfg, trace, setting.letter)
            grids += [] if grid is None else [grid]
            complaints += [] if complaint is None else [f"{setting.letter}, {trace.folder}: {complaint}"]
        rows += [grids] if grids else []
    file.unlink(missing_ok=True)  # of an earlier comparison
    if rows:
        sheet(rows).save(file)
    return complaints


def grid_of(cfg: DictConfig, trace: Trace, letter: str) -> tuple[Grid | None, str | None]:
    """What a run makes of the latents of `seed`, or else its own last picture and the reason.

    Of several kinds of pictures, such as both directions of a translation, it is the first.
    """
    try:
        picture, images = drawn(cfg, trace)
        return Grid(picture, f"{letter}, seed {trace.seed}, {images:,} images"), None
    except (ValueError, RuntimeError, OSError, KeyError, HydraException) as error:
        reason = " ".join(str(error).split())
    kinds = list(moments(trace.folder / "samples").values())
    if not kinds:
        return None, f"no picture. {reason}"
    seen, last = kinds[0][-1]
    with Image.open(last) as opened:
        picture = flattened(opened)
    picture.thumbnail((MOST, MOST))
    title = f"{letter}, seed {trace.seed}, {seen:,} images (its own)"
    return Grid(picture, title), f"shown by its own last picture, {last}. {reason}"


@torch.no_grad()
def drawn(cfg: DictConfig, trace: Trace) -> tuple[Image.Image, int]:
    """The images that `gantool sample` makes, and how many the run had seen.

    Raises ValueError for a run that makes other than images of latents.
    """
    if not trace.checkpoint.is_file():
        raise ValueError(f"There is no {trace.checkpoint}.")
    run = finished(OmegaConf.merge(cfg, {"run": str(trace.checkpoint)}))  # pyright: ignore
    if clouds.is_point(run.shape):
        raise ValueError("It makes points.")
    labels = labels_of(None, cfg.count, run.config)
    images = torch.cat(list(generate(run.gan, labels, cfg.seed, cfg.batch_size, False)))  # (N, C, H, W)
    pixels = enlarged(to_uint8(images))
    grid = picture_of(pixels)
    return flattened(Image.fromarray(grid[:, :, 0] if grid.shape[2] == 1 else grid)), run.gan.images


def enlarged(pixels: np.ndarray) -> np.ndarray:
    """(N, H, W, C), every pixel a block."""
    times = max(1, -(-LEAST // pixels.shape[1]))
    return pixels.repeat(times, 1).repeat(times, 2)


def flattened(picture: Image.Image) -> Image.Image:
    """Without transparency, on paper."""
    whole = picture.convert("RGBA")
    paper = Image.new("RGBA", whole.size, (*PAPER, 255))
    return Image.alpha_composite(paper, whole).convert("RGB")


def sheet(rows: list[list[Grid]]) -> Image.Image:
    """Grids with their titles above them, each row as high as its highest."""
    font = ImageFont.load_default(TITLE)
    head = TITLE + GAP // 2
    wide = max(
        max(it.picture.width, round(font.getlength(it.title))) for row in rows for it in row
    )  # of a column
    heights = [head + max(it.picture.height for it in row) + GAP for row in rows]
    across = max(len(row) for row in rows)
    made = Image.new("RGB", (GAP + across * (wide + GAP), GAP + sum(heights)), PAPER)
    pen = ImageDraw.Draw(made)
    for place, row in enumerate(rows):
        top = GAP + sum(heights[:place])
        for column, it in enumerate(row):
            left = GAP + column * (wide + GAP)
            pen.text((left, top), it.title, fill=INK, font=font)
            made.paste(it.picture, (left, top + head))
    return made
