"""A duel over frames that follow each other: Bansal et al. (2018), arXiv:1808.05174, section 3."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import torch
from torch import Tensor, nn

from gantool.chance import keys, mixed, shifted, uniform
from gantool.duel import Duel
from gantool.seeds import mix


@final
@dataclass(eq=False, kw_only=True)
class VideoDuel(Duel):
    """One way of translation over windows of T frames, x_1 … x_T on this side and y_1 … y_T on the other.

    `source` and `real` are all frames of both sides, frame after frame: (T N, C, H, W). `fake` are the
    translations of all frames but the last, G(x_1) … G(x_T-1), and in the place of the last what the other
    side's predictor makes of these: P(G(x_1), …, G(x_T-1)).

    D judges one image more, P(y_1, …, y_T-1), beside y_T: as in the authors' code.
    """

    past: Tensor  # (N, (T - 1) C, H, W): y_1 … y_T-1, joined along the channels
    future: Tensor  # (N, C, H, W): y_T
    predictor: nn.Module  # P of the other side

    @cached_property
    def predicted(self) -> Tensor:
        """(N, C, H, W): the last frame of the other side, as its predictor expects it."""
        return self.predictor(self.past)

    @property
    def awaited(self) -> Tensor:
        """(N, C', H, W): x_T, which is never translated, but should come back from `foreseen`."""
        return self.source[-len(self.future) :]

    @property
    def foreseen(self) -> Tensor:
        """(N, C, H, W): the last frame of the translation, as predicted from the translations before it."""
        return self.fake[-len(self.future) :]

    def for_D(self) -> Duel:
        """On D's turn; old fakes are kept window by window, so that micro-batches change nothing."""
        fake = torch.cat([self.fake, self.predicted]).detach()
        if self.history is not None:
            windows = torch.cat(fake.split(len(self.future)), 1)  # (N, (T + 1) C, H, W)
            chance = uniform(self.windows, "history", 2, dtype=self.real.dtype)
            fake = torch.cat(self.history(windows, chance).split(fake.shape[1], 1))
        return replace(
            self,
            source=torch.cat([self.source, self.awaited]),
            real=torch.cat([self.real, self.future]),
            fake=fake,
        )

    @property
    def windows(self) -> Tensor:
        """The seed of each window: (N,), or those of single images where a lens has chosen some."""
        return keys(len(self.future), self.real.device) if self.key is None else self.key

    @property
    def seeds(self) -> Tensor:
        """Of every image: chance treats each frame of a window for itself."""
        own = self.windows
        frames = range(len(self.real) // len(own))
        return own if len(frames) == 1 else torch.cat([of_frame(own, frame) for frame in frames])


def of_frame(windows: Tensor, frame: int) -> Tensor:
    """The seeds (N,), 63 bits, of one frame of each window."""
    return shifted(mixed(windows ^ mix("frame", frame) >> 1), 1)
