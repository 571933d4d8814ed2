"""Fine-tuning: a run that begins with the weights of another, as far as they fit."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors.torch import load_file
from torch import Tensor, nn

from gantool import artefact
from gantool.checkpoint import read
from gantool.gan import GAN
from gantool.layers.progressive import Level
from gantool.layers.spectral import realign
from gantool.refit import Refit, refits
from gantool.runs import EXPORTED

OF_D, OF_G, AVERAGED = "task.D.", "task.G.", "G_ema."
NORMED = ".parametrizations."  # where a layer under spectral norm keeps its weight and singular vectors
FEW = 6  # names on the terminal; all are in train.log
log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Fit:
    """A tensor of the new networks, and what another run has for it.

    Attributes:
        name: of the new one.
        value: that it begins with; None = there is none, it begins anew.
        how: in words, where it is more than a copy or less than one.
    """

    name: str
    value: Tensor | None
    how: str


def begin(gan: GAN, path: Path, config: dict[str, Any]) -> str:
    """Give both players, and the averaged generator, the weights of a checkpoint or of an exported generator.

    Tensors of equal name and shape are copied. Where images have other channels, or there are other classes,
    what depends on these is adapted (`Refit`); anything else begins anew, and so does what belongs to a
    weight that does: its bias, and its statistics. Where D's blocks are numbered from the image on, and the
    image is of another size, they are counted from the other end. An averaged generator that the file lacks
    begins as its generator.

    Answers what was taken over and what was not.

    Args:
        gan: with its first weights.
        path: of the file.
        config: resolved, of this training.

    Raises ValueError where no weight of G can be taken over, and for a frozen layer that begins anew.
    """
    stored, theirs = origin(path)
    if not any(name.startswith(AVERAGED) for name in stored):
        twins = [name for name in stored if name.startswith(OF_G)]
        stored |= {name.replace(OF_G, AVERAGED, 1): stored[name] for name in twins}
    levels = {f"{name}.value" for name, module in gan.named_modules() if isinstance(module, Level)}
    own = {
        name: value
        for name, value in gan.state_dict().items()
        if name.startswith((OF_D, OF_G, AVERAGED)) and name not in levels
    }
    changes = refits(theirs, config)
    moves = shifts(own, stored, changes)
    found = {name: fit(gan, name, own[name], stored, place_of(name, moves), changes) for name in own}
    fits = [
        it if whole(gan, it.name, found) else Fit(it.name, None, it.how or "goes with its layer")
        for it in found.values()
    ]

    weights = [it for it in fits if it.name.startswith(OF_G) and own[it.name].ndim > 1]
    if all(it.value is None for it in weights):
        raise ValueError(
            f"init_from={path}: nothing of its generator fits this one ({weights[0].name} {weights[0].how}); "
            "give the model, the width and the resolution of that run."
        )
    refuse_frozen(gan, fits, path)
    for it in fits:
        if it.value is not None:
            own[it.name].copy_(it.value)
    for layer in {owner(it.name) for it in fits if it.value is not None and it.how}:
        realign(gan.get_submodule(layer))
    told = Told(path, [it for it in fits if not it.name.startswith(AVERAGED) and not derived(it.name)])
    log.info("%s", told.sentence(most=len(fits)))
    return told.sentence(most=FEW)


def origin(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights in a file, by the names that a GAN has for them, and the configuration of its training."""
    if path.suffix == EXPORTED:
        card = artefact.card_of(path)
        return {f"{OF_G}{name}": value for name, value in load_file(path).items()}, card["config"]
    checkpoint = read(path)
    return dict(checkpoint["state_dict"]), checkpoint["gantool"]["config"]


def fit(
    gan: GAN, name: str, here: Tensor, stored: dict[str, Tensor], place: str, changes: list[Refit]
) -> Fit:
    """What there is for a tensor.

    Args:
        gan: that it belongs to.
        name: of the tensor.
        here: as it begins anew.
        stored: what another run has.
        place: where it would be there.
        changes: of the channels and classes.
    """
    there = stored.get(place)
    if there is None:
        return Fit(name, None, "is not there")
    moved = "" if place == name else f"was {place}"
    for change in changes:
        if (axis := change.axis_of(name)) is not None:
            value = change(there, here, axis, gan.get_submodule(owner(name)))
            how = f"has {change.words}" if value is None else f"adapted to {change.words}"
            return Fit(name, value, how)
    if there.shape != here.shape:
        return Fit(name, None, f"is of {tuple(there.shape)} there, {tuple(here.shape)} here")
    return Fit(name, there, moved)


