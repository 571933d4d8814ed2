"""Images of some classes of a labelled set, which count as normal; all others are abnormal.

One class as normal: Schlegl et al. (2017), arXiv:1703.05921; one as abnormal, the rest as normal: Akcay et
al. (2018), arXiv:1805.06725, section 4.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gantool import catalogue
from gantool.data.held_out import part
from gantool.data.image_set import Batch, ImageSet, InMemory
from gantool.mistakes import suggestion

Show = Literal["training", "held_out", "test"]
NAMES = ("normal", "abnormal")
USUAL = {"fit": "crop", "background": "white", "labels": "auto"}  # settings that say nothing to other sets
SHARE = 5  # of the normal images one in so many is held out, where a set has no other split


@final
class Chosen(ImageSet):
    """Some images of a set, with labels of their own.

    Args:
        images: the set.
        positions: (M,), of those.
        labels: (M,), or None.
        names: of the classes.
    """

    def __init__(self, images: ImageSet, positions: np.ndarray, labels: Tensor | None, names: Sequence[str]):
        self.images, self.positions = images, positions
        self.shape, self.streamed = images.shape, images.streamed
        self.labels, self.names = labels, tuple(names)

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        batch = {"image": self.images[self.positions[np.asarray(indices)].tolist()]["image"]}
        return batch if self.labels is None else batch | {"label": self.labels[torch.as_tensor(indices)]}


def one_class(
    of: str,
    settings: Mapping[str, Any] | None = None,
    normal: Any = None,
    abnormal: Any = None,
    hold_out: int | None = None,
    show: Show = "training",
) -> ImageSet:
    """The set that conf/data/one_class.yaml describes, where each argument is explained.

    Args:
        of: see there.
        settings: keys of that set; null = as its file says.
        normal: see there.
        abnormal: see there.
        hold_out: see there.
        show: `training` and `held_out` are normal images, `test` both kinds, labelled.

    Raises ValueError for a set without labels, and for classes that it has not.
    """
    described = described_by(of, settings or {})
    images: ImageSet = instantiate(described.data.set)
    kinds = kinds_of(images, of, normal, abnormal)  # (N,), 0 = normal
    if "split" in described.data and hold_out is None:
        if show == "training":
            return chosen(images, np.flatnonzero(kinds == 0))
        images = instantiate(described.data.set, split="test")
        kinds = kinds_of(images, of, normal, abnormal)
        return chosen(images, np.flatnonzero(kinds == 0)) if show == "held_out" else both(images, kinds)
    usual = np.flatnonzero(kinds == 0)
    count = max(1, len(usual) // SHARE) if hold_out is None else hold_out
    if show == "training":
        return chosen(images, usual[part(len(usual), count, False)])
    kept = usual[part(len(usual), count, True)]
    if show == "held_out":
        return chosen(images, kept)
    shown = np.sort(np.concatenate([kept, np.flatnonzero(kinds == 1)]))
    return both(images, kinds, shown)


def part_of(of: DictConfig, show: Show) -> ImageSet:
    """Another part of the set of this configuration, `data.set`."""
    return instantiate(of, show=show)


def described_by(of: str, settings: Mapping[str, Any]) -> DictConfig:
    """conf/data/`of`.yaml as `data`, with settings in it that are not null."""
    known = {name: path for name, path in catalogue.groups()["data"].items() if name != "one_class"}
    if of not in known:
        raise ValueError(f"data.of={of}: there is no such data set. {suggestion(str(of), list(known))}")
    described = OmegaConf.create({"data": OmegaConf.load(Path(known[of]))})
    assert isinstance(described, DictConfig)
    own = described.data.keys()  # those that have no value yet, too
    for key, value in settings.items():
        if key in own:
            if value is not None:
                described.data[key] = value
        elif value is not None and value != USUAL.get(key):
            takes = ", ".join(name for name in settings if name in own) or "none"
            raise ValueError(f"data.{key}={value}: data.of={of} has no {key}; of such keys it takes {takes}.")
    return described


def kinds_of(images: ImageSet, of: str, normal: Any, abnormal: Any) -> np.ndarray:
    """0 for each normal image and 1 for each abnormal one: (N,)."""
    if images.labels is None or images.entries != ("image",) or images.stretches is not None:
        cure = "choose data.of=mnist, fashion_mnist, cifar10, digits, or folder with a folder for each class"
        raise ValueError(f"data.of={of} holds no classes, or in shards that are read as a whole; {cure}.")
    if (normal is None) == (abnormal is None):
        raise ValueError(
            f"data.normal={normal} data.abnormal={abnormal}: give one of them, a class or a list: "
            f"{', '.join(images.names)}."
        )
    key, value = ("normal", normal) if abnormal is None else ("abnormal", abnormal)
    several = isinstance(value, Sequence) and not isinstance(value, str)
    named = {index_of(one, key, images.names) for one in (value if several else [value])}
    if not named or len(named) == images.classes:
        raise ValueError(f"data.{key}={value}: name some of the {images.classes} classes, and not all.")
    inside = np.isin(images.labels.numpy(), sorted(named))
    return np.where(inside, 0, 1) if key == "normal" else np.where(inside, 1, 0)


def index_of(one: Any, key: str, names: Sequence[str]) -> int:
    """Of a class that is named, or numbered."""
    if str(one) in names:
        return names.index(str(one))
    if isinstance(one, int) and not isinstance(one, bool) and 0 <= one < len(names):
        return one
    raise ValueError(f"data.{key}={one}: the classes are 0 to {len(names) - 1}: {', '.join(names)}.")


def chosen(images: ImageSet, positions: np.ndarray) -> ImageSet:
    """These, without labels."""
    if isinstance(images, InMemory):
        return InMemory(images.images[positions])
    return Chosen(images, positions, None, ())


def both(images: ImageSet, kinds: np.ndarray, positions: np.ndarray | None = None) -> ImageSet:
    """These, or all, labelled by their kinds (N,)."""
    positions = np.arange(len(kinds)) if positions is None else positions
    return Chosen(images, positions, torch.from_numpy(kinds[positions]).long(), NAMES)
