"""How many images an update takes: a number, or a schedule of images seen."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gantool.schedules import Schedule, at


def schedule_of(cfg: DictConfig, key: str) -> Schedule:
    """`batch_size` or `generator_batch_size`."""
    return instantiate(cfg[key]) if OmegaConf.is_dict(cfg[key]) else cfg[key]


def size(schedule: Schedule, images: int) -> int:
    return int(at(schedule, images))


def iterations(cfg: DictConfig, seen: int = 0) -> Iterator[tuple[int, int]]:
    """From `seen` images to the end of the run: (count, images of each) of iterations that are alike.

    For batches that only grow or only shrink, as all our schedules do.
    """
    schedule, images, n_critic = schedule_of(cfg, "batch_size"), cfg.images, cfg.n_critic
    while seen < images:
        batch, begin = size(schedule, seen), seen
        step = n_critic * batch

        def changed(later: int, batch: int = batch, begin: int = begin, step: int = step) -> bool:
            return size(schedule, begin + later * step) != batch

        count = 1 + bisect_left(range(1, -(-(images - seen) // step)), True, key=changed)
        yield count, step
        seen += count * step


def sizes(cfg: DictConfig, key: str) -> list[int]:
    """Every value that `key` takes in the run, the largest first.

    Raises ValueError for one that is not a whole number of 1 or more.
    """
    schedule = schedule_of(cfg, key)
    if not callable(schedule):
        return [checked(schedule, key)]
    found: set[int] = set()
    seen = 0
    for count, step in iterations(cfg):
        found.add(checked(at(schedule, seen), key))
        seen += count * step
    return sorted(found, reverse=True)


def checked(value: Any, key: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{key}={value}: give a whole number of 1 or more.")
    return value
