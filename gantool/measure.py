"""From a generator to its numbers: passes through G, shared by the processes, seen by metrics."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import distributed

from gantool.metrics.metric import Found, Metric, Seen
from gantool.metrics.sight import Sight
from gantool.shares import WHOLE, Share
from gantool.subject import Subject


@final
@dataclass(frozen=True)
class Request:
    """A metric that is ready, and the samples that it is asked to look at."""

    metric: Metric
    count: int


def measure(requests: Sequence[Request], subject: Subject, share: Share = WHOLE) -> list[Found]:
    """What each metric finds; all are of one sight. The same in any number of processes.

    Every sample is made once and looked at once for all metrics of the same glance. Each process takes its
    share of the passes, and all learn what all have seen.
    """
    sight = requests[0].metric.sight
    G = subject.generator()
    glances = [it.metric.glance or f"{place}" for place, it in enumerate(requests)]
    most = max(it.count for it in requests)
    mine: dict[int, dict[str, Seen]] = {}
    for begin in share.of(list(range(0, most, subject.together))):
        shown = sight.show(subject, G, range(begin, min(begin + subject.together, most)))
        mine[begin] = {}
        for glance, it in zip(glances, requests, strict=True):
            if begin < it.count and glance not in mine[begin]:
                mine[begin][glance] = it.metric.look(shown)
    everyone = sorted(gathered(mine, share).items())
    seen = {glance: joined([looks[glance] for _, looks in everyone if glance in looks]) for glance in glances}
    return [
        it.metric.judge(first(seen[glance], it.count)) for glance, it in zip(glances, requests, strict=True)
    ]


def gathered(mine: dict[int, dict[str, Seen]], share: Share) -> dict[int, dict[str, Seen]]:
    """What each process has seen, by the first number of a pass."""
    if share.world == 1:
        return mine
    everyone: list[Any] = [None] * share.world
    distributed.all_gather_object(everyone, mine)
    return {begin: looks for theirs in everyone for begin, looks in theirs.items()}


def joined(passes: Sequence[Seen]) -> Seen:
    """All samples, in the order of the passes."""
    names = dict.fromkeys(name for seen in passes for name in seen)
    return {name: torch.cat([seen[name] for seen in passes if name in seen]) for name in names}


def first(seen: Seen, count: int) -> Seen:
    """No more samples than asked for: a pass may have been made for another metric."""
    return {name: value[:count] for name, value in seen.items()}


def by_sight(metrics: Iterable[tuple[str, Metric]]) -> dict[Sight, dict[str, Metric]]:
    """Named metrics, those together that see the same images."""
    groups: dict[Sight, dict[str, Metric]] = {}
    for name, metric in metrics:
        groups.setdefault(metric.sight, {})[name] = metric
    return groups