def owner(name: str) -> str:
    """The layer that a tensor belongs to."""
    return name.partition(NORMED)[0] if NORMED in name else name.rpartition(".")[0]


def derived(name: str) -> bool:
    """Whether a tensor follows from weights: a singular vector of spectral norm."""
    return NORMED in name and name.endswith(("._u", "._v"))


def whole(gan: GAN, name: str, found: dict[str, Fit]) -> bool:
    """Whether the weight that this tensor belongs to is taken over: the largest of its layer."""
    layer = owner(name)
    own = {it: value for it, value in parts(gan.get_submodule(layer), layer) if it in found}
    most = max(value.ndim for value in own.values())
    return all(found[it].value is not None for it, value in own.items() if value.ndim == most)


def parts(layer: nn.Module, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """The parameters of a layer; its statistics, where it has no parameters."""
    inner = (f"{NORMED.strip('.')}.weight.original",)
    own = [it for it in layer.named_parameters() if "." not in it[0] or it[0] in inner]
    for name, value in own or layer.named_buffers(recurse=False):
        yield f"{prefix}.{name}", value


def shifts(own: dict[str, Tensor], stored: dict[str, Tensor], changes: list[Refit]) -> dict[str, int]:
    """By how much the numbers of D's blocks are larger in another run, by what stands before the number.

    Networks for images of other sizes have more blocks or fewer. G's are numbered from the latent, D's from
    the image, and what they share lies at the latent's end. Only where each of the blocks that both then have
    is of equal shape throughout, but for channels and classes; otherwise the names are left alone.
    """
    found: dict[str, int] = {}
    for head in {numbered(name)[0] for name in own if name.startswith(OF_D)}:
        here, there = members(own, head), members(stored, head)
        if not here or not there or max(here) == max(there):
            continue
        shift = max(there) - max(here)
        pairs = [
            (there[place], here[place - shift], place - shift) for place in there if place - shift in here
        ]
        if all(
            one.keys() == other.keys()
            and all(
                one[rest].shape == other[rest].shape
                or any(change.axis_of(f"{head}{number}{rest}") is not None for change in changes)
                for rest in one
            )
            for one, other, number in pairs
        ):
            found[head] = shift
    return found


def place_of(name: str, moves: dict[str, int]) -> str:
    """The name of a tensor in the other run."""
    head, number, tail = numbered(name)
    return name if number is None or head not in moves else f"{head}{number + moves[head]}{tail}"


def numbered(name: str) -> tuple[str, int | None, str]:
    """A name before, at and behind its first number."""
    words = name.split(".")
    for place, word in enumerate(words):
        if word.isdecimal():
            return ".".join([*words[:place], ""]), int(word), ".".join(["", *words[place + 1 :]])
    return name, None, ""


def members(state: dict[str, Tensor], head: str) -> dict[int, dict[str, Tensor]]:
    """The tensors below a list of this name, by number and the rest of their names."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        if name.startswith(head):
            before, number, rest = numbered(name)
            if before == head and number is not None:
                found.setdefault(number, {})[rest] = value
    return found


def refuse_frozen(gan: GAN, fits: list[Fit], path: Path) -> None:
    """Raise ValueError for a frozen layer that would stay at random numbers."""
    frozen = {f"task.{name}" for name, value in gan.task.named_parameters() if not value.requires_grad}
    for it in fits:
        if it.value is None and it.name in frozen:
            player = it.name.split(".")[1]
            raise ValueError(
                f"freeze.{player} keeps {it.name} as it begins, but nothing of init_from={path} fits it: it "
                f"{it.how}; freeze fewer layers of {player}."
            )


@final
@dataclass(frozen=True)
class Told:
    """What became of the tensors of both players."""

    path: Path
    fits: list[Fit]

    def sentence(self, most: int) -> str:
        """In one line, with so many names at most of each kind."""
        counts = [self.count(player, name) for player, name in (("G", OF_G), ("D", OF_D))]
        line = f"init_from={self.path}: took over {' and '.join(counts)} tensors"
        adapted = [f"{it.name} {it.how}" for it in self.fits if it.value is not None and it.how]
        anew = [f"{it.name} {it.how}" for it in self.fits if it.value is None]
        for what, lines in (("of these not as they were", adapted), ("begun anew", anew)):
            if lines:
                rest = f", and {len(lines) - most} more (see train.log)" if len(lines) > most else ""
                line += f"; {what} {len(lines)}: {', '.join(lines[:most])}{rest}"
        return f"{line}."

    def count(self, player: str, prefix: str) -> str:
        own = [it for it in self.fits if it.name.startswith(prefix)]
        return f"{sum(it.value is not None for it in own)} of {player}'s {len(own)}"
