"""What the configuration of a run says, and in what it is not its family's own."""

from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gantool.comparison.settings import ABSENT, ASIDE, Setting, differences, shown
from gantool.comparison.trace import Trace
from gantool.resume import flat
from gantool.train import groups

UNSET = "not set"
FACTS = ("data.names", "data.vocabulary", "data.examples")  # found in the data, chosen by nobody


class Change(NamedTuple):
    keys: list[str]  # the first stands for those that follow from it
    default: str
    here: str


class Entry(NamedTuple):
    """A line of the full configuration."""

    key: str
    value: str
    default: str | None  # None = it is the default, or nobody knows that


def default_of(config: dict[str, Any]) -> dict[str, Any] | None:
    """What `gantool train model=… data=…` alone would mean; None where that cannot be composed here."""
    noted = config.get("groups") or {}
    typed = [f"{group}={noted[group]}" for group in ("model", "data") if isinstance(noted.get(group), str)]
    if len(typed) < 2:
        return None
    try:
        if GlobalHydra.instance().is_initialized():  # with the user's --config-dir
            composed = compose("train", typed, return_hydra_config=True)
        else:
            with initialize_config_module("gantool.conf", version_base="1.3"):
                composed = compose("train", typed, return_hydra_config=True)
        chosen = groups(composed.hydra.runtime.choices)
        found = {str(key): resolved(composed, str(key)) for key in composed if key != "hydra"}
    except (HydraException, OmegaConfBaseException):
        return None
    return found | {"groups": chosen}


def resolved(node: DictConfig | ListConfig, key: str | int) -> Any:
    """Plain containers; what cannot be known without the data is not set."""
    try:
        value = node[key]  # pyright: ignore
    except OmegaConfBaseException:
        return UNSET
    if OmegaConf.is_dict(value):
        return {str(name): resolved(value, str(name)) for name in value}
    if OmegaConf.is_list(value):
        return [resolved(value, place) for place in range(len(value))]
    return value


def changes(trace: Trace, default: dict[str, Any]) -> list[Change]:
    """In what the run is not its family's own: choices first, how it was watched last."""
    both = [Setting("A", [alone(default)]), Setting("B", [trace])]
    found = [Change(it.keys, *it.values) for it in differences(both) if it.keys[0] not in FACTS]
    before, here = flat(default), flat(trace.config)
    watched = tuple(name for name in ASIDE if name not in ("dry_run", "groups", "resume", "trust"))
    late: list[Change] = []
    for key in dict.fromkeys([*here, *before]):
        if key.startswith(watched) and before.get(key) != here.get(key):
            late.append(Change([key], *(shown(it[key]) if key in it else ABSENT for it in (before, here))))
    told = {named(it) for it in late}
    return [it for it in found if named(it) not in told] + late


def named(change: Change) -> tuple[str, str, str]:
    """The same for a key and the copy of it that an object takes."""
    return change.keys[0].rpartition(".")[2], change.default, change.here


def alone(config: dict[str, Any]) -> Trace:
    """A configuration as a run that has done nothing."""
    return Trace(Path(), Path(), config, [], {}, [])


def entries(config: dict[str, Any], default: dict[str, Any] | None) -> list[Entry]:
    """The full configuration."""
    before = None if default is None else flat(default)
    found: list[Entry] = []
    for key, value in flat(config).items():
        old = value if before is None or key in FACTS else before.get(key, ABSENT)
        found.append(Entry(key, shown(value), None if old == value else shown(old)))
    return found
