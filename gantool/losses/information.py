"""InfoGAN's term: Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel (2016), arXiv:1606.03657."""

from collections.abc import Sequence
from math import log
from typing import final

from torch import Tensor
from torch.nn.functional import log_softmax

from gantool.duel import Duel
from gantool.losses.term import Term
from gantool.priors import Codes
from gantool.schedules import Schedule
from gantool.tasks.generation import Generation
from gantool.tasks.task import Task


@final
class MutualInformation(Term):
    """-L_I, the lower bound of the information that a fake g carries about its code c: eq. 5 and 6.

    L_I = H(c) + E log Q(c | g), where Q reads the code from D's head "code". For a categorical code of K
    values that is ln K minus the cross-entropy, so ln K at most; for a continuous one, with a Gaussian Q of
    fixed deviation 1 as in the authors' code, -(c - mean)^2 / 2 up to a constant, so 0 at most. Both players
    subtract it: it trains Q on D's turn and G on G's.

    Args:
        categorical: number K of values of each categorical code.
        continuous: number of continuous codes. The codes are the end of the latent, in this order; the head
            begins with the logits of the former and goes on with the means of the latter.
        weight: the paper's lambda.
        every: see Term.
    """

    def __init__(self, categorical: Sequence[int], continuous: int, weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        self.sizes = [*categorical, continuous]
        if not sum(self.sizes):
            raise ValueError("MutualInformation without any code: give categorical or continuous ones.")

    def check(self, name: str, task: Task) -> None:
        if not isinstance(task, Generation) or not isinstance(task.prior, Codes):
            raise ValueError(
                f"loss.{name} asks D for the code that the latent ends with: set prior=codes, with a model "
                'whose D has a head "code", as model=infogan.'
            )
        if [*task.prior.categorical, task.prior.continuous] != self.sizes:
            raise ValueError(
                f"loss.{name} has codes {self.sizes}, the prior {task.prior}: give both the same numbers."
            )

    def forward(self, duel: Duel) -> Tensor:
        size = sum(self.sizes)
        guess = head(duel)[:, :size].split(self.sizes, 1)  # of (N, K) for each code, and (N, continuous)
        code = duel.source[:, -size:].split(self.sizes, 1)
        bounds = [categorical(c, q) for c, q in zip(code[:-1], guess[:-1], strict=True)]
        return -sum(bounds, start=-(code[-1] - guess[-1]).square().sum(1).mean() / 2)


def categorical(code: Tensor, logits: Tensor) -> Tensor:
    """ln K minus the cross-entropy, for one-hot codes of (N, K) that are equally likely."""
    return log(code.shape[1]) + (code * log_softmax(logits, 1)).sum(1).mean()


def head(duel: Duel) -> Tensor:
    """What D says of the code of each fake, (N, size of the code or more)."""
    if "code" not in duel.fake_verdict:
        raise ValueError('MutualInformation needs a D with a head "code", as that of model=infogan.')
    return duel.fake_verdict["code"]
