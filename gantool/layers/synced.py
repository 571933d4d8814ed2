"""Batch norm over the batch of all processes, on any device."""

from typing import Any, final

import torch
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gantool.duel import single


@final
class Mean(torch.autograd.Function):
    """The mean of a tensor over the processes, and of its gradient: the operation is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total / distributed.get_world_size()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return Mean.apply(gradients[0])


@final
class SyncedBatchNorm(_BatchNorm):
    """What a batch norm becomes: mean and variance are those of equal shares of one batch.

    Differs from torch's SyncBatchNorm, which refuses CPUs. In float32 at least, also under autocast.

    Args:
        plain: gives parameters, statistics and settings.
    """

    def __init__(self, plain: _BatchNorm):
        super().__init__(
            plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats
        )
        self.plain = [plain]  # in a list: no part of this module
        self.weight, self.bias = plain.weight, plain.bias
        self.running_mean, self.running_var = plain.running_mean, plain.running_var
        self.num_batches_tracked = plain.num_batches_tracked
        self.train(plain.training)

    def _check_input_dim(self, input: Tensor) -> None:
        """The plain one's shapes do."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = single(input)
        others = [axis for axis in range(input.ndim) if axis != 1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        mean: Any = Mean.apply(x.mean(others))  # (C,)
        centred = x - mean.view(shape)
        variance: Any = Mean.apply(centred.square().mean(others))  # (C,)
        count = input.numel() // input.shape[1] * distributed.get_world_size()
        self.remember(mean.detach(), variance.detach(), count)
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        normal = normal * self.weight.view(shape) + self.bias.view(shape) if self.affine else normal
        return normal.to(input.dtype)

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics on, the variance as an unbiased one of `count` numbers."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.data.lerp_(mean, momentum)
        self.running_var.data.lerp_(variance * count / max(count - 1, 1), momentum)


@final
class Synced(LayerSync):
    """Puts SyncedBatchNorm in the place of every batch norm while training runs, and takes it away again."""

    def apply(self, model: nn.Module) -> nn.Module:
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, _BatchNorm) and not isinstance(child, SyncedBatchNorm):
                    setattr(parent, name, SyncedBatchNorm(child))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        return alone(model)


def alone(model: nn.Module) -> nn.Module:
    """The same model, changed in place, for one process: plain batch norm with the same numbers."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SyncedBatchNorm):
                setattr(parent, name, child.plain[0].train(child.training))
    return model
