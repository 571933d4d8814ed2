"""What a page asks a generator for, and the command line that makes the same."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

MOST = 64  # images of a page


@final
@dataclass(frozen=True)
class Settings:
    """What is shown.

    Attributes:
        seed: of the latents.
        count: images 0, 1, … of this seed, as `gantool sample` numbers them.
        alone: the number of an only image; None = all of them.
        label: the name of their class; None = image n is of class n modulo K.
        truncation: see `truncate`; None = what the file has, or none.
        strengths: how far along each direction, in standard deviations; missing ones are 0.
        second: the seed of the images whose styles are mixed in; None = none are.
        layers: first and last of the styles that come from there.

    Raises ValueError for numbers that mean nothing.
    """

    seed: int = 0
    count: int = 16
    alone: int | None = None
    label: str | None = None
    truncation: float | None = None
    strengths: tuple[float, ...] = ()
    second: int | None = None
    layers: tuple[int, int] = (0, 3)

    def __post_init__(self) -> None:
        for key, value in (("seed", self.seed), ("alone", self.alone), ("second", self.second)):
            if value is not None and value < 0:
                raise ValueError(f"{key}={value}: give a whole number of 0 or more.")
        if not 1 <= self.count <= MOST:
            raise ValueError(f"count={self.count}: give 1 to {MOST} images.")
        if self.second is not None and not 0 <= self.layers[0] <= self.layers[1]:
            raise ValueError(f"layers={self.layers[0]}-{self.layers[1]}: the first comes before the last.")

    @property
    def numbers(self) -> list[int]:
        """Of the images that are shown."""
        return list(range(self.count)) if self.alone is None else [self.alone]

    @property
    def edited(self) -> bool:
        """Whether these are other images than those of the seed: no seed gives them again."""
        return any(self.strengths) or self.second is not None


@final
@dataclass(frozen=True)
class Origin:
    """How a command names what is explored.

    Attributes:
        run: the run, as typed.
        more: further overrides, such as trust=true.
        standing: images depend on the seed of the standing statistics, too.
    """

    run: str
    more: Sequence[str] = ()
    standing: bool = False

    def sample(self, settings: Settings, latents: Path | None = None) -> str | None:
        """The command for images of these settings; of edited ones only with the file of their latents."""
        truncation = [] if settings.truncation is None else [f"truncation={settings.truncation:g}"]
        if not settings.edited:
            count = settings.count if settings.alone is None else settings.alone + 1
            label = [] if settings.label is None else [override("label", settings.label)]
            return self.command("sample", f"seed={settings.seed}", f"count={count}", *label, *truncation)
        if latents is None:
            return None
        statistics = [f"seed={settings.seed}", *truncation] if self.standing else []
        return self.command("sample", override("latents", str(latents)), *statistics)

    def translate(self, name: str, direction: str | None, size: str | None) -> str:
        """The command for the translation of a file."""
        options = {"direction": direction, "size": size}
        chosen = [f"{key}={value}" for key, value in options.items() if value is not None]
        return self.command("translate", override("input", name), *chosen)

    def command(self, verb: str, *overrides: str) -> str:
        """A line for a shell."""
        return shlex.join(["gantool", verb, override("run", self.run), *overrides, *self.more])


def file_of(settings: Settings) -> str:
    """Which file of `gantool sample` holds what is shown."""
    return "grid.png" if settings.alone is None else f"{0 if settings.edited else settings.alone:06d}.png"


def override(key: str, value: str) -> str:
    """key=value as Hydra reads it as that very text: in quotes where it must be."""
    try:
        parsed = OverridesParser.create().parse_override(f"{key}={value}").value()
    except HydraException:
        parsed = None
    plain = isinstance(parsed, str | int) and str(parsed) == value
    return f"{key}={value if plain else QuotedString(value, Quote.double).with_quotes()}"
