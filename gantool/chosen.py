"""Which points of a space somebody means: so many, those of certain images, or those in a file."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from gantool.finished import Finished, drawn, labels_for
from gantool.images import to_uint8
from gantool.spaces import Space
from gantool.tasks.task import moved


@final
@dataclass(frozen=True)
class Chosen:
    """Points of (N, ...) and their labels (N,), on the CPU."""

    points: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.points)


def chosen(
    run: Finished, space: Space, key: str, value: Any, label: Any, seed: int, first: int = 0, least: int = 1
) -> Chosen:
    """Points in a space.

    Args:
        key: of the configuration, for messages.
        value: how many; or a list of the numbers of images, as `gantool sample` calls its files; or a file of
            latents that some verb has saved.
        label: see `labels_for`; None = for a file, the labels in it.
        seed: of the latents.
        first: number of the first image, where `value` says how many.
        least: so many points are needed.

    Raises ValueError for anything else.
    """
    if isinstance(value, str):
        found = saved(run, space, key, Path(value).expanduser(), label)
    else:
        numbers = numbers_of(key, value, first)
        found = of_images(run, space, numbers, labels_for(label, numbers, run.config), seed)
    if len(found) < least:
        raise ValueError(f"{key}={value}: {len(found)} is too few; give {least} or more.")
    return found


def numbers_of(key: str, value: Any, first: int) -> list[int]:
    listed = OmegaConf.is_list(value)
    numbers: list[Any] = list(value) if listed else [value]
    least = 0 if listed else 1
    if not numbers or not all(isinstance(n, int) and not isinstance(n, bool) and n >= least for n in numbers):
        raise ValueError(
            f"{key}={value}: say how many, or [3,17] for the images 3 and 17 that gantool sample makes with "
            "this seed, or name a file of saved latents."
        )
    return numbers if listed else list(range(first, first + numbers[0]))


@torch.no_grad()
def of_images(run: Finished, space: Space, numbers: list[int], labels: Tensor, seed: int) -> Chosen:
    batch = moved(drawn(run.gan.task, numbers, labels, seed), run.G)
    return Chosen(space.points(batch["latent"], batch["label"]).cpu(), labels)


# Files.


def write(path: Path, space: Space, points: Tensor, labels: Tensor) -> None:
    """Points as numpy reads them, under the name of their space; and labels where G takes some."""
    arrays = {space.name: points.detach().cpu().numpy()}
    if space.conditional:
        arrays["label"] = labels.cpu().numpy()
    np.savez(path, **arrays)  # pyright: ignore


@torch.no_grad()
def saved(run: Finished, space: Space, key: str, path: Path, label: Any) -> Chosen:
    """Points in a file: w as they are, z by way of the styles where w is asked for."""
    arrays = read(path, key)
    if "w" in arrays and space.name != "w":
        raise ValueError(f"{key}={path} holds w, styles of some other generator or for space=w.")
    name = "w" if "w" in arrays else "z"
    values = torch.from_numpy(arrays[name]).float()
    if label is None and space.conditional and "label" in arrays:
        labels = torch.from_numpy(arrays["label"])
        labels = labels.float() if labels.is_floating_point() else labels.long()
        classes = run.config.data.classes
        if labels.ndim == 1 and not bool(((labels >= 0) & (labels < classes)).all()):
            raise ValueError(
                f"{key}={path} holds classes beyond the {classes} of this model (0 to {classes - 1})."
            )
    else:
        labels = labels_for(label, range(len(values)), run.config)
    example = drawn(run.gan.task, [0], labels[:1], 0)["latent"]
    if name == "w":
        batch = moved({"latent": example, "label": labels[:1]}, run.G)
        example = space.points(batch["latent"], batch["label"])
    if values.shape[1:] != example.shape[1:] or len(labels) != len(values):
        raise ValueError(
            f"{key}={path} holds {name} of {list(values.shape[1:])}, but this generator takes "
            f"{list(example.shape[1:])}: it is of another run."
        )
    if name == "w":
        return Chosen(values, labels)
    batch = moved({"latent": values, "label": labels}, run.G)
    return Chosen(space.points(batch["latent"], batch["label"]).cpu(), labels)


def read(path: Path, key: str) -> dict[str, np.ndarray]:
    """The arrays of a file, which holds nothing but numbers."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except FileNotFoundError as error:
        raise ValueError(f"{key}={path} is not there; gantool project writes such files.") from error
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{key}={path} holds no latents; gantool project writes such files.") from error
    named = [name for name in ("w", "z") if name in arrays]
    if len(named) != 1 or not np.issubdtype(arrays[named[0]].dtype, np.floating) or not len(arrays[named[0]]):
        raise ValueError(f"{key}={path} holds no latents, called w or z; gantool project writes such files.")
    return arrays


def pictures(space: Space, points: Tensor, labels: Tensor, batch_size: int) -> np.ndarray:
    """(N, H, W, C), uint8."""
    return np.concatenate([to_uint8(batch) for batch in space.images(points, labels, batch_size)])
