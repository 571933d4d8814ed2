"""gantool interpolate: a walk from image to image through latent space, as a picture and as an animation."""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gantool import between_classes
from gantool.animation import animate, check, check_pace
from gantool.build import whole
from gantool.chosen import Chosen, chosen, pictures
from gantool.finished import finished, tell
from gantool.images import picture_of, save, to_uint8
from gantool.prompts import wanted
from gantool.spaces import Space, evenly, space_of


def main(cfg: DictConfig) -> None:
    """Write walk.png, a row for each pair of neighbours, and what else is wanted.

    Raises ValueError for points that no path joins.
    """
    whole(cfg, "steps", least=2)
    for key in ("frames", "fps"):
        whole(cfg, key, least=1)
    if cfg.video is not None:
        check(cfg.video)
        check_pace(cfg.video, cfg.fps)
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    space = space_of(run, cfg.space)
    label = wanted(cfg, run.config)
    points = chosen(run, space, "points", each(cfg.points, label), label, cfg.seed, least=2)
    if label is None and space.name != "w":
        points = Chosen(points.points, points.labels[:1].expand_as(points.labels))
    out = run.out(cfg.out, "walk", f"seed{cfg.seed}")

    save(picture_of(walk(space, points, evenly(cfg.steps), cfg.batch_size), cfg.steps), out / "walk.png")
    if cfg.video is not None or cfg.singles:
        shares = evenly(cfg.frames + 1)[:-1]  # with its end begins the next leg
        closed = (torch.cat([values, values[:1]]) for values in (points.points, points.labels))
        frames = walk(space, Chosen(*closed), shares, cfg.batch_size)
        if cfg.video is not None:
            animate(frames, out / f"walk.{cfg.video}", cfg.fps)
        if cfg.singles:
            for i, frame in enumerate(frames):
                save(frame, out / f"{i:06d}.png")
    tell(f"A walk through {len(points)} points in {space.name} of {run.moment}: {out}")


def each(points: Any, label: Any) -> Any:
    """The one image that is asked for in several classes, for each of them; other points as they are."""
    if OmegaConf.is_list(points) and OmegaConf.is_list(label) and len(points) == 1:
        return OmegaConf.create(list(points) * len(label))
    return points


def walk(space: Space, points: Chosen, shares: Tensor, batch_size: int) -> np.ndarray:
    """Images (P T, H, W, C) at shares (T,) of the way from each point to the next: P legs.

    Where points do not know their class, it goes from one to the other at the same pace.
    """
    legs = path(space, points.points, shares)  # (P, T, ...)
    flat, each = legs.flatten(0, 1), legs.shape[1]
    start, end = (labels.repeat_interleave(each, 0) for labels in (points.labels[:-1], points.labels[1:]))
    if space.name == "w" or not space.conditional or torch.equal(start, end):
        return pictures(space, flat, start, batch_size)
    along = shares.repeat(len(legs))
    made = between_classes.images(space, flat, start, end, along, batch_size)
    return np.concatenate([to_uint8(batch) for batch in made])


def path(space: Space, points: Tensor, shares: Tensor) -> Tensor:
    """From each point (N, ...) to the next at these shares (T,) of the way: (N - 1, T, ...)."""
    return torch.stack([space.between(start, end, shares) for start, end in pairwise(points)])
