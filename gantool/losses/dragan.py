"""DRAGAN's penalty: Kodali, Abernethy, Hays & Kira (2017), arXiv:1705.07215."""

from typing import final

from torch import Tensor

from gantool.duel import Duel
from gantool.losses.penalties import forbid_batch_norm, squared_slope
from gantool.losses.term import Term
from gantool.tasks.task import Task


@final
class LocalGradientPenalty(Term):
    """(|dC/dv| - 1)^2 at v = x + a d, close to the reals: section 2.3, as in the authors' code.

    d = std(x) / 2 * U[0, 1) for each number of an image, std that of all numbers of the batch; a ~ U[0, 1)
    for each sample. Fakes play no part; the weight is the paper's lambda, 10.

    Differs from the paper: d is uniform, as in the code, and not normal. With micro-batches or several
    processes, std is that of a part of the batch.
    """

    def check(self, name: str, task: Task) -> None:
        forbid_batch_norm(name, task.D)

    def forward(self, duel: Duel) -> Tensor:
        real = duel.real_view.detach()
        far = real.std(correction=0) / 2 * duel.chance("local penalty direction", *real.shape[1:])
        a = duel.chance("local penalty distance").view(-1, *[1] * (real.ndim - 1))  # (N, 1, 1, 1)
        near = (real + a * far).requires_grad_()  # (N, C, H, W)
        return (squared_slope(duel.judge(near, exact=True), near).sqrt() - 1).square().mean()
