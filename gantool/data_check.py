"""`gantool data check`: what is in a data set, before training on it."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, final

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gantool.data.decode import MODES
from gantool.data.folder import format_of, only, survey
from gantool.data.image_set import ImageSet
from gantool.data.labels import Classes
from gantool.data.resize import Format
from gantool.data.scan import look_at, modes, sizes
from gantool.data.shards import labelled, open_shards

WIDTH = 80  # of the table, in letters
FOLDER = "gantool.data.folder.folder"
SHARDS = "gantool.data.shards.shards"
ROWS = 12  # of each table; the rest is summed up
FEW = 10_000  # images, below which a discriminator soon knows them by heart
NAMED = 4  # groups of duplicates
UNEVEN = 3  # the largest class, in sizes of the smallest
MODE_NAMES = {
    "L": "L: grey, 8 bits",
    "LA": "LA: grey and alpha, 8 bits",
    "RGB": "RGB: colour, 8 bits",
    "RGBA": "RGBA: colour and alpha, 8 bits",
    "I;16": "I;16: grey, 16 bits",
}


@final
@dataclass(frozen=True)
class Facts:
    """What is known of a set."""

    place: str
    images: int
    sizes: Counter[tuple[int, int]]  # (H, W)
    modes: Counter[str]
    classes: dict[str, int]  # in the order of their labels
    duplicates: list[list[str]]  # names of images of equal pixels
    corrupt: dict[str, str]  # name -> reason
    shape: tuple[int, int, int] | None  # (C, H, W) of the images in training; None where there are none
    depth: int  # bits
    streamed: bool

    @property
    def bytes(self) -> int:
        return self.images * prod(self.shape or (0,)) * self.depth // 8


def main(cfg: DictConfig) -> None:
    """Print the facts; exit status 1 tells of corrupt files."""
    kinds = {FOLDER: facts_of_folder, SHARDS: facts_of_shards}
    facts = kinds.get(cfg.data.set["_target_"], facts_of_set)(cfg.data)
    report(facts, mirror=cfg.data.mirror)
    if facts.corrupt:
        raise SystemExit(1)


def facts_of_folder(data: DictConfig) -> Facts:
    """Of the files, without loading them as a set; corrupt ones are facts, not errors."""
    wanted: Any = OmegaConf.to_container(data.set, resolve=True)
    found = survey(wanted["path"], wanted["subset"], wanted["labels"], wanted["label_column"])
    images = found.images
    form = _form(images.facts, wanted)
    total = form.bytes * len(images.names) if form else 0
    in_memory = total < wanted["memory"] if wanted["in_memory"] == "auto" else wanted["in_memory"]
    return Facts(
        place=str(found.source.path / (wanted["subset"] or "")),
        images=len(images.names),
        sizes=sizes(images.facts),
        modes=modes(images.facts),
        classes=found.classes.counts() if found.classes else {},
        duplicates=repeated(images.facts["digest"], lambda number: images.names[number]),
        corrupt=images.corrupt,
        shape=form.shape if form else None,
        depth=form.depth if form else 8,
        streamed=not in_memory,
    )


def facts_of_shards(data: DictConfig) -> Facts:
    """Of the images in shards, each decoded once; corrupt ones are facts, not errors."""
    wanted: Any = OmegaConf.to_container(data.set, resolve=True)
    files = open_shards(wanted["path"], wanted["shuffle_shards"], wanted["cache"], wanted["cache_bytes"])
    index = files.index
    seen = look_at(files, "Looking at shards")
    form, positions = _form(seen.facts, wanted), seen.readable.nonzero()[0]
    labels = (
        Classes(index.rows["label"][positions], list(index.names))
        if labelled(index, wanted["labels"])
        else None
    )
    return Facts(
        place=wanted["path"],
        images=len(seen.facts),
        sizes=sizes(seen.facts),
        modes=modes(seen.facts),
        classes=labels.counts() if labels else {},
        duplicates=repeated(seen.facts["digest"], lambda number: files.name(int(positions[number]))),
        corrupt={**index.corrupt(), **seen.corrupt},
        shape=form.shape if form else None,
        depth=form.depth if form else 8,
        streamed=True,
    )


def _form(facts: np.ndarray, wanted: Any) -> Format | None:
    """What images of these facts become in training."""
    if not len(facts):
        return None
    choices = (wanted[key] for key in ("resolution", "channels", "fit", "background"))
    return format_of(modes(facts), only(sizes(facts)), *choices)


def facts_of_set(data: DictConfig) -> Facts:
    """Of any other set, as training gets it."""
    images: ImageSet = instantiate(data.set)
    channels, height, width = images.shape
    digests = np.empty((len(images), 2), np.uint64)
    for index in range(len(images)):
        pixels = images[[index]]["image"].numpy().tobytes()
        digests[index] = np.frombuffer(hashlib.blake2b(pixels, digest_size=16).digest(), np.uint64)
    depth = 8 * images[[0]]["image"].element_size()
    mode = next((name for name, facts in MODES.items() if facts == (channels, depth)), f"{channels} channels")
    labels = None if images.labels is None else Classes(images.labels.numpy(), list(images.names))
    return Facts(
        place=data.set["_target_"],
        images=len(images),
        sizes=Counter({(height, width): len(images)}),
        modes=Counter({mode: len(images)}),
        classes=labels.counts() if labels else {},
        duplicates=repeated(digests, lambda number: f"image {number}"),
        corrupt={},
        shape=images.shape,
        depth=depth,
        streamed=images.streamed,
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


def report(facts: Facts, mirror: bool) -> None:
    console = Console()
    table = Table(box=box.ROUNDED, show_header=False, width=min(WIDTH, console.width))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    table.add_row("data", Text(facts.place))
    table.add_row("images", f"{facts.images:,}")
    if facts.shape:
        channels, height, width = facts.shape
        held = "streamed from files" if facts.streamed else "held in memory"
        shape = f"{width} x {height}, {channels} channel{'s' * (channels > 1)} of {facts.depth} bits"
        table.add_row("training", f"{shape}; {megabytes(facts.bytes)}, {held}")
    table.add_section()
    table.add_row(
        "sizes", counts({f"{width} x {height}": n for (height, width), n in facts.sizes.most_common()})
    )
    table.add_row("modes", counts({MODE_NAMES.get(mode, mode): n for mode, n in facts.modes.most_common()}))
    table.add_section()
    table.add_row("classes", counts(facts.classes) if facts.classes else "none")
    table.add_section()
    table.add_row("duplicates", Text(duplicates(facts.duplicates)))
    table.add_row("corrupt", corrupt(facts.corrupt))
    if hints := advice(facts, mirror):
        table.add_section()
        table.add_row("advice", Text("\n".join(hints)))
    console.print(table)


def counts(numbers: dict[str, int]) -> Table:
    """Names, numbers and shares; the rest in one line where there are many. 100% needs no number."""
    shown = list(numbers.items())[:ROWS]
    rest = list(numbers.values())[ROWS:]
    total = sum(numbers.values())
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    for name, number in shown:
        table.add_row(Text(name), *([f"{number:,}", f"{number / total:.1%}"] if number < total else []))
    if rest:
        between = f"{min(rest):,}" if min(rest) == max(rest) else f"{min(rest):,} to {max(rest):,}"
        table.add_row(f"{len(rest):,} more, {between} each", f"{sum(rest):,}", f"{sum(rest) / total:.1%}")
    return table


def duplicates(groups: list[list[str]]) -> str:
    repeats = sum(len(names) - 1 for names in groups)
    if not repeats:
        return "none"
    lines = [" = ".join([*names[:3], "…"] if len(names) > 3 else names) for names in groups[:NAMED]]
    if len(groups) > NAMED:
        lines.append(f"and {len(groups) - NAMED:,} more groups")
    verb = "image has" if repeats == 1 else "images have"
    return "\n".join([f"{repeats:,} {verb} the very pixels of another:", *lines])


def corrupt(reasons: dict[str, str]) -> Text:
    """Every one by name: this is where to look for them."""
    if not reasons:
        return Text("none")
    lines = [f"{name}: {reason}" for name, reason in reasons.items()]
    return Text("\n".join([f"{len(reasons):,} cannot be read:", *lines]), style="red")


def advice(facts: Facts, mirror: bool) -> list[str]:
    """What somebody who knows the trade would say."""
    hints = []
    if facts.corrupt:
        hints.append("Repair or delete the corrupt files; training skips them, unless data.on_corrupt=fail.")
    if facts.images < FEW:
        cure = "" if mirror else "; try data.mirror=true unless sides matter"
        hints.append(f"{facts.images:,} images are few, D may learn them by heart{cure}.")
    if facts.classes and max(facts.classes.values()) >= UNEVEN * min(facts.classes.values()):
        least, most = (choose(facts.classes, key=lambda name: facts.classes[name]) for choose in (min, max))
        numbers = f"{facts.classes[least]:,} of {least} but {facts.classes[most]:,} of {most}"
        hints.append(f"The classes are uneven, {numbers}: rare ones will look worse.")
    if len(facts.sizes) > 1 and facts.shape:
        _, height, width = facts.shape
        smaller = sum(n for (h, w), n in facts.sizes.items() if h < height or w < width)
        enlarged = f", {smaller:,} of them enlarged" if smaller else ""
        cure = "see data.resolution, and data.fit for proportions"
        hints.append(f"Sizes differ: all become {width} x {height}{enlarged}; {cure}.")
    if len(facts.modes) > 1 and facts.shape:
        channels = f"{facts.shape[0]} channel{'s' * (facts.shape[0] > 1)}"
        hints.append(f"Modes differ: all become {channels}; see data.channels and data.background.")
    return [f"- {hint}" for hint in hints]


def megabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
