"""Resampling through a filter: Zhang (2019), arXiv:1904.11486; as in StyleGAN2, arXiv:1912.04958, appendix B.

`taps` are the filter's T weights in one direction, up to a factor, as [1, 3, 3, 1]; the other direction has
the same. All is linear in the image and keeps constants, except near the border: beyond are zeros.

One depthwise convolution with the whole filter is, measured on a CPU and with the backward pass, faster than
two with its directions, than mean pools, sums of slices and interpolation; most so with channels last.
"""

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor

Size = tuple[int, int]
Taps = Sequence[float] | Tensor  # a tensor on the image's device saves a copy to there in each pass


def upsample(x: Tensor, taps: Taps) -> Tensor:
    """(N, C, H, W) -> (N, C, 2H, 2W): a zero behind each pixel, in both directions, then 4 times the filter.

    [1, 3, 3, 1] is bilinear interpolation.
    """
    kernel = 4 * kernel_of(taps, x)
    missing = (kernel.shape[2] % 2,) * 2
    return Depthwise.apply(x, kernel, 2, (kernel.shape[2] - 1) // 2, missing)  # pyright: ignore


def downsample(x: Tensor, taps: Taps) -> Tensor:
    """(N, C, 2H, 2W) -> (N, C, H, W): the filter, then every other pixel. A quarter of upsample's adjoint."""
    kernel = kernel_of(taps, x)
    return Depthwise.apply(x, kernel, 2, (kernel.shape[2] - 1) // 2, None)  # pyright: ignore


def blur(x: Tensor, taps: Taps, padding: int | None = None) -> Tensor:
    """(N, C, H, W) -> (N, C, H + 2P + 1 - T, W + 2P + 1 - T): the filter over P zeros on each side.

    None = (T - 1) // 2, with which an odd filter keeps the size.
    """
    kernel = kernel_of(taps, x)
    padding = (kernel.shape[2] - 1) // 2 if padding is None else padding
    return Depthwise.apply(x, kernel, 1, padding, None)  # pyright: ignore


def kernel_of(taps: Taps, x: Tensor) -> Tensor:
    """The filter in both directions, of sum 1, for each channel of x: (C, 1, T, T)."""
    row = torch.as_tensor(taps, dtype=x.dtype, device=x.device)
    row = row / row.sum()
    return (row[:, None] * row).expand(x.shape[1], 1, -1, -1)


@final
class Depthwise(torch.autograd.Function):
    """Each channel convolved with a kernel (C, 1, T, T) that is no parameter.

    Its derivative is the adjoint convolution, which is differentiable again. In a second derivative, torch's
    own would also differentiate by the kernel, channel by channel: 7 to 9 times slower on a CPU.

    Args of `apply`: x, kernel, stride, padding, and for a transposed convolution how many rows and columns to
    add behind the last, otherwise None.
    """

    @staticmethod
    def forward(x: Tensor, kernel: Tensor, stride: int, padding: int, missing: Size | None) -> Tensor:
        return convolved(x, kernel, stride, padding, missing)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, kernel, ctx.stride, ctx.padding, missing = inputs
        ctx.save_for_backward(kernel)
        ctx.adjoint = None
        if missing is None:
            least = [(side - 1) * ctx.stride - 2 * ctx.padding + kernel.shape[2] for side in output.shape[2:]]
            ctx.adjoint = (x.shape[2] - least[0], x.shape[3] - least[1])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        [slope], [kernel] = slopes, ctx.saved_tensors
        return convolved(slope, kernel, ctx.stride, ctx.padding, ctx.adjoint), None, None, None, None


def convolved(x: Tensor, kernel: Tensor, stride: int, padding: int, missing: Size | None) -> Tensor:
    strides, paddings, transposed = (stride, stride), (padding, padding), missing is not None
    kernel = kernel.to(x.dtype)
    return torch.convolution(
        x, kernel, None, strides, paddings, (1, 1), transposed, missing or (0, 0), x.shape[1]
    )
