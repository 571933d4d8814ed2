"""What is known of a data set before training on it: for `gantool data check`."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gantool.data import pairs, piles, sides, superres
from gantool.data.decode import MODES
from gantool.data.folder import format_of, only, survey
from gantool.data.image_set import ImageSet
from gantool.data.labels import Classes
from gantool.data.named_translation import place_of
from gantool.data.resize import Format, Size
from gantool.data.scan import look_at, modes, sizes
from gantool.data.shards import labelled, open_shards
from gantool.data.sides import Side


@final
@dataclass(frozen=True)
class Facts:
    """What is known of a set, or of one side of a set for translation.

    Args:
        bytes: of all images, as they are held or would be.
        alone: names of images without a partner on the other side.
        held_out: images that training never sees.
        hints: what only this kind of set can be told.
    """

    place: str
    images: int
    sizes: Counter[tuple[int, int]]  # (H, W)
    modes: Counter[str]
    classes: dict[str, int]  # in the order of their labels
    duplicates: list[list[str]]  # names of images of equal pixels
    corrupt: dict[str, str]  # name -> reason
    shape: tuple[int, int, int] | None  # (C, H, W) of the images in training; None where there are none
    depth: int  # bits
    bytes: int
    streamed: bool
    label: str = "data"
    alone: Sequence[str] = ()
    held_out: int = 0
    hints: tuple[str, ...] = ()


def facts_of(data: DictConfig) -> list[Facts]:
    """Of the set that a configuration chooses; of each side for translation."""
    kinds = {
        "gantool.data.folder.folder": facts_of_folder,
        "gantool.data.shards.shards": facts_of_shards,
        "gantool.data.pairs.pairs": facts_of_pairs,
        "gantool.data.piles.two_folders": facts_of_piles,
        "gantool.data.superres.superres": facts_of_superres,
        "gantool.data.named_translation.pix2pix": facts_of_pix2pix,
        "gantool.data.named_translation.cyclegan": facts_of_cyclegan,
    }
    wanted: Any = OmegaConf.to_container(data.set, resolve=True)
    return kinds.get(wanted["_target_"], facts_of_set)(wanted)


def facts_of_folder(wanted: Any) -> list[Facts]:
    """Of the files, without loading them as a set; corrupt ones are facts, not errors."""
    found = survey(wanted["path"], wanted["subset"], wanted["labels"], wanted["label_column"])
    images = found.images
    form = _form(images.facts, wanted)
    total = form.bytes * len(images.names) if form else 0
    in_memory = total < wanted["memory"] if wanted["in_memory"] == "auto" else wanted["in_memory"]
    facts = Facts(
        place=str(found.source.path / (wanted["subset"] or "")),
        images=len(images.names),
        sizes=sizes(images.facts),
        modes=modes(images.facts),
        classes=found.classes.counts() if found.classes else {},
        duplicates=repeated(images.facts["digest"], lambda number: images.names[number]),
        corrupt=images.corrupt,
        shape=form.shape if form else None,
        depth=form.depth if form else 8,
        bytes=total,
        streamed=not in_memory,
    )
    return [facts]


def facts_of_shards(wanted: Any) -> list[Facts]:
    """Of the images in shards, each decoded once; corrupt ones are facts, not errors."""
    files = open_shards(wanted["path"], wanted["shuffle_shards"], wanted["cache"], wanted["cache_bytes"])
    index = files.index
    seen = look_at(files, "Looking at shards")
    form, positions = _form(seen.facts, wanted), seen.readable.nonzero()[0]
    labels = (
        Classes(index.rows["label"][positions], list(index.names))
        if labelled(index, wanted["labels"])
        else None
    )
    facts = Facts(
        place=wanted["path"],
        images=len(seen.facts),
        sizes=sizes(seen.facts),
        modes=modes(seen.facts),
        classes=labels.counts() if labels else {},
        duplicates=repeated(seen.facts["digest"], lambda number: files.name(int(positions[number]))),
        corrupt={**index.corrupt(), **seen.corrupt},
        shape=form.shape if form else None,
        depth=form.depth if form else 8,
        bytes=form.bytes * len(seen.facts) if form else 0,
        streamed=True,
    )
    return [facts]


def _form(facts: np.ndarray, wanted: Any) -> Format | None:
    """What images of these facts become in training."""
    if not len(facts):
        return None
    choices = (wanted[key] for key in ("resolution", "channels", "fit", "background"))
    return format_of(modes(facts), only(sizes(facts)), *choices)


def facts_of_pairs(wanted: Any) -> list[Facts]:
    """Of sources and targets that have a partner; of pictures that show both, of their halves."""
    keys = ("path", "source", "target", "table", "layout", "direction")
    source, target = pairs.survey(*(wanted[key] for key in keys))
    size = sides.size_of(wanted["resolution"], target)
    if wanted["layout"] == "side_by_side":
        return facts_of_sides({"pairs": target}, size, wanted, factor=2)
    height, width = (source.facts[side].astype(np.int64) for side in ("height", "width"))
    crooked = height * target.facts["width"] != width * target.facts["height"]
    hint = f"{crooked.sum():,} sources have other proportions than their targets: they cannot be aligned."
    first, second = facts_of_sides({"source": source, "target": target}, size, wanted)
    return [first, replace(second, hints=(hint,) if crooked.any() else ())]


def facts_of_piles(wanted: Any) -> list[Facts]:
    a, b = piles.survey(wanted["path"], wanted["a"], wanted["b"])
    return facts_of_sides({"a": a, "b": b}, sides.size_of(wanted["resolution"], a, b), wanted)


def facts_of_pix2pix(wanted: Any) -> list[Facts]:
    place = place_of(wanted["name"], wanted["root"], "pix2pix", ".tar.gz", ["train"])
    return facts_of_pairs(
        {
            **dict.fromkeys(("source", "target", "table"), None),
            **{"layout": "side_by_side", "fit": "crop", "background": "white", "hold_out": 0},
            **wanted,
            "path": str(place / "train"),
        }
    )


def facts_of_cyclegan(wanted: Any) -> list[Facts]:
    place = place_of(wanted["name"], wanted["root"], "cyclegan", ".zip", ["trainA", "trainB"])
    folders = {"path": str(place), "a": "trainA", "b": "trainB"}
    return facts_of_piles({"fit": "crop", "background": "white", "hold_out": 0, **wanted, **folders})


def facts_of_superres(wanted: Any) -> list[Facts]:
    """Of the images that are large enough; their memory is that of the whole images, not of the crops."""
    found = superres.survey(wanted["path"], wanted["subset"])
    size = (0, 0)
    if len(found):
        found, size = superres.enough(found, wanted["scale"], wanted["resolution"])
    options = {**wanted, "jitter": 0, "fit": "crop", "source_channels": None}
    [facts] = facts_of_sides({"data": found}, size, options)
    taken = superres.weight(found.facts)
    streamed = taken >= wanted["memory"] if wanted["in_memory"] == "auto" else not wanted["in_memory"]
    return [replace(facts, bytes=taken, streamed=streamed)]


def facts_of_sides(found: dict[str, Side], size: Size, wanted: Any, factor: int = 1) -> list[Facts]:
    """Of each side by its label; corrupt images are facts, not errors.

    Args:
        size: of the images in training.
        wanted: the arguments of the set.
        factor: sets of this size that are held.
    """
    last = list(found)[-1]
    forms: dict[str, Format | None] = {}
    for label, side in found.items():
        channels = wanted["channels"] if label == last else wanted["source_channels"]
        choices = (channels, wanted["fit"], wanted["background"])
        larger = sides.enlarged(size, wanted["jitter"])
        forms[label] = side.form(larger, *choices) if len(side) else None
    taken = {label: form.bytes * len(found[label]) * factor if form else 0 for label, form in forms.items()}
    total = sum(taken.values())
    in_memory = total < wanted["memory"] if wanted["in_memory"] == "auto" else wanted["in_memory"]
    return [
        Facts(
            place=side.place,
            images=len(side),
            sizes=sizes(side.facts),
            modes=modes(side.facts),
            classes={},
            duplicates=repeated(side.facts["digest"], side.names.__getitem__),
            corrupt=side.corrupt,
            shape=(form.channels, *size) if form else None,
            depth=form.depth if form else 8,
            bytes=taken[label],
            streamed=not in_memory,
            label=label,
            alone=side.alone,
            held_out=wanted["hold_out"],
        )
        for (label, side), form in zip(found.items(), forms.values(), strict=True)
    ]


def facts_of_set(wanted: Any) -> list[Facts]:
    """Of any other set, as training gets it."""
    images: ImageSet = instantiate(wanted)
    return [facts_of_entry(images, entry, wanted["_target_"]) for entry in images.entries]


def facts_of_entry(images: ImageSet, entry: str, place: str) -> Facts:
    """Of the images that stand in a batch under this name."""
    first = images[[0]][entry]
    _, channels, height, width = first.shape
    digests = np.empty((len(images), 2), np.uint64)
    for index in range(len(images)):
        pixels = images[[index]][entry].numpy().tobytes()
        digests[index] = np.frombuffer(hashlib.blake2b(pixels, digest_size=16).digest(), np.uint64)
    depth = 8 * first.element_size()
    mode = next((name for name, facts in MODES.items() if facts == (channels, depth)), f"{channels} channels")
    labels = None if images.labels is None else Classes(images.labels.numpy(), list(images.names))
    return Facts(
        place=place,
        images=len(images),
        sizes=Counter({(height, width): len(images)}),
        modes=Counter({mode: len(images)}),
        classes=labels.counts() if labels else {},
        duplicates=repeated(digests, lambda number: f"image {number}"),
        corrupt={},
        shape=(channels, height, width),
        depth=depth,
        bytes=len(images) * channels * height * width * depth // 8,
        streamed=images.streamed,
        label="data" if entry == "image" else entry,
    )


def repeated(digests: np.ndarray, name: Callable[[int], str]) -> list[list[str]]:
    """Names of images with the same digest, group by group, in the order in which they first occur.

    Args:
        digests: (N, 2) uint64.
        name: of the image of this number.
    """
    order = np.lexsort((digests[:, 1], digests[:, 0]))  # stable: equal ones stay in their order
    alike = (digests[order][1:] == digests[order][:-1]).all(1)  # each with the one before
    groups: list[list[int]] = []
    for place in alike.nonzero()[0].tolist():
        first, second = order[place : place + 2].tolist()
        if groups and groups[-1][-1] == first:
            groups[-1].append(second)
        else:
            groups.append([first, second])
    return [[name(number) for number in group] for group in sorted(groups)]
