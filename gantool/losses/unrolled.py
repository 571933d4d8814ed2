"""Unrolled GAN: Metz, Poole, Pfau & Sohl-Dickstein (2017), arXiv:1611.02163."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import SGD, Adam, Optimizer

from gantool.duel import Duel
from gantool.losses.observed import Observed
from gantool.losses.term import Adversarial, Lens
from gantool.optim import Recipe

TINY = 1e-24  # below the root of Adam's second moment, whose slope at 0 would be infinite


@final
class Unrolled(Lens):
    """G plays against the D of a few steps later, and knows how these steps depend on it: eq. 9 to 11.

    The steps are those of D's own optimizer, its moments included, on the same minibatch (in each process
    and micro-batch, on its own part); they are undone after G's turn. Terms of D's loss do not take part.

    Args:
        steps: that D is looked ahead; 0 changes nothing.
    """

    def __init__(self, steps: int):
        super().__init__()
        if steps < 0:
            raise ValueError(f"loss.lenses.unrolled.steps={steps}: give a number of steps, 0 or more.")
        self.steps = steps
        self.optimizer: list[Optimizer] = []  # in a list: no part of this module

    def check(self, name: str, D: Recipe, adversarial: Adversarial) -> None:
        if any(isinstance(module, Observed) for module in adversarial.modules()):
            raise ValueError(
                f"loss.{name} shows {type(adversarial).__name__} steps that are never taken; drop one."
            )
        plain_descent = D.kind is SGD and not D.settings.get("momentum")
        if D.kind is not Adam and not plain_descent:
            raise ValueError(
                f"loss.{name} steps ahead with D's optimizer, which must be Adam or plain SGD, not "
                f"{D.kind.__name__}: choose optimizer=adam, or drop loss.{name}."
            )

    def meet(self, optimizer: Optimizer) -> None:
        self.optimizer = [optimizer]

    def forward(self, duel: Duel, adversarial: Adversarial, images: int) -> Duel:
        D = Plain(duel.discriminator)
        buffers = {name: buffer.clone() for name, buffer in D.named_buffers()}
        with torch.enable_grad():
            origins = {name: parameter for name, parameter in D.named_parameters()}
            weights: dict[str, Tensor] = {
                name: parameter.detach().requires_grad_() for name, parameter in origins.items()
            }
            strides = {name: self.stride_of(parameter) for name, parameter in origins.items()}
            for _ in range(self.steps):
                loss = adversarial.discriminator(replace(duel, discriminator=Ahead(D, weights, buffers)))
                slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
                weights = {
                    name: weights[name] - strides[name](slope)
                    for name, slope in zip(weights, slopes, strict=True)
                }
        return replace(duel, discriminator=Ahead(D, weights, buffers))

    def stride_of(self, parameter: nn.Parameter) -> "Descent | Moments":
        """What D's optimizer would subtract from one parameter."""
        [optimizer] = self.optimizer
        for group in optimizer.param_groups:
            if any(parameter is one for one in group["params"]):
                if isinstance(optimizer, Adam):
                    return Moments.of(group, optimizer.state.get(parameter, {}), parameter)
                return Descent(group["lr"])
        return Descent(0.0)  # frozen


@dataclass
class Descent:
    """lr g."""

    lr: float

    def __call__(self, slope: Tensor) -> Tensor:
        return self.lr * slope


@dataclass
class Moments:
    """Adam's step, differentiable in the gradient: Kingma & Ba (2015), arXiv:1412.6980, Algorithm 1."""

    lr: float
    betas: tuple[float, float]
    eps: float
    first: Tensor
    second: Tensor
    steps: Tensor  # done so far

    @classmethod
    def of(cls, group: Mapping[str, Any], state: Mapping[str, Any], parameter: Tensor) -> "Moments":
        zero = torch.zeros_like(parameter)
        first, second = state.get("exp_avg", zero), state.get("exp_avg_sq", zero)
        steps = torch.as_tensor(state.get("step", 0)).to(zero)  # exact in float64 too
        return cls(group["lr"], group["betas"], group["eps"], first, second, steps)

    def __call__(self, slope: Tensor) -> Tensor:
        one, two = self.betas
        self.steps = self.steps + 1
        self.first = one * self.first + (1 - one) * slope
        self.second = two * self.second + (1 - two) * slope.square()
        root = (self.second / (1 - two**self.steps) + TINY).sqrt()
        return self.lr * self.first / (1 - one**self.steps) / (root + self.eps)


@final
class Plain(nn.Module):
    """A network past torch.compile, which has no second derivative."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> Any:
        return self.network._call_impl(*inputs)


@final
class Ahead(nn.Module):
    """D with other weights; its statistics are copies, so that looking ahead leaves no trace."""

    def __init__(self, D: Plain, weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor]):
        super().__init__()
        self.D = [D]  # in a list: no part of this module
        self.given = {**weights, **buffers}

    def forward(self, *inputs: Tensor) -> Any:
        return functional_call(self.D[0], self.given, inputs)
