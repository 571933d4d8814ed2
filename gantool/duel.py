"""The one record that passes between a task, which builds it, and a loss, which judges it."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from gantool.chance import keys, uniform


def apply(network: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """Call a conditional network with its condition and an unconditional one without."""
    return network(x) if condition is None else network(x, condition)


def apply_exactly(network: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """The same as a penalty needs it: no autocast, and past torch.compile, which has no second derivative."""
    with torch.autocast(x.device.type, enabled=False):
        return network._call_impl(*(x,) if condition is None else (x, condition))  # pyright: ignore


def single(x: Tensor) -> Tensor:
    """Half precision made float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


@dataclass(eq=False)
class Duel:
    """One generator against one discriminator over one minibatch: all that a loss may look at.

    Images are (N, C, H, W) in [-1, 1]. Logits are (N, ...); positive means "real". Both views and both logits
    are computed when first read, so a loss that ignores the reals never pays for them.
    """

    generator: nn.Module
    discriminator: nn.Module
    source: Tensor  # what the generator was given: z of (N, Z), or an image
    real: Tensor
    fake: Tensor  # on D's turn without a graph, on G's turn attached to G's
    condition: Tensor | None = None  # labels (N,) or an image; the same for real and fake
    key: Tensor | None = None  # (N,): the seed of what is random about each sample
    differentiated: frozenset[str] = frozenset()  # which of "real", "fake" a due penalty differentiates at

    @cached_property
    def real_view(self) -> Tensor:
        """The reals as D sees them."""
        return self.view(self.real, "real")

    @cached_property
    def fake_view(self) -> Tensor:
        """The fakes as D sees them."""
        return self.view(self.fake, "fake")

    @cached_property
    def real_logits(self) -> Tensor:
        return self.judge(self.real_view, exact="real" in self.differentiated)

    @cached_property
    def fake_logits(self) -> Tensor:
        return self.judge(self.fake_view, exact="fake" in self.differentiated)

    def view(self, image: Tensor, side: str) -> Tensor:
        if side not in self.differentiated:
            return image
        image = single(image)
        return image if image.requires_grad else image.detach().requires_grad_()

    def chance(self, purpose: str) -> Tensor:
        """U[0, 1) for each sample, (N,); it depends on the sample and `purpose` alone."""
        key = keys(len(self.real), self.real.device) if self.key is None else self.key
        return uniform(key, purpose, self.real.dtype)

    def judge(self, view: Tensor, exact: bool = False) -> Tensor:
        """Logits of D, in float32 at least; `exact`: the whole pass, as penalties need it."""
        if exact:
            return apply_exactly(self.discriminator, view, self.condition)
        return single(apply(self.discriminator, view, self.condition))

    def detached(self) -> "Duel":
        """The same duel for D, who must not reach into G."""
        return replace(self, fake=self.fake.detach())
