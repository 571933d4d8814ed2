"""gantool interpolate: a walk from image to image through latent space, as a picture and as an animation."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from gantool.build import whole
from gantool.chosen import Chosen, chosen, pictures
from gantool.finished import Finished, finished, tell
from gantool.images import MODES, picture_of, save
from gantool.layers.styled import Styled
from gantool.spaces import Space, evenly, space_of

VIDEOS = ("gif", "webp")


def main(cfg: DictConfig) -> None:
    """Write walk.png, a row for each pair of neighbours, and what else is wanted.

    Raises ValueError for points that no path joins.
    """
    whole(cfg, "steps", least=2)
    for key in ("frames", "fps"):
        whole(cfg, key, least=1)
    if cfg.video not in (None, *VIDEOS):
        raise ValueError(
            f"video={cfg.video}: choose {' or '.join(VIDEOS)}; for others, singles=true writes frames, and "
            f"ffmpeg -framerate {cfg.fps} -i %06d.png walk.mp4 joins them."
        )
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    space = space_of(run, cfg.space)
    points = chosen(run, space, "points", cfg.points, cfg.label, cfg.seed, least=2)
    points = of_one_class(cfg, run, space, points)
    out = run.out(cfg.out, "walk", f"seed{cfg.seed}")

    rows = path(space, points.points, evenly(cfg.steps))  # (P, steps, ...)
    save(picture_of(painted(space, rows, points, cfg.batch_size), cfg.steps), out / "walk.png")
    if cfg.video is not None or cfg.singles:
        shares = evenly(cfg.frames + 1)[:-1]  # with its end begins the next leg
        legs = path(space, torch.cat([points.points, points.points[:1]]), shares)
        frames = painted(space, legs, points, cfg.batch_size)
        if cfg.video is not None:
            animate(frames, out / f"walk.{cfg.video}", cfg.fps)
        if cfg.singles:
            for i, frame in enumerate(frames):
                save(frame, out / f"{i:06d}.png")
    tell(f"A walk through {len(points)} points in {space.name} of {run.moment}: {out}")


def of_one_class(cfg: DictConfig, run: Finished, space: Space, points: Chosen) -> Chosen:
    """The points as one class, unless styles know theirs: between two labels there is none.

    Raises ValueError where several are asked for.
    """
    if space.name == "w" or not space.conditional or bool((points.labels == points.labels[0]).all()):
        return points
    if cfg.label is not None:
        cure = "use space=w" if isinstance(run.G, Styled) else "give one"
        raise ValueError(f"label={cfg.label}: in space z a walk cannot go from class to class; {cure}.")
    return Chosen(points.points, points.labels[:1].expand(len(points)))


def path(space: Space, points: Tensor, shares: Tensor) -> Tensor:
    """From each point (N, ...) to the next at these shares (T,) of the way: (N - 1, T, ...)."""
    return torch.stack([space.between(start, end, shares) for start, end in pairwise(points)])


def painted(space: Space, path: Tensor, points: Chosen, batch_size: int) -> np.ndarray:
    """Images (P T, H, W, C) of a path (P, T, ...)."""
    flat = path.flatten(0, 1)
    return pictures(space, flat, points.labels[:1].expand(len(flat)), batch_size)


def animate(frames: np.ndarray, path: Path, fps: int) -> None:
    """Images of (N, H, W, C) as an animation without an end."""
    mode = MODES[frames.shape[3]]
    images = [Image.fromarray(frame[:, :, 0] if mode == "L" else frame, mode) for frame in frames]
    if mode == "LA":
        images = [image.convert("RGBA") for image in images]
    first, *others = images
    first.save(
        path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, lossless=True
    )  # a GIF is lossless anyhow
