"""gantool sample: images from a trained generator."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gantool import clouds
from gantool.chosen import chosen
from gantool.finished import Finished, finished, generate, labels_of, set_of, tell
from gantool.images import picture_of, save, to_uint8
from gantool.spaces import space_of


def main(cfg: DictConfig) -> None:
    """Write a grid and single images; of points, a cloud and a table.

    Raises ValueError for labels that the model does not know.
    """
    if not isinstance(cfg.count, int) or cfg.count < 1:
        raise ValueError(f"count={cfg.count}: give the number of images, 1 or more.")
    if not cfg.grid and not cfg.singles:
        raise ValueError("grid=false singles=false leaves nothing to write.")
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    if cfg.latents is not None:
        count, batches = of_latents(cfg, run)
        out = run.out(cfg.out, "samples", f"of-{Path(cfg.latents).stem}")
        write_images(cfg, batches, out)
    else:
        labels, count = labels_of(cfg.label, cfg.count, run.config), cfg.count
        out = run.out(cfg.out, "samples", f"seed{cfg.seed}")
        if clouds.is_point(run.shape):
            write_points(cfg, run, out)
        else:
            write_images(cfg, generate(run.gan, labels, cfg.seed, cfg.batch_size, False), out)
    tell(f"{count} images of {run.moment}: {out}")


def of_latents(cfg: DictConfig, run: Finished) -> tuple[int, Iterator[Tensor]]:
    """How many latents are saved in a file, and their images, batch by batch."""
    space = space_of(run, "auto")
    saved = chosen(run, space, "latents", cfg.latents, cfg.label, cfg.seed)
    return len(saved.labels), space.images(saved.points, saved.labels, cfg.batch_size)


def write_images(cfg: DictConfig, batches: Iterator[Tensor], out: Path) -> None:
    kept: list[np.ndarray] = []
    for number, batch in enumerate(batches):
        pictures = to_uint8(batch)  # (N, H, W, C)
        if cfg.singles:
            for i, picture in enumerate(pictures, start=number * cfg.batch_size):
                save(picture, out / f"{i:06d}.png")
        if cfg.grid:
            kept.append(pictures)
    if cfg.grid:
        save(picture_of(np.concatenate(kept), cfg.columns), out / "grid.png")


def write_points(cfg: DictConfig, run: Finished, out: Path) -> None:
    """cloud.png, of COUNT points where fewer are asked for, and points.csv in the data's own units."""
    labels = torch.zeros(max(cfg.count, clouds.COUNT), dtype=torch.long)
    fake = torch.cat(list(generate(run.gan, labels, cfg.seed, cfg.batch_size, False)))  # (N, 2, 1, 1)
    if cfg.singles:
        rows = (
            fake[: cfg.count].flatten(1).double() * OmegaConf.select(run.config, "data.scale", default=1)
        ).tolist()
        (out / "points.csv").write_text("\n".join(["x,y", *(f"{x:.6g},{y:.6g}" for x, y in rows), ""]))
    if cfg.grid:
        images = set_of(run.config, cfg.trust)
        real = images[range(min(len(fake), len(images)))]["image"]
        save(clouds.cloud(fake, real, clouds.landscape(run.gan)), out / "cloud.png")
