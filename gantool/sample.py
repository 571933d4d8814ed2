"""gantool sample: images from a trained generator."""

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from gantool import clouds, points, prompts
from gantool.build import whole
from gantool.captions_below import captioned
from gantool.chosen import chosen
from gantool.data.threads import bar
from gantool.finished import Finished, finished, generate, labels_of, tell
from gantool.images import MODES, picture_of, save, to_uint8
from gantool.outlets import Labels, Outlet, outlet
from gantool.spaces import space_of

LATENTS = "latents"  # .npz, as verbs write them
LONGEST = 40  # letters of a name
MOST = 256  # images on a grid: 16 by 16 of 1024 pixels are 800 MB in memory


def main(cfg: DictConfig) -> None:
    """Write a grid and single images; of points and rows, a cloud and a table.

    Raises ValueError for labels that the model does not know, and for an archive that exists.
    """
    if not isinstance(cfg.count, int) or isinstance(cfg.count, bool) or cfg.count < 1:
        raise ValueError(f"count={cfg.count}: give the number of images, 1 or more.")
    if cfg.columns is not None:
        whole(cfg, "columns", least=1)
    if cfg.latents is not None and not isinstance(cfg.latents, str):
        raise ValueError(f"latents={cfg.latents}: name a file of latents.")
    if not cfg.grid and not cfg.singles:
        raise ValueError("grid=false singles=false leaves nothing to write.")
    whole(cfg, "shard", least=1)
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    asked = prompts.wanted(cfg, run.config)
    if clouds.is_point(run.shape) and cfg.latents is None:
        labels_of(asked, cfg.count, run.config)
        tell(points.write(cfg, run))
        return
    labels, batches = of_latents(cfg, run, asked) if cfg.latents is not None else of_seed(cfg, run, asked)
    place = place_of(cfg, run, labels)
    below = captions_of(cfg, run, asked, labels)
    with shown(batches, len(labels)) as images:
        write_images(cfg, images, place, below)
    if cfg.out is None and not cfg.dataset:
        forget(place, len(labels))
    some = f", the first {MOST} in {place.grid().name}" if cfg.grid and len(labels) > MOST else ""
    count = len(labels) if cfg.singles else min(MOST, len(labels))
    tell(f"{count} images{some} of {run.moment}: {place.path}{place.use()}")


def of_seed(cfg: DictConfig, run: Finished, label: Any) -> tuple[Tensor, Iterator[Tensor]]:
    """Labels (count,) and images, batch by batch."""
    labels = labels_of(balanced(label, cfg.count, run.config), cfg.count, run.config)
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


def of_latents(cfg: DictConfig, run: Finished, label: Any) -> tuple[Tensor, Iterator[Tensor]]:
    """Labels (count,) of the latents that are saved in a file, and their images, batch by batch."""
    space = space_of(run, "auto")
    saved = chosen(run, space, "latents", cfg.latents, label, cfg.seed)
    return saved.labels, space.images(saved.points, saved.labels, cfg.batch_size)


def captions_of(cfg: DictConfig, run: Finished, asked: Any, labels: Tensor) -> list[str] | None:
    """What is written below the images; None = nothing."""
    if not prompts.is_told(run.config):
        return None
    if cfg.latents is not None and asked is None:
        return prompts.said(labels, run.config)
    return prompts.texts(asked, range(len(labels)), run.config)


# Where it is written.


def place_of(cfg: DictConfig, run: Finished, labels: Tensor) -> Outlet:
    known = Labels(labels, list(run.config.data.names)) if run.config.task.get("conditional") else None
    name = "set" if cfg.dataset else "samples"
    ending = f"seed{cfg.seed}" if cfg.latents is None else f"of-{named(Path(cfg.latents))}"
    ending += "".join(f"-{slug(cfg[key])}" for key in ("label", "prompt", "prompts") if cfg[key] is not None)
    place = outlet(run.place(cfg.out, name, ending), cfg.dataset, known, len(labels), cfg.shard)
    if not cfg.singles and place.use():
        raise ValueError(f"singles=false leaves nothing to write into {place.path}; leave it out.")
    place.check()
    return place


def named(file: Path) -> str:
    """Of a file of latents: of those of a projection, the name of their folder tells more."""
    return file.absolute().parent.name if file.stem == LATENTS else file.stem


def slug(asked: Any) -> str:
    """What is asked for, as part of the name of a folder."""
    return "-".join(re.findall(r"\w+", str(asked)))[:LONGEST]


def forget(place: Outlet, count: int) -> None:
    """Delete single images of an earlier, larger sample in the same folder."""
    for file in place.path.glob("*.png"):
        if file.stem.isdecimal() and int(file.stem) >= count:
            file.unlink()


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


def write_images(
    cfg: DictConfig, batches: Iterator[np.ndarray], place: Outlet, below: list[str] | None
) -> None:
    """Single images as they are made, and at the end a grid of the first `MOST`, captioned or not."""
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
        grid = np.stack(kept)  # (N, H, W, C)
        save(picture_of(grid if below is None else captioned(grid, below), cfg.columns), place.grid())


def png(picture: np.ndarray) -> bytes:
    """A picture (H, W, C) as `save` writes it."""
    pixels = picture[:, :, 0] if picture.shape[2] == 1 else picture
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels), MODES[picture.shape[2]]).save(file, "PNG")
    return file.getvalue()
