"""Weights of one network for another of other channels, classes or words: which, and how they are adapted."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any, final

import torch
from hydra.utils import instantiate
from torch import Tensor, nn

from gantool.layers.equalized import EqualizedConv, EqualizedLinear

COUNTS = ("channels", "source_channels", "classes", "words")  # arguments that count something of the data
# Where a configuration's data names what is counted.
NAMES = {"classes": "names", "words": "vocabulary", "channels": "columns"}
ALPHA = (2, 4)  # channels of pictures whose last one is alpha


@final
@dataclass(frozen=True)
class Refit:
    """What counts channels, classes, columns or words in networks where there are now others.

    Attributes:
        count: the argument of the networks, such as `classes`.
        there: how many there are in the other run.
        here: how many here.
        task: the configuration of these networks.
        rows: of what has names: for each one here its number there, None where none there has its name.
    """

    count: str
    there: int
    here: int
    task: dict[str, Any]
    rows: tuple[int | None, ...] = ()

    @property
    def words(self) -> str:
        if self.rows:
            known = sum(row is not None for row in self.rows)
            kind = "columns" if self.count == "channels" else self.count
            return f"{self.here} {kind}, {known} of them among the {self.there} there"
        return f"{self.here} {self.count.replace('_', ' ')} instead of {self.there}"

    def axis_of(self, name: str) -> int | None:
        """The axis of a tensor that counts them; None = none does.

        Args:
            name: in the state of a GAN; an averaged generator is as its generator.
        """
        return self.axes.get(name.replace("G_ema.", "task.G.", 1))

    @cached_property
    def axes(self) -> dict[str, int]:
        """The axis that counts them, of each tensor that has one: it is one longer with one more of them."""
        with torch.random.fork_rng(devices=[]):
            one, other = (shapes(more(self.task, self.count, by)) for by in (0, 1))
        found: dict[str, int] = {}
        for name, shape in one.items():
            longer = [axis for axis, size in enumerate(shape) if other[name][axis] == size + 1]
            if len(longer) == 1 and shape != other[name]:
                found[name] = longer[0]
        return found

    def __call__(self, there: Tensor, here: Tensor, axis: int, layer: nn.Module) -> Tensor | None:
        """A tensor of the other run made one of this shape; None where that has no meaning.

        Args:
            there: of the other run.
            here: as it begins anew, for what that run does not know.
            axis: that counts.
            layer: that it belongs to.
        """
        same = [there.shape[:axis] == here.shape[:axis], there.shape[axis + 1 :] == here.shape[axis + 1 :]]
        before = here.shape[axis] - self.here  # such as a latent, which a label follows
        fits = there.ndim == here.ndim and all(same) and before == there.shape[axis] - self.there
        if not fits or not (before == 0 or (before > 0 and self.rows)):
            return None
        takes = there.ndim > 1 and axis == (0 if isinstance(layer, nn.ConvTranspose2d) else 1)
        equalised = isinstance(layer, EqualizedConv | EqualizedLinear)
        gain = sqrt(here.shape[axis] / there.shape[axis]) if takes and equalised else 1.0
        first, counted = (there * gain).split([before, self.there], axis)
        fresh = here.narrow(axis, before, self.here)
        if self.rows:
            own = self.of_names(counted, fresh, axis)
        else:
            own = self.of_channels(counted, fresh, axis, takes)
        return None if own is None else torch.cat([first, own], axis)

    def of_names(self, there: Tensor, fresh: Tensor, axis: int) -> Tensor | None:
        """Each has what that of its name had; others begin anew."""
        if all(row is None for row in self.rows):
            return None
        each = [
            fresh.select(axis, place) if row is None else there.select(axis, row)
            for place, row in enumerate(self.rows)
        ]
        return torch.stack(each, axis)

    def of_channels(self, there: Tensor, fresh: Tensor, axis: int, takes: bool) -> Tensor | None:
        """What makes channels, or takes them in, made so that a picture means the same."""
        matrix = between(self.here, self.there) if takes else between(self.there, self.here)
        if matrix is None:
            return None
        matrix = matrix.T if takes else matrix  # (here, there)
        made = (there.movedim(axis, -1) @ matrix.to(there.dtype).T).movedim(-1, axis)
        if not takes and self.here in ALPHA and self.there not in ALPHA:
            made = made.clone()
            made.select(axis, self.here - 1).copy_(fresh.select(axis, self.here - 1))
        return made


def between(before: int, after: int) -> Tensor | None:
    """Pictures of some channels as pictures of others: (after, before), None where there is no such thing.

    Grey is the mean of colours, and colours of grey are all like it; an alpha that is not there is 0.
    """
    if not 1 <= before <= 4 or not 1 <= after <= 4:
        return None
    colours_before, colours_after = (count - (count in ALPHA) for count in (before, after))
    matrix = torch.zeros(after, before)
    if colours_before == colours_after:
        matrix[:colours_after, :colours_before] = torch.eye(colours_after)
    else:
        matrix[:colours_after, :colours_before] = 1 / colours_before
    if before in ALPHA and after in ALPHA:
        matrix[-1, -1] = 1.0
    return matrix


def refits(theirs: dict[str, Any], ours: dict[str, Any]) -> list[Refit]:
    """What is counted differently in two configurations, or counts what has other names."""
    there, here = (dict(counted(config["task"])) for config in (theirs, ours))
    found: list[Refit] = []
    for count in here.keys() & there.keys():
        key = NAMES.get(count, "")
        names = [list(config["data"].get(key) or []) for config in (theirs, ours)]
        if count == "classes" or any(names):
            rows = matched(names[0], names[1], there[count], here[count])
            if rows != tuple(range(there[count])):
                found.append(Refit(count, there[count], here[count], ours["task"], rows))
        elif there[count] != here[count]:
            found.append(Refit(count, there[count], here[count], ours["task"]))
    return found


def matched(there: list[str], here: list[str], before: int, after: int) -> tuple[int | None, ...]:
    """For each one here its number there. Those whose names nobody knows are the same if as many."""
    if len(there) == before and len(here) == after:
        return tuple(there.index(name) if name in there else None for name in here)
    return tuple(range(after)) if before == after else (None,) * after


def counted(config: Any, within: str = "") -> Iterator[tuple[str, int]]:
    """The counts in a configuration by name; those of two sides as channels.a and channels.b."""
    if not isinstance(config, dict):
        return
    for key, value in config.items():
        name = f"{within}.{key}" if within else key
        if isinstance(value, int) and not isinstance(value, bool) and value > 0 and (within or key in COUNTS):
            yield name, value
        elif not within:
            yield from counted(value, key if key in COUNTS else "")


def more(config: Any, count: str, by: int) -> Any:
    """The same configuration with larger counts of one kind; what is 0 stays so."""
    config = copy.deepcopy(config)
    head, _, tail = count.partition(".")
    for key, value in config.items() if isinstance(config, dict) else []:
        if key == head and tail and isinstance(value, dict):
            value[tail] += by
        elif key == count and isinstance(value, int) and value > 0:
            config[key] = value + by
        else:
            config[key] = more(value, count, by)
    return config


def shapes(task: dict[str, Any]) -> dict[str, torch.Size]:
    """Of all tensors of the networks that a configuration describes."""
    built: nn.Module = instantiate(task, _convert_="all")
    return {f"task.{name}": value.shape for name, value in built.state_dict().items()}
