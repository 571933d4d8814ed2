"""Video to video between two films without pairs: Recycle-GAN, Bansal et al. (2018), arXiv:1808.05174."""

from collections.abc import Callable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from gantool.duel import Duel
from gantool.history import History
from gantool.shares import WHOLE, Share
from gantool.tasks.task import Batch, Pairs, Task
from gantool.tasks.unpaired import WAYS, member
from gantool.video_duel import VideoDuel


@final
class Video(Task):
    """Two generators, there and back, and a predictor of the next frame on each side: two duels.

    Once trained, frames are translated one by one: what follows each other mattered in training alone.

    Args:
        G: makes images (N, C, H, W) in [-1, 1] of those of the other side; called with `source_channels` and
            `channels`.
        predictor: makes a frame of those before it, joined along the channels; called likewise.
        D: makes logits of images; called with `channels`.
        channels: of the images of each side, by "a" and "b".
        frames: of a window, T; the last is predicted from the others.
        history: old windows of fakes that each D sees among the new.
    """

    def __init__(
        self,
        G: Callable[..., nn.Module],
        predictor: Callable[..., nn.Module],
        D: Callable[..., nn.Module],
        channels: Mapping[str, int],
        frames: int = 3,
        history: int = 0,
    ):
        super().__init__()
        if not isinstance(frames, int) or isinstance(frames, bool) or frames < 2:
            raise ValueError(
                f"task.frames={frames}: the last frame is predicted from others; give 2 or more."
            )
        a, b, before = channels["a"], channels["b"], frames - 1
        self.entries = tuple(f"{side}{frame}" for side in "ab" for frame in range(frames))
        self.compares = ("cycle_ab", "cycle_ba", "prediction_a", "prediction_b")
        self.frames = frames
        self.G = nn.ModuleDict(
            {
                "ab": G(source_channels=a, channels=b),
                "ba": G(source_channels=b, channels=a),
                "predictor_a": predictor(source_channels=before * a, channels=a),
                "predictor_b": predictor(source_channels=before * b, channels=b),
            }
        )
        self.D = nn.ModuleDict({"a": D(channels=a), "b": D(channels=b)})
        self.history = nn.ModuleDict({"a": History(history), "b": History(history)})

    def draw(self, batch: Batch, share: Share = WHOLE) -> Batch:
        return dict(batch)

    def duels(self, batch: Batch) -> list[Duel]:
        return [self.duel(batch, "a", "b"), self.duel(batch, "b", "a")]

    def duel(self, batch: Batch, here: str, there: str) -> Duel:
        """The way from one side to the other; all frames pass through G together, as samples of a batch."""
        forth, predictor = member(self.G, here + there), member(self.G, f"predictor_{there}")
        source, real = self.window(batch, here), self.window(batch, there)
        made = [*forth(torch.cat(source[:-1])).chunk(self.frames - 1)]
        history = self.history[there]
        assert isinstance(history, History)
        return VideoDuel(
            forth,
            member(self.D, there),
            source=torch.cat(source),
            real=torch.cat(real),
            fake=torch.cat([*made, predictor(torch.cat(made, 1))]),
            inverse=member(self.G, there + here),
            history=history,
            past=torch.cat(real[:-1], 1),
            future=real[-1],
            predictor=predictor,
        )

    def window(self, batch: Batch, side: str) -> list[Tensor]:
        """The frames of one side, in their order: T of (N, C, H, W)."""
        return [batch[f"{side}{frame}"] for frame in range(self.frames)]

    def generate(self, G: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """`ab` and `ba`: translations of the first frame of every window."""
        return {way: member(G, way)(batch[f"{way[0]}0"]) for way in WAYS}

    def translator(self, G: nn.Module, direction: str | None) -> nn.Module:
        if direction not in (None, *WAYS):
            raise ValueError(f"direction={direction}: give ab, from a to b, or ba.")
        return member(G, direction or WAYS[0])

    def compared(self, G: nn.Module, batch: Batch) -> Pairs:
        """The first frame there and back again; the last as predicted on its own side."""
        cycles: Pairs = {
            f"cycle_{way}": (member(G, way[::-1])(fake), batch[f"{way[0]}0"])
            for way, fake in self.generate(G, batch).items()
        }
        for side in "ab":
            *past, future = self.window(batch, side)
            cycles[f"prediction_{side}"] = member(G, f"predictor_{side}")(torch.cat(past, 1)), future
        return cycles

    def pictures(self, G: nn.Module, batch: Batch) -> dict[str, list[Tensor]]:
        """The frames of a window, then the translation of each."""
        shown: dict[str, list[Tensor]] = {}
        for way in WAYS:
            window = self.window(batch, way[0])
            shown[way] = [*window, *(member(G, way)(frame) for frame in window)]
        return shown
