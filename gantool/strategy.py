"""Data parallelism for two players: one average of the stepping player's gradients, and no wrapper."""

from collections.abc import Callable
from typing import Any, final

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from gantool.layers.running_mean import RunningMean
from gantool.losses.observed import Observed
from gantool.processes import Workers, environment


@final
class Together(DDPStrategy):
    """Averages what an optimizer is about to use, over all processes, in one message per step.

    Differs from Lightning's DDP, whose wrapper hooks into every backward pass: a step of one player would
    also send zeros for the other, and a gradient penalty or a lazy term makes it search the graph. The
    official code of StyleGAN2-ADA (Karras et al. 2020, arXiv:2006.06676) averages the same way.

    With the gradients travel the running statistics of batch norm and all other running means, of both
    players, so that they agree after every iteration.

    Args:
        command: starts another process of this machine.
    """

    def __init__(self, command: list[str]):
        super().__init__(cluster_environment=environment())
        self.command = command
        self.statistics: list[Tensor] = []

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None
        self._launcher = Workers(self.cluster_environment, self.num_processes, self.num_nodes, self.command)

    def configure_ddp(self) -> None:
        """All processes begin with the weights of the first."""
        assert self.model is not None
        self.statistics = running_statistics(self.model)
        for tensor in [*self.model.parameters(), *self.model.buffers()]:
            distributed.broadcast(tensor.data, 0)

    def optimizer_step(
        self, optimizer: Optimizer, closure: Callable[[], Any], model: Any = None, **settings: Any
    ) -> Any:
        average(message(optimizer, self.statistics))
        return super().optimizer_step(optimizer, closure, model, **settings)


def message(optimizer: Optimizer, statistics: list[Tensor]) -> list[Tensor]:
    """What travels before a step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return [*(parameter.grad for parameter in parameters if parameter.grad is not None), *statistics]


def running_statistics(model: nn.Module) -> list[Tensor]:
    """Means and variances of every batch norm that learns them, other means, and what losses observe.

    As `data`: a shared pass through G waits for its backward while they change, which does not need them.
    """
    found: list[Tensor | None] = []
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.training:
            found += [module.running_mean, module.running_var]
        if isinstance(module, Observed):
            found += [module.total, module.count]
        if isinstance(module, RunningMean) and module.training:
            found += [module.value]
    return [statistic.data for statistic in found if statistic is not None]


@torch.no_grad()
def average(tensors: list[Tensor]) -> None:
    """Set each tensor to its mean over the processes: one message for each kind of number."""
    kinds = {(tensor.dtype, tensor.device) for tensor in tensors}
    for kind in sorted(kinds, key=str):
        alike = [tensor for tensor in tensors if (tensor.dtype, tensor.device) == kind]
        flat = torch.cat([tensor.reshape(-1) for tensor in alike])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        parts = flat.split([tensor.numel() for tensor in alike])
        means = [part.view_as(tensor) for part, tensor in zip(parts, alike, strict=True)]
        torch._foreach_copy_(alike, means)  # pyright: ignore
