"""gantool mix: the coarse styles of one image in another. Karras et al. (2019), arXiv:1812.04948, fig. 3."""

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.chosen import chosen, pictures
from gantool.finished import finished, tell
from gantool.images import picture_of, save
from gantool.prompts import wanted
from gantool.spaces import layers_of, space_of
from gantool.summary import kinds


def main(cfg: DictConfig) -> None:
    """Write mix.png: sources at the left and at the top, and a mixed image for each pair of them.

    Raises ValueError for a generator without styles.
    """
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    space = space_of(run, "auto")
    if not space.layers:
        raise ValueError(f"run={cfg.run}: {kinds(run.G)} has no styles to mix; StyleGAN's generators have.")
    layers = layers_of(cfg.layers, space.layers)
    label = wanted(cfg, run.config)
    rows = chosen(run, space, "rows", cfg.rows, label, cfg.seed)
    after = len(rows) if isinstance(cfg.rows, int) else 0
    columns = chosen(run, space, "columns", cfg.columns, label, cfg.seed, first=after)
    out = run.out(cfg.out, "mix", f"seed{cfg.seed}")

    cells = mixed(rows.points, columns.points, layers).flatten(0, 1)
    points = torch.cat([rows.points, columns.points, cells])
    no_labels = torch.zeros(len(points), dtype=torch.long)  # styles know their labels
    images = pictures(space, points, no_labels, cfg.batch_size)  # (R + C + R C, H, W, 3)
    left, top, inside = np.split(images, [len(rows), len(rows) + len(columns)])
    table = [np.zeros_like(images[:1]), top]
    for row, source in enumerate(left):
        table += [source[None], inside[row * len(columns) : (row + 1) * len(columns)]]
    save(picture_of(np.concatenate(table), len(columns) + 1), out / "mix.png")
    tell(f"{len(rows)} x {len(columns)} mixed images of {run.moment}: {out / 'mix.png'}")


def mixed(rows: Tensor, columns: Tensor, layers: list[int] | None) -> Tensor:
    """Styles (R, C, L, W): at `layers` (None = all) the rows' (R, L, W), elsewhere the columns' (C, L, W)."""
    table = columns[None].repeat(len(rows), 1, 1, 1)
    places = slice(None) if layers is None else layers
    table[:, :, places] = rows[:, None, places]
    return table
