"""Images of latents by settings: those of `gantool sample`, moved along directions, with styles mixed in."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from gantool import __version__, clouds
from gantool.chosen import of_images, pictures, write
from gantool.directions import factorised, unit
from gantool.explorer.settings import Origin, Settings
from gantool.finished import Finished, drawn, evenly, labels_for, settle
from gantool.images import picture_of, save, to_uint8
from gantool.layers.styled import Styled
from gantool.library import truncated
from gantool.mix import mixed
from gantool.priors import Gaussian, Truncated
from gantool.spaces import Space, space_of
from gantool.standing import needs_standing_statistics
from gantool.tasks.generation import Generation
from gantool.tasks.task import moved

GAP = 2  # pixels between the images of a grid
SHOWN = 720  # pixels: as wide as a picture is on the page, or somewhat wider


@final
@dataclass(frozen=True)
class Range:
    """The truncations of a generator.

    Attributes:
        least: that makes sense.
        most: where there is none.
        start: what the file has.
    """

    least: float
    most: float
    start: float


@final
class Explorer:
    """A generator of latents, and what can be changed about its images.

    Args:
        run: whose generator it is; not truncated but by its own file.
        origin: how commands name it.
        batch_size: images of a pass.
        standing: see `settle`.
        directions: how many at most.

    Attributes:
        classes: their names; empty where G takes no label.
        truncation: None where G cannot be truncated.
        layers: of styles; 0 = there are none to mix.
        moves: (K, Z), one standard deviation along each direction, the one that changes most first; K = 0
            where G has no such directions.

    Raises ValueError for points of the plane.
    """

    def __init__(self, run: Finished, origin: Origin, batch_size: int, standing: bool | str, directions: int):
        if clouds.is_point(run.shape):
            raise ValueError(f"{run.path} makes points, not images: gantool sample shows them.")
        gan, config = run.gan, run.config
        self.standing = needs_standing_statistics(gan) if standing == "auto" else standing
        settle(gan, evenly(config), 0, standing)
        self.settled = 0, None  # seed and truncation of the standing statistics
        self.run, self.batch_size = run, batch_size
        self.origin = Origin(origin.run, origin.more, bool(self.standing))
        self.space = space_of(run, "auto") if isinstance(gan.task, Generation) else None
        self.layers = self.space.layers if self.space else 0
        self.classes = [str(name) for name in config.data.names] if config.task.get("conditional") else []
        self.truncation = range_of(run)
        self.moves = torch.zeros(0, 0)
        if self.space and directions:
            self.moves = moves_of(run, self.space, directions, batch_size)

    @torch.no_grad()
    def images(self, settings: Settings) -> np.ndarray:
        """(N, H, W, C), uint8, of `settings.numbers`."""
        labels = self.labels(settings)
        with truncated(self.run.gan, settings.truncation):
            self.prepare(settings)
            if self.space is not None:
                return pictures(self.space, self.points(settings), labels, self.batch_size)
            task, G = self.run.gan.task, self.run.G
            batch = drawn(task, settings.numbers, labels, settings.seed)
            parts: list[np.ndarray] = []
            for start in range(0, len(labels), self.batch_size):
                some = {name: value[start : start + self.batch_size] for name, value in batch.items()}
                parts.append(to_uint8(task.generate(G, moved(some, G))["fake"]))
            return np.concatenate(parts)

    def picture(self, settings: Settings) -> np.ndarray:
        """(H', W', C): the grid, or the image that is alone."""
        images = self.images(settings)
        return picture_of(images, gap=GAP) if settings.alone is None else images[0]

    def labels(self, settings: Settings) -> Tensor:
        """(N,), of `settings.numbers`."""
        return labels_for(settings.label, settings.numbers, self.run.config)

    def points(self, settings: Settings) -> Tensor:
        """Those of the images, (N, ...), on the CPU; under the truncation that there is."""
        assert self.space is not None
        labels = self.labels(settings)
        points = of_images(self.run, self.space, settings.numbers, labels, settings.seed).points
        if settings.second is not None and self.layers:
            others = of_images(self.run, self.space, settings.numbers, labels, settings.second).points
            first, last = settings.layers
            some = list(range(self.layers))[first : last + 1]
            pairs = zip(others.split(1), points.split(1), strict=True)
            points = torch.cat([mixed(left, right, some)[0] for left, right in pairs])
        if any(settings.strengths):
            strengths = torch.tensor(settings.strengths).to(self.moves)
            direction = strengths @ self.moves[: len(strengths)]  # (Z,)
            whole = torch.ones(1).to(points)
            points = torch.cat([self.space.near(point, direction, whole, None) for point in points])
        return points

    def prepare(self, settings: Settings) -> None:
        """Take the standing statistics as `gantool sample` would: of this seed and this truncation."""
        wanted = settings.seed, settings.truncation
        if self.standing and self.settled != wanted:
            settle(self.run.gan, evenly(self.run.config), settings.seed, True)
            self.settled = wanted

    def number_at(self, x: int, y: int, count: int) -> int | None:
        """Which image of a grid of so many is at a pixel of the `enlarged` grid; None where there is none."""
        _, height, width = self.run.shape
        across = picture_of(np.zeros((count, height, width, 1), np.uint8), gap=GAP).shape[1]
        x, y = x // factor_of(across), y // factor_of(across)
        columns = across // (width + GAP)
        column, row = (x - GAP) // (width + GAP), (y - GAP) // (height + GAP)
        number = row * columns + column
        return number if 0 <= column < columns and 0 <= number < count else None

    def save(self, settings: Settings, folder: Path) -> tuple[list[Path], str]:
        """Write NNN.png, NNN.json with the settings, and NNN.npz with the latents; and the command for it."""
        folder.mkdir(parents=True, exist_ok=True)
        taken = {path.stem for path in folder.iterdir()}
        stem = next(name for number in range(len(taken) + 1) if (name := f"{number:03d}") not in taken)
        picture, facts = folder / f"{stem}.png", folder / f"{stem}.json"
        save(self.picture(settings), picture)
        written = [picture, facts]
        if self.space is not None:
            latents = folder / f"{stem}.npz"
            with torch.no_grad(), truncated(self.run.gan, settings.truncation):
                write(latents, self.space, self.points(settings), self.labels(settings))
            written.append(latents)
        command = self.origin.sample(settings, folder / f"{stem}.npz")
        assert command is not None
        about = {
            "checkpoint": str(self.run.path),
            "images": self.run.gan.images,  # seen in training
            "settings": asdict(settings),
            "command": command,
            "gantool": __version__,
        }
        facts.write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return written, command


def enlarged(picture: np.ndarray) -> np.ndarray:
    """A small picture (H, W, C) with every pixel as a block, so that it is about as wide as the page."""
    factor = factor_of(picture.shape[1])
    return picture.repeat(factor, 0).repeat(factor, 1)


def factor_of(width: int) -> int:
    return -(-SHOWN // width)


def range_of(run: Finished) -> Range | None:
    """Of a styled generator psi, of others with Gaussian latents standard deviations."""
    if isinstance(run.G, Styled):
        return Range(0, max(1, run.G.psi), run.G.psi)
    prior = run.gan.task.prior if isinstance(run.gan.task, Generation) else None
    if isinstance(prior, Truncated):
        return Range(0.1, max(3, prior.threshold), prior.threshold)
    return Range(0.1, 3, 3) if isinstance(prior, Gaussian) else None


def moves_of(run: Finished, space: Space, count: int, batch_size: int) -> Tensor:
    """(K, Z); K = 0 where G has no directions, as one whose first layer is not linear."""
    example = of_images(run, space, [0], labels_for(None, [0], run.config), 0)
    try:
        matrix = space.matrix(None, example.points, example.labels, batch_size)
    except ValueError:
        return torch.zeros(0, 0)
    return factorised(matrix)[0][:count].to(example.points) * unit(run, space)
