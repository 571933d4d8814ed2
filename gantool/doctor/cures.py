"""Whether a run already does what usually helps."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gantool import catalogue

TARGET = "_target_"


def untried(cures: tuple[str, ...], cfg: DictConfig) -> tuple[str, ...]:
    """Those of the command line's keys and choices that are not in force in a training."""
    return tuple(cure for cure in cures if not in_force(cure, cfg))


def in_force(cure: str, cfg: DictConfig) -> bool:
    """Whether a training has what `key=value` or `group=choice` sets; of `key (smaller)` nobody knows."""
    key, chosen, value = cure.partition("=")
    if not chosen:
        return False
    options = catalogue.groups().get(key)
    if options is None:
        return OmegaConf.select(cfg, key) == OmegaConf.create(f"value: {value}").value
    text = options[value].read_text(encoding="utf-8")
    root = "" if "@package _global_" in text else f"{key}."
    plain: Any = OmegaConf.to_container(OmegaConf.create(text))
    written = {f"{root}{path}": leaf for path, leaf in leaves(plain) if not path.startswith("defaults")}
    classes = {path: leaf for path, leaf in written.items() if path.endswith(TARGET)}
    return all(OmegaConf.select(cfg, path) == leaf for path, leaf in (classes or written).items())


def leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value below a mapping, with its dotted path."""
    if not isinstance(node, dict):
        yield path, node
        return
    for name, below in node.items():
        yield from leaves(below, f"{path}.{name}" if path else str(name))
