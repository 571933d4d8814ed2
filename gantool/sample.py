"""gantool sample: images from a trained generator."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch import Tensor

from gantool import clouds
from gantool.build import whole
from gantool.chosen import chosen
from gantool.data.threads import bar
from gantool.finished import Finished, finished, generate, labels_of, set_of, tell
from gantool.images import MODES, picture_of, save, to_uint8
from gantool.outlets import Labels, Outlet, outlet
from gantool.spaces import space_of

MOST = 256  # images on a grid: 16 by 16 of 1024 pixels are 800 MB in memory


def main(cfg: DictConfig) -> None:
    """Write a grid and single images; of points, a cloud and a table.

    Raises ValueError for labels that the model does not know, and for an archive that exists.
    """
    if not isinstance(cfg.count, int) or cfg.count < 1:
        raise ValueError(f"count={cfg.count}: give the number of images, 1 or more.")
    if not cfg.grid and not cfg.singles:
        raise ValueError("grid=false singles=false leaves nothing to write.")
    whole(cfg, "shard", least=1)
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    if clouds.is_point(run.shape) and cfg.latents is None:
        labels_of(cfg.label, cfg.count, run.config)
        write_points(cfg, run, out := folder(cfg, run))
        tell(f"{cfg.count} points of {run.moment}: {out}")
        return
    labels, batches = of_latents(cfg, run) if cfg.latents is not None else of_seed(cfg, run)
    place = place_of(cfg, run, labels)
    with shown(batches, len(labels)) as images:
        write_images(cfg, images, place)
    some = f", the first {MOST} in {place.grid().name}" if cfg.grid and len(labels) > MOST else ""
    tell(f"{len(labels)} images{some} of {run.moment}: {place.path}{place.use()}")


def of_seed(cfg: DictConfig, run: Finished) -> tuple[Tensor, Iterator[Tensor]]:
    """Labels (count,) and images, batch by batch."""
    labels = labels_of(balanced(cfg.label, cfg.count, run.config), cfg.count, run.config)
    return labels, generate(run.gan, labels, cfg.seed, cfg.batch_size, False)


def balanced(label: Any, count: int, config: DictConfig) -> Any:
    """`balanced` as what `labels_for` calls it: every class in turn.

    Raises ValueError where some class would have one image more than others.
    """
    if label != "balanced" or not config.task.get("conditional") or label in config.data.names:
        return label
    classes = config.data.classes
    if count % classes:
        less = [count - count % classes] if count > classes else []
        choices = " or ".join(f"count={choice}" for choice in [*less, count + -count % classes])
        raise ValueError(
            f"label=balanced count={count}: {classes} classes cannot have equally many images; "
            f"use {choices}, or label=null."
        )
    return None


def of_latents(cfg: DictConfig, run: Finished) -> tuple[Tensor, Iterator[Tensor]]:
    """Labels (count,) of the latents that are saved in a file, and their images, batch by batch."""
    space = space_of(run, "auto")
    saved = chosen(run, space, "latents", cfg.latents, cfg.label, cfg.seed)
    return saved.labels, space.images(saved.points, saved.labels, cfg.batch_size)


# Where it is written.


def place_of(cfg: DictConfig, run: Finished, labels: Tensor) -> Outlet:
    known = Labels(labels, list(run.config.data.names)) if run.config.task.get("conditional") else None
    name = "set" if cfg.dataset else "samples"
    ending = f"seed{cfg.seed}" if cfg.latents is None else f"of-{Path(cfg.latents).stem}"
    place = outlet(run.place(cfg.out, name, ending), cfg.dataset, known, len(labels), cfg.shard)
    if not cfg.singles and place.use():
        raise ValueError(f"singles=false leaves nothing to write into {place.path}; leave it out.")
    place.check()
    return place


def folder(cfg: DictConfig, run: Finished) -> Path:
    """That for points. Raises ValueError for archives: their table is one file."""
    if cfg.dataset or Path(str(cfg.out)).suffix in (".zip", ".tar"):
        raise ValueError(f"out={cfg.out}: points are no data set of images; name a folder for points.csv.")
    return run.out(cfg.out, "samples", f"seed{cfg.seed}")


# What is written.


@contextmanager
def shown(batches: Iterator[Tensor], count: int) -> Iterator[Iterator[np.ndarray]]:
    """Pictures (N, H, W, C), batch by batch, with a bar that counts them."""
    with bar("Sampling", count) as advance:

        def pictures() -> Iterator[np.ndarray]:
            for batch in batches:
                yield to_uint8(batch)
                advance(len(batch))

        yield pictures()


def write_images(cfg: DictConfig, batches: Iterator[np.ndarray], place: Outlet) -> None:
    """Single images as they are made, and in the end a grid of the first `MOST`."""
    kept: list[np.ndarray] = []
    if cfg.singles:
        with place.writing() as add, ThreadPoolExecutor() as threads:
            done = 0
            for pictures in batches:
                kept.extend(pictures[: (MOST - len(kept)) * cfg.grid])
                for number, content in enumerate(threads.map(png, pictures), start=done):
                    add(number, content)
                done += len(pictures)
    else:
        place.path.mkdir(parents=True, exist_ok=True)
        every = (picture for pictures in batches for picture in pictures)
        kept.extend(islice(every, MOST))
    if cfg.grid:
        save(picture_of(np.stack(kept), cfg.columns), place.grid())


def png(picture: np.ndarray) -> bytes:
    """A picture (H, W, C) as `save` writes it."""
    pixels = picture[:, :, 0] if picture.shape[2] == 1 else picture
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels), MODES[picture.shape[2]]).save(file, "PNG")
    return file.getvalue()


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
