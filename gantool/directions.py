"""gantool directions: what the latent space is most sensitive to, read off the weights.

SeFa: Shen & Zhou (2021), arXiv:2007.06600.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool.build import whole
from gantool.chosen import chosen, of_images, pictures
from gantool.finished import Finished, finished, labels_of, tell
from gantool.images import picture_of, save
from gantool.prompts import wanted
from gantool.spaces import Space, layers_of, space_of

DRAWS = 1000  # latents that tell how far points are from each other


def main(cfg: DictConfig) -> None:
    """Write NN.png for each direction, a row of every image as it moves along, and directions.npz.

    Raises ValueError where a generator has no such directions.
    """
    whole(cfg, "count", least=1)
    whole(cfg, "steps", least=2)
    check_strength(cfg.strength)
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    space = space_of(run, "auto")
    images = chosen(run, space, "samples", cfg.samples, wanted(cfg, run.config), cfg.seed)
    layers = layers_of(cfg.layers, space.layers)
    directions, gains = factorised(space.matrix(layers, images.points, images.labels, cfg.batch_size))
    if cfg.count > len(directions):
        raise ValueError(f"count={cfg.count}: there are {len(directions)} directions; give as many or fewer.")
    out = run.out(cfg.out, "directions", f"seed{cfg.seed}")

    amounts = torch.linspace(-cfg.strength, cfg.strength, cfg.steps) * unit(run, space)
    for number, direction in enumerate(directions[: cfg.count].to(images.points)):
        rows = [space.near(point, direction, amounts.to(point), layers) for point in images.points]
        labels = images.labels.repeat_interleave(cfg.steps, 0)
        table = pictures(space, torch.cat(rows), labels, cfg.batch_size)
        save(picture_of(table, cfg.steps), out / f"{number:02d}.png")
    keep(out / "directions.npz", directions[: cfg.count], gains[: cfg.count], layers)
    tell(f"{cfg.count} directions in {space.name} of {run.moment}: {out}")


def factorised(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Of A (M, Z): the unit vectors n (Z, Z) that make |A n| largest, in this order, and these gains (Z,).

    They are the eigenvectors of A^T A, sorted by their eigenvalues; of n and -n the one whose largest
    coordinate is positive.

    Differs from the authors' code: the rows of A keep their lengths, as in the paper.
    """
    squares, vectors = torch.linalg.eigh(matrix.double().T @ matrix.double())  # ascending; columns
    directions = vectors.T.flip(0)
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return directions * largest.sign(), squares.flip(0).clamp(min=0).sqrt()


def unit(run: Finished, space: Space) -> float:
    """The standard deviation of a coordinate of random points; 1 of Gaussian latents.

    Differs from the authors' code, which moves w by absolute lengths: those of one generator do nothing to
    another, whose w are ten times as long.
    """
    labels = labels_of(None, DRAWS, run.config)
    points = space.free(of_images(run, space, list(range(DRAWS)), labels, seed=0).points)
    return float((points - points.mean(0)).square().mean().sqrt())


def check_strength(strength: Any) -> None:
    if not isinstance(strength, int | float) or isinstance(strength, bool) or not strength > 0:
        raise ValueError(f"strength={strength}: give how far to go along a direction, a number above 0.")


def keep(path: Path, directions: Tensor, gains: Tensor, layers: list[int] | None) -> None:
    """As numpy reads them; layers [] = all."""
    moved = np.array(layers or [], np.int64)
    np.savez(path, directions=directions.numpy(), gains=gains.numpy(), layers=moved)
