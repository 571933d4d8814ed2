"""How a translated video flickers, and how far it is from the truth where that is known."""

from collections.abc import Callable
from typing import Any, final

import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn.functional import max_pool2d

from gantool.data.films import reels
from gantool.data.image_set import ImageSet
from gantool.metrics.likeness import eight_bit
from gantool.metrics.metric import Direction, Found, Metric, Seen
from gantool.metrics.motion import Motion, alike
from gantool.metrics.sight import Shown
from gantool.tasks.task import Task
from gantool.tasks.unpaired import WAYS

KNOWN = ("motion", "error")  # what can be said only where the truth is known


@final
class Flicker(Metric):
    """Mean differences of 8-bit pixels in [0, 1], of each way of translation; less is better, 0 is best.

    flicker = mean |y_t+1 - y_t| over the pixels around which x_t+1 = x_t: what should stand still. It is the
    warping error of Lai et al. (2018), arXiv:1808.00449, section 4.3, where the flow is known without being
    estimated: it is 0. Differs from them: no squares; nothing is said of what moves.

    With the true translations z: motion = mean |(y_t+1 - y_t) - (z_t+1 - z_t)|, error = mean |y_t - z_t|.

    Args:
        still: grey levels of 255 by which a pixel that stands still may change, as cameras are noisy.
        reach: pixels around what moves that are not counted either: translated, it may be larger.
    """

    sight = Motion()

    def __init__(self, still: int = 2, reach: int = 4):
        for key, value in (("still", still), ("reach", reach)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"metrics.flicker.{key}={value}: give a whole number, 0 or more.")
        self.still, self.reach = still, reach
        self.known = False

    def check(self, task: Task, data: DictConfig) -> None:
        if "cycle_ab" not in task.compares:
            raise ValueError(
                "metrics=flicker watches a translator there and back, as model=recyclegan and model=cyclegan "
                "are: leave it out."
            )
        if "frames" not in data:
            raise ValueError(
                "metrics=flicker needs frames that follow each other, but this data set does not know what "
                "follows what: choose data=two_videos or data=moving_shapes, or leave the metric out."
            )

    def prepare(
        self,
        data: DictConfig,
        images: ImageSet,
        device: torch.device,
        tell: Callable[[str], None],
        count: int | None = None,
    ) -> int:
        sides = reels(images)
        assert sides is not None
        self.known = alike(*sides)
        total = max(len(side.lasting(2)) for side in sides)
        if not min(len(side.lasting(2)) for side in sides):
            raise ValueError(
                "metrics=flicker needs two held-out frames that follow each other, on each side."
            )
        return total if count is None else min(count, total)

    def columns(self, task: Task) -> dict[str, Direction]:
        names = ("flicker", *(KNOWN if self.known else ()))
        return {f"{way}_{name}": "minimize" for way in WAYS for name in names}

    @property
    def glance(self) -> None:
        return None

    def look(self, shown: Shown) -> Seen:
        """(N, 4) for each way: change of what stands still, and how much that is; motion, error, or nan."""
        return {way: self.measured(*map(exact, images)) for way, images in shown.images.items()}

    def measured(
        self, source: Tensor, source_next: Tensor, made: Tensor, made_next: Tensor, *truth: Tensor
    ) -> Tensor:
        change = made_next - made  # (N, C, H, W)
        moves = ((source_next - source).abs() > (self.still + 0.5) / 255).any(1, keepdim=True).to(change)
        stands = 1 - max_pool2d(moves, 2 * self.reach + 1, 1, self.reach)  # (N, 1, H, W)
        of_pixels = change.abs().mean(1, keepdim=True)
        sums = (of_pixels * stands).sum((1, 2, 3)), stands.sum((1, 2, 3))
        if not truth:
            return torch.stack([*sums, *[torch.full_like(sums[0], torch.nan)] * 2], 1)
        true, true_next = truth
        motion = (change - (true_next - true)).abs().mean((1, 2, 3))
        error = torch.stack([made - true, made_next - true_next]).abs().mean((0, 2, 3, 4))
        return torch.stack([*sums, motion, error], 1)

    def judge(self, seen: Seen) -> Found:
        values: dict[str, float] = {}
        rows: list[tuple[str, str]] = []
        for way, numbers in seen.items():
            changes, stands, motion, error = numbers.unbind(1)
            own = {"flicker": (changes.sum() / stands.sum()).item()} if stands.sum() > 0 else {}
            if self.known:
                own |= {"motion": motion.mean().item(), "error": error.mean().item()}
            values |= {f"{way}_{name}": value for name, value in own.items()}
            told = ", ".join(f"{name} {value:.4f}" for name, value in own.items())
            rows.append((f"{way[0]} to {way[1]}", told or "nothing stands still"))
        record: dict[str, Any] = {**values, "samples": max(map(len, seen.values()))}
        return Found(values, record, rows)

    @property
    def protocol(self) -> str:
        truth = "; motion and error against the known truth" if self.known else ""
        return (
            "mean change of 8-bit pixels in [0, 1] from held-out frame to frame, where the source changes by "
            f"{self.still} of 255 at most and nothing moves within {self.reach} pixels{truth}"
        )


def exact(images: Tensor) -> Tensor:
    return eight_bit(images.cpu().double())
