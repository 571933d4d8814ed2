"""Whether fakes are copies of what the generator learnt from, by the nearest training images."""

from collections.abc import Callable
from typing import final

from torch import Tensor

from gantool.metrics.manifold import share
from gantool.metrics.ranking import own_nearest, ranked
from gantool.metrics.statistic import Numbers, Statistic


@final
class Memorisation(Statistic):
    """Authenticity, and the share of copies. The reals must be all that the generator learnt from.

    Authenticity: Alaa, van Breugel, Saveliev & van der Schaar (2022), arXiv:2102.08921: the share of fakes
    that lie farther from their nearest training image than this one lies from its own nearest. Of copies it
    is 0. Of fresh samples of the same distribution it is the chance that the nearest neighbour of a point has
    a nearer one itself: 1/3 in one dimension, 0.38 in two, rising to 1/2 with their number (Schilling 1986,
    Advances in Applied Probability 18, 388-405), and above where images are few for their dimensions, as some
    are then the neighbours of many: compare with what real images score. Fakes of little variety, where
    images are dense, lower it as copies do, and noise far away raises it to 1: Stein et al. (2023),
    arXiv:2306.04675, find that no number in the literature tells memorisation from such faults.

    Copies: the share of fakes whose nearest training image is at most a third as far as the second nearest:
    Yoon et al. (2023), ICML workshop SPIGM; Gu et al. (2023), arXiv:2310.02664. It says nothing about slight
    nearness, but little else raises it: of fresh samples in F dimensions it is 3^-F, of noise far away 0.
    It overlooks copies of an image that has a near twin in the training set, unless they are exact.

    Both need no held-out images. The data-copying test C_T of Meehan et al. (2020), arXiv:2004.05675, needs
    them, and a lack of variety moves it as it moves authenticity.

    Args:
        ratio: of the two distances, at most that of a copy; 1/3 in the papers.
    """

    of_training = True
    directions = {"authenticity": "maximize", "copies": "minimize"}

    def __init__(self, ratio: float = 1 / 3):
        if not 0 <= ratio < 1:
            raise ValueError(f"ratio={ratio}: give 0 to 1, without 1; 1/3 is usual.")
        self.ratio = ratio

    def against(self, real: Tensor) -> Callable[[Tensor], Numbers]:
        def numbers(fake: Tensor) -> Numbers:
            squared, places = ranked(fake, real, 2)  # (N, 2)
            first, second = squared.unbind(1)
            authentic = first > own_nearest(real, places[:, 0])  # (N,)
            return {"authenticity": share(authentic), "copies": share(first <= self.ratio**2 * second)}

        return numbers

    def doubt(self, fakes: int, reals: int, width: int) -> str | None:
        return None

    @property
    def protocol(self) -> str:
        return (
            "authenticity: fakes farther from their nearest real than that is from its own; copies: fakes at "
            f"most {self.ratio:.3g} times as far from the nearest real as from the second"
        )
