"""Fakes beside reals, as clouds of features: a statistic, and what its numbers would be of other clouds."""

from collections.abc import Callable
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from gantool.metrics.statistic import Numbers, Statistic

ROUNDING = 1e-9  # a spread below that is none: all subsets were the same images


@final
class Comparison:
    """Fakes against one cloud of reals, of which all is found out when it is first asked for.

    Args:
        statistic: of the fakes.
        real: (M, F), in random order.
        source: (L, F), of what fakes are made of; None = they are made of latents.
        device: where to compute.
    """

    def __init__(self, statistic: Statistic, real: Tensor, source: Tensor | None, device: torch.device):
        self.statistic, self.real, self.source, self.device = statistic, real, source, device

    @cached_property
    def against(self) -> Callable[[Tensor], Numbers]:
        return self.statistic.against(self.real.to(self.device))

    def __call__(self, fake: Tensor) -> Numbers:
        return self.against(fake.to(self.device))

    @property
    def half(self) -> int:
        """Of the reals."""
        return len(self.real) // 2

    @cached_property
    def floor(self) -> Numbers:
        """Of one half of the reals, as if it were fakes, against the other; {} where that is too small."""
        if self.half < self.statistic.least:
            return {}
        real = self.real.to(self.device)
        return self.statistic.against(real[self.half :])(real[: self.half])

    @cached_property
    def untouched(self) -> Numbers:
        """Of sources, as if they were what is made of them; {} where there are none."""
        return {} if self.source is None else self(self.source)

    def doubt(self, fakes: int) -> str | None:
        return self.statistic.doubt(fakes, len(self.real), self.real.shape[1])

    def row(self, number: str, numbers: Numbers) -> str:
        """One of the numbers, and what stands beside it, for people."""
        text = f"{numbers[number]:.4g}" if number in numbers else "undefined"
        std = numbers.get("std", 0)
        spread = f" ± {std:.2g}" if std > ROUNDING else ""
        beside: list[str] = []
        if self.floor:
            beside.append(f"half of the reals, {self.half:,}, against the other {self.floor[number]:.4g}")
        if self.untouched:
            beside.append(f"sources as they are {self.untouched[number]:.4g}")
        return f"{text}{spread} ({'; '.join(beside)})" if beside else f"{text}{spread}"
