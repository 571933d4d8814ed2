"""Runs that differ in nothing but their seed are one setting; and in what settings differ."""

from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, final

from gantool.comparison.trace import Trace
from gantool.resume import flat

# How a run is watched, and where things lie, does not make it another setting.
ASIDE = (
    "best",
    "checkpoint_every",
    "data.root",
    "disk_budget",
    "dry_run",
    "evaluate_every",
    "groups",  # names of what the other keys say
    "health_every",
    "keep_milestones",
    "log_every",
    "logger",
    "metrics",
    "milestone_every",
    "resume",
    "sample_every",
    "samples",
    "seed",
    "sweep",
    "trust",
)
ABSENT = "-"
LONG = 110  # characters of a label, at most
UNSAID = ("logger", "metrics", "trainer")  # groups of the command line that make no other setting


Values = tuple[str, ...]  # one for each setting


@final
@dataclass(frozen=True)
class Setting:
    """Runs that differ in nothing but their seed.

    Attributes:
        letter: A, B, …
        traces: of the runs.
    """

    letter: str
    traces: list[Trace]


@final
@dataclass(frozen=True)
class Difference:
    """Keys of the configuration that tell settings apart alike, such as a width and all that follow it."""

    keys: list[str]
    values: list[str]  # one for each setting

    @property
    def title(self) -> str:
        copies = {key for key in self.keys if key.startswith("task.")}  # a task repeats prior and networks
        keys = [key for key in self.keys if key not in copies] or self.keys
        return keys[0] if len(keys) == 1 else f"{keys[0]} (+{len(keys) - 1})"


def settings_of(traces: list[Trace]) -> list[Setting]:
    """In the order in which they were named."""
    groups: dict[str, list[Trace]] = {}
    for trace in traces:
        groups.setdefault(repr(sorted(essence(trace.config).items())), []).append(trace)
    return [Setting(letter(place), group) for place, group in enumerate(groups.values())]


def letter(place: int) -> str:
    """A to Z, then AA to ZZ, …"""
    return ascii_uppercase[place % 26] * (place // 26 + 1)


def essence(config: dict[str, Any]) -> dict[str, Any]:
    """What makes a setting: the leaves of its configuration by dotted key, a list as a text."""
    leaves = flat(config)
    aside = tuple(f"{name}." for name in ASIDE)
    return {
        key: value if isinstance(value, str | int | float | None) else str(value)
        for key, value in leaves.items()
        if key not in ASIDE and not key.startswith(aside)
    }


def differences(settings: list[Setting]) -> list[Difference]:
    """What distinguishes settings: options of groups, where the runs have noted them, then single keys.

    A class, or the option of a group, stands for the keys below it that follow from it, and keys of equal
    values stand together.
    """
    found = [leaves(setting.traces[0].config) for setting in settings]
    keys = dict.fromkeys(key for it in found for key in it)
    values = {key: tuple(it.get(key, (ABSENT, False))[0] for it in found) for key in keys}
    classes = {key for it in found for key, (_, is_class) in it.items() if is_class}
    unlike = {key: value for key, value in values.items() if len(set(value)) > 1}
    options = {f"{name}=": value for name, value in chosen(settings).items()}
    above = [(key, value) for key, value in unlike.items() if key in classes]
    above += [(place, value) for name, value in options.items() for place in covered(name[:-1])]
    if "data.set" in unlike:  # of other images, everything that is known of them differs
        above.append(("data", unlike["data.set"]))
    groups: dict[Values, list[str]] = {}
    for key, value in (options | unlike).items():
        if not any(follows(key, value, *it) for it in above) or (
            key == "data.set" and "data=" not in options
        ):
            groups.setdefault(value, []).append(key)
    return [
        Difference([key.removesuffix("=") for key in keys], list(value)) for value, keys in groups.items()
    ]


def leaves(config: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """What a configuration says, as people read it, by dotted key; and whether that is a class."""
    told: dict[str, tuple[str, bool]] = {}
    for key, value in essence(config).items():
        is_class = key.endswith("._target_")
        text = ".".join(value.split(".")[-2:]) if is_class else shown(value)
        told[key.removesuffix("._target_")] = text, is_class
    return told


def shown(value: Any) -> str:
    if value is None:
        return "null"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def chosen(settings: list[Setting]) -> dict[str, Values]:
    """Options in which settings differ, by group; none where runs have not noted theirs."""
    noted = [
        next((it.config["groups"] for it in setting.traces if it.config.get("groups")), {})
        for setting in settings
    ]
    if not all(noted):
        return {}
    names = [name for name in dict.fromkeys(name for it in noted for name in it) if name not in UNSAID]
    options = {name: tuple(option(it.get(name, ABSENT)) for it in noted) for name in names}
    return {name: value for name, value in options.items() if len(set(value)) > 1}


def option(value: Any) -> str:
    """One, or several."""
    return ", ".join(value) if isinstance(value, list) else str(value)


def covered(group: str) -> tuple[str, ...]:
    """Where the keys are that follow from the option of a group; a task repeats prior and networks."""
    return (group, f"task.{group}", *(("task.G", "task.D") if group == "model" else ()))


def follows(key: str, value: Values, place: str, cause: Values) -> bool:
    """Whether a key lies at or below a place and is the same wherever the cause is."""
    if key == place and value == cause:  # the cause itself
        return False
    below = key == place or key.startswith(f"{place}.")
    return below and len(set(zip(cause, value, strict=True))) == len(set(cause))


def labels(settings: list[Setting], found: list[Difference]) -> list[str]:
    """What to call each setting on a picture."""
    told = [", ".join(f"{it.title}={it.values[place]}" for it in found) for place in range(len(settings))]
    short = [text if len(text) <= LONG else f"{text[: LONG - 1]}…" for text in told]
    return [f"{it.letter}: {text}" if text else it.letter for it, text in zip(settings, short, strict=True)]
