"""gantool project: the latent whose image is nearest to a given one.

Karras et al. (2020), arXiv:1912.04958, appendix D.
"""

import csv
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.nn.functional import avg_pool2d

from gantool.build import whole
from gantool.chosen import write
from gantool.data.colours import colour
from gantool.data.decode import Corrupt, decode, is_image
from gantool.data.module import to_range
from gantool.data.resize import Format
from gantool.data.source import natural
from gantool.data.threads import bar
from gantool.finished import CPU, Finished, drawn, finished, labels_for, tell
from gantool.images import picture_of, save, to_uint8
from gantool.prompts import is_told, wanted
from gantool.seeds import mix, reseed
from gantool.spaces import Space, space_of
from gantool.tasks.task import moved

DRAWS = 10_000  # latents that tell where the space lies
RATE = 0.1  # largest learning rate
WARM, COOL = 0.05, 0.25  # shares of the steps: the rate grows at first, falls at last
NOISE, NOISY = 0.05, 0.75  # of the spread of w at first; share of the steps until it is gone


def main(cfg: DictConfig) -> None:
    """Write projected.png (targets and results), latents.npz for other verbs, and loss.csv.

    Raises ValueError for files that are no images.
    """
    whole(cfg, "steps", least=1)
    files = files_of(cfg.image)
    run = finished(cfg)
    space = space_of(run, cfg.space, ("auto", "z", "w", "w_plus"))
    targets = torch.cat([image_of(file, run) for file in files])  # (N, C, H, W)
    label = wanted(cfg, run.config)
    if space.conditional and (label is None or OmegaConf.is_list(label)):
        key, what = ("prompt", "caption") if is_told(run.config) else ("label", "class")
        raise ValueError(f"{key}={label}: say of which one {what} the images are; this model has several.")
    labels = labels_for(label, range(len(files)), run.config)

    points, losses = project(run, space, targets, labels, cfg.steps, cfg.seed, cfg.batch_size)
    stem = files[0].stem if len(files) == 1 else f"{files[0].stem}-and-{len(files) - 1}-more"
    out = run.out(cfg.out, "projection", stem)
    images = torch.cat(list(space.images(points, labels, cfg.batch_size)))
    pairs = torch.stack([targets, images.to(targets.dtype)], 1).flatten(0, 1)
    save(picture_of(to_uint8(pairs), 2), out / "projected.png")
    write(out / "latents.npz", space, points, labels)
    with (out / "loss.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["step", *(str(one) for one in files)])
        for step, row in enumerate(losses.tolist()):
            table.writerow([step, *(f"{value:.6g}" for value in row)])
    for file, loss in zip(files, losses.T.tolist(), strict=True):
        tell(f"{file}: mean squared distance {loss[0]:.4g}, after {cfg.steps:,} steps {loss[-1]:.4g}")
    tell(f"Projected to {space.name} of {run.moment}: {out}")


def project(
    run: Finished, space: Space, targets: Tensor, labels: Tensor, steps: int, seed: int, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Points (N, ...) whose images are near to targets (N, C, H, W), and the losses (steps + 1, N).

    The labels (N,) are one class.

    Differs from the paper: the distance is that of `distance`, not LPIPS; noise maps stay as they are. In
    the space of latents, the search begins with the nearest of some random ones, and stays where these lie.
    """
    run.G.requires_grad_(False)
    seed = mix(seed, "project")  # not the latents of samples, one of which may be the target
    here = moved(drawn(run.gan.task, range(DRAWS), labels[:1].repeat_interleave(DRAWS, 0), seed), run.G)
    some = space.points(here["latent"], here["label"])
    draws = space.free(some)  # (DRAWS, ...)
    spread = (draws - draws.mean(0)).square().flatten(1).sum(1).mean().sqrt()
    kept = space.region(draws)

    given = moved({"target": targets, "label": labels}, run.G)
    target, label = given["target"], given["label"]
    points = nearest(space, space.candidates(draws), targets, labels, batch_size).requires_grad_()
    optimizer = torch.optim.Adam([points], lr=RATE)
    losses: list[Tensor] = []
    with torch.random.fork_rng(devices=[]), bar("Projecting", steps) as advance:
        reseed(CPU, seed, "noise")
        for step in range(steps):
            done = step / steps
            optimizer.param_groups[0]["lr"] = RATE * rate(done)
            noise = torch.randn(points.shape).to(points) * spread * noise_share(done)
            loss = distance(space.paint(points + noise, label), target)  # (N,)
            optimizer.zero_grad()
            loss.sum().backward()
            optimizer.step()
            with torch.no_grad():
                points.copy_(kept(points))
            losses.append(loss.detach())
            advance(1)
    with torch.no_grad():
        losses.append(distance(space.paint(points, label), target))
    shape = some.shape[1:]  # a search for one style moves all layers at once
    return points.detach().cpu().expand(-1, *shape), torch.stack(losses).cpu()


@torch.no_grad()
def nearest(space: Space, candidates: Tensor, targets: Tensor, labels: Tensor, batch_size: int) -> Tensor:
    """For each target (N, C, H, W) the candidate of (K, ...) whose image is nearest: (N, ...)."""
    images = torch.cat(
        list(space.images(candidates.cpu(), labels[:1].repeat_interleave(len(candidates), 0), batch_size))
    )
    places = [int(distance(images, target.expand_as(images)).argmin()) for target in targets]
    return candidates[places].clone()


def distance(images: Tensor, targets: Tensor) -> Tensor:
    """Mean squared difference of pixels, averaged over the images and their halvings down to one pixel: (N,).

    The small ones see where things are from afar, the large ones how they are.
    """
    levels: list[Tensor] = []
    difference = images - targets  # halving is linear
    while True:
        levels.append(difference.square().flatten(1).mean(1))
        if min(difference.shape[2:]) < 2:
            return torch.stack(levels).mean(0)
        difference = avg_pool2d(difference, 2)


def rate(done: float) -> float:
    """Of the learning rate, after this share of the steps: a line up from 0, and half a cosine down to it."""
    down = min(1.0, (1 - done) / COOL)
    return min(1.0, done / WARM) * (1 - cos(pi * down)) / 2


def noise_share(done: float) -> float:
    """Of the spread, after this share of the steps: what the noise on w is."""
    return NOISE * max(0.0, 1 - done / NOISY) ** 2


def files_of(value: Any) -> list[Path]:
    """An image file, a list of them, or those in a folder."""
    files: list[Path] = []
    for one in list(value) if OmegaConf.is_list(value) else [value]:
        path = Path(str(one)).expanduser()
        if not path.exists():
            raise ValueError(f"image={one} is not there; give an image file, a list of them, or a folder.")
        inside = [file for file in path.iterdir() if is_image(file.name)] if path.is_dir() else [path]
        files += sorted(inside, key=lambda file: natural(file.name))
    if not files:
        raise ValueError(f"image={value} holds no images (PNG, JPEG, WebP, TIFF, BMP, GIF).")
    return files


def image_of(file: Path, run: Finished) -> Tensor:
    """(1, C, H, W) in [-1, 1], as training would see it."""
    data = run.config.data
    try:
        pixels = decode(file.read_bytes())
    except (Corrupt, OSError) as error:
        raise ValueError(f"image={file} cannot be read ({error}); give a PNG, JPEG or WebP file.") from error
    channels, height, width = run.shape
    depth = 16 if pixels.dtype == np.uint16 else 8
    fit, background = data.get("fit", "crop"), colour(data.get("background", "white"))
    form = Format(channels, (height, width), depth, fit, background)
    return to_range(torch.from_numpy(form(pixels).copy()), torch.get_default_dtype())[None]
