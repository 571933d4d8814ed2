"""Top-k training: Sinha, Zhao, Goyal, Raffel & Odena (2020), arXiv:2002.06224."""

from dataclasses import replace
from typing import final

import torch

from gantool.duel import Duel
from gantool.losses.term import Adversarial, Lens
from gantool.schedules import Schedule, at


@final
class TopK(Lens):
    """G learns from the fakes that D finds most real, and from no others; D learns from all.

    Algorithm 1. The k best are those of a micro-batch in a process, not of the whole batch.

    Args:
        share: k / N, a schedule that falls from 1.
    """

    def __init__(self, share: Schedule):
        super().__init__()
        self.share = share

    def forward(self, duel: Duel, adversarial: Adversarial, images: int) -> Duel:
        logits = duel.fake_logits
        score = logits.detach().reshape(len(logits), -1).mean(1)  # (N,), or (N / m,) for packs of m
        best = score.topk(max(1, round(at(self.share, images) * len(score)))).indices  # (k,)
        packed = len(duel.fake) // len(score)
        samples = torch.cat([best + pack * len(score) for pack in range(packed)])  # (k m,)
        chosen = replace(
            duel,
            source=duel.source[samples],
            real=duel.real[samples],
            fake=duel.fake[samples],
            condition=None if duel.condition is None else duel.condition[samples],
            key=duel.seeds[samples],
        )
        verdict = duel.fake_verdict.items()
        vars(chosen)["fake_verdict"] = {
            name: value[best if len(value) == len(score) else samples] for name, value in verdict
        }
        return chosen
