"""What holds frames together: the terms of Recycle-GAN, Bansal et al. (2018), arXiv:1808.05174, section 3.

Differs from the paper: mean absolute differences, as in the authors' code, where it has squared norms;
`distance=l2` has those.
"""

from typing import final

from torch import Tensor, nn

from gantool.duel import Duel
from gantool.layers.unobserved import unobserved
from gantool.losses.reconstruction import Distance
from gantool.tasks.task import Task
from gantool.video_duel import VideoDuel


@final
class Recurrent(Distance):
    """Of y_T from P(y_1, …, y_T-1), both real: the recurrent loss of section 3, which trains P alone."""

    def check(self, name: str, task: Task) -> None:
        foresees(name, task)

    def forward(self, duel: Duel) -> Tensor:
        assert isinstance(duel, VideoDuel)
        return self.between(duel.predicted, duel.future)


@final
class Recycle(Distance):
    """Of x_T from F(P(G(x_1), …, G(x_T-1))): the recycle loss of section 3.

    G is this way of translation, F the way back, and P the predictor of the other side. The last frame is
    never shown to G: whoever wants it back has to foresee it on the other side.
    """

    def check(self, name: str, task: Task) -> None:
        foresees(name, task)

    def forward(self, duel: Duel) -> Tensor:
        assert isinstance(duel, VideoDuel)
        assert duel.inverse is not None
        with unobserved(duel.inverse) as inverse:  # whose sources are real ones once it is used
            return self.between(inverse(duel.foreseen), duel.awaited)


def foresees(name: str, task: Task) -> None:
    """Raise ValueError for a task without predictors."""
    if not (isinstance(task.G, nn.ModuleDict) and "predictor_a" in task.G):
        raise ValueError(f"loss.{name} needs predictors of frames, as task=video has them; leave it out.")
