"""The one record that passes between a task, which builds it, and a loss, which judges it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from gantool.augment.augment import Augment
from gantool.chance import keys, normal, uniform
from gantool.history import History

Verdict = dict[str, Tensor]  # what D answers: "logits", and whatever other heads it has


def apply(network: nn.Module, x: Tensor, condition: Tensor | None) -> Any:
    """Call a conditional network with its condition and an unconditional one without."""
    return network(x) if condition is None else network(x, condition)


def apply_exactly(network: nn.Module, x: Tensor, condition: Tensor | None) -> Any:
    """The same as a penalty needs it: no autocast, and past torch.compile, which has no second derivative."""
    with torch.autocast(x.device.type, enabled=False):
        return network._call_impl(*(x,) if condition is None else (x, condition))  # pyright: ignore


def single(x: Tensor) -> Tensor:
    """Half precision made float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


@dataclass(eq=False)
class Duel:
    """One generator against one discriminator over one minibatch: all that a loss may look at.

    Images are (N, C, H, W) in [-1, 1]. Logits are (N, ...); positive means "real". Both views and both
    verdicts are computed when first read, so a loss that ignores the reals never pays for them.
    """

    generator: nn.Module
    discriminator: nn.Module
    source: Tensor  # what the generator was given: z of (N, Z), or an image
    real: Tensor
    fake: Tensor  # on D's turn without a graph, on G's turn attached to G's
    condition: Tensor | None = None  # labels (N,) or an image; the same for real and fake
    inverse: nn.Module | None = None  # the generator of the opposite translation
    history: History | None = None  # old fakes for D
    augment: Augment | None = None  # what D sees the images through
    key: Tensor | None = None  # (N,): the seed of what is random about each sample
    differentiated: frozenset[str] = frozenset()  # which of "real", "fake" a due penalty differentiates at

    @cached_property
    def real_view(self) -> Tensor:
        """The reals as D sees them, and what passes for real."""
        real = self.real
        if self.augment is not None:
            real = self.augment.substitute(real, self.fake.detach(), self.chance)
        return self.view(real, "real")

    @cached_property
    def fake_view(self) -> Tensor:
        """The fakes as D sees them."""
        return self.view(self.fake, "fake")

    @cached_property
    def real_verdict(self) -> Verdict:
        return self.verdict(self.real_view, exact="real" in self.differentiated)

    @cached_property
    def fake_verdict(self) -> Verdict:
        return self.verdict(self.fake_view, exact="fake" in self.differentiated)

    @property
    def real_logits(self) -> Tensor:
        return self.real_verdict["logits"]

    @property
    def fake_logits(self) -> Tensor:
        return self.fake_verdict["logits"]

    def view(self, image: Tensor, side: str) -> Tensor:
        """What D sees of an image; where a penalty differentiates, a leaf of its own."""
        image = self.augmented(image, side)
        if side not in self.differentiated:
            return image
        image = single(image)
        return image if image.requires_grad else image.detach().requires_grad_()

    def augmented(self, image: Tensor, side: str) -> Tensor:
        if self.augment is None:
            return image
        return self.augment(image, lambda purpose, *shape: self.chance(f"{side} {purpose}", *shape))

    def chance(self, purpose: str, *shape: int) -> Tensor:
        """U[0, 1) for each sample, (N, *shape); it depends on the sample and `purpose` alone."""
        return uniform(self.seeds, purpose, *shape, dtype=self.real.dtype)

    def noise(self, purpose: str, *shape: int) -> Tensor:
        """N(0, 1) for each sample, (N, *shape); it depends on the sample and `purpose` alone."""
        return normal(self.seeds, purpose, *shape, dtype=self.real.dtype)

    @property
    def seeds(self) -> Tensor:
        return keys(len(self.real), self.real.device) if self.key is None else self.key

    def verdict(self, view: Tensor, exact: bool = False) -> Verdict:
        """All that D answers, in float32 at least; `exact`: the whole pass, as penalties need it."""
        if exact:
            return named(apply_exactly(self.discriminator, view, self.condition))
        answer = named(apply(self.discriminator, view, self.condition))
        return {name: single(value) for name, value in answer.items()}

    def judge(self, view: Tensor, exact: bool = False) -> Tensor:
        """The logits of a verdict."""
        return self.verdict(view, exact)["logits"]

    def for_D(self) -> "Duel":
        """The same duel on D's turn, who must not reach into G, and may see older fakes among the new."""
        fake = self.fake.detach()
        return replace(
            self, fake=fake if self.history is None else self.history(fake, self.chance("history", 2))
        )


def named(answer: Tensor | Verdict) -> Verdict:
    """A discriminator with one head answers its logits alone."""
    return answer if isinstance(answer, dict) else {"logits": answer}
