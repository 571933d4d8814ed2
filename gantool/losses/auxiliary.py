"""AC-GAN's term: Odena, Olah & Shlens (2017), arXiv:1610.09585."""

from collections.abc import Sequence
from typing import final

from torch import Tensor
from torch.nn.functional import cross_entropy

from gantool.duel import Duel
from gantool.losses.term import Term
from gantool.schedules import Schedule
from gantool.tasks.generation import Generation
from gantool.tasks.task import Task

SIDES = ("real", "fake")


@final
class AuxiliaryClassifier(Term):
    """-L_C: how badly D's head "class" tells the labels, as a cross-entropy; section 3, eq. 3.

    D minimises it on reals and fakes, G on its fakes, which thereby become tellable.

    Args:
        sides: "real", "fake": the images that count, each with weight 1.
        weight: of the sum.
        every: see Term.
    """

    def __init__(self, sides: Sequence[str], weight: Schedule = 1.0, every: int = 1):
        super().__init__(weight, every)
        if not sides or not set(sides) <= set(SIDES):
            raise ValueError(f"sides={list(sides)}: give real, fake, or both.")
        self.sides = set(sides)

    def check(self, name: str, task: Task) -> None:
        if not isinstance(task, Generation) or not task.conditional:
            raise ValueError(
                f"loss.{name} tells the labels of images: set task.conditional=true, with a model whose D "
                'has a head "class", as model=acgan.'
            )

    def forward(self, duel: Duel) -> Tensor:
        assert duel.condition is not None
        verdicts = [duel.real_verdict] if "real" in self.sides else []
        verdicts += [duel.fake_verdict] if "fake" in self.sides else []
        if "class" not in verdicts[0]:
            raise ValueError('AuxiliaryClassifier needs a D with a head "class", as that of model=acgan.')
        losses = [cross_entropy(verdict["class"], duel.condition) for verdict in verdicts]
        return sum(losses[1:], losses[0])
