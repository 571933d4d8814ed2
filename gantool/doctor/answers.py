"""What D answered on its turn, in numbers for the log."""

import torch
from torch import Tensor

from gantool.duel import Duel
from gantool.losses.term import Adversarial


@torch.no_grad()
def answers(duels: list[Duel], adversarial: Adversarial) -> dict[str, Tensor]:
    """D's mean logits of the last duel, and how often it is right, where the loss asked for both sides.

    A real is told right above the boundary of the loss, and a fake below it.
    """
    duel = duels[-1]
    read = vars(duel)
    known = {
        side: read[f"{side}_verdict"]["logits"] for side in ("real", "fake") if f"{side}_verdict" in read
    }
    values = {f"health/{side}_logits": logits.mean() for side, logits in known.items()}
    if len(known) == 2:
        boundary = adversarial.boundary(duel)
        for side, right in (("real", known["real"] > boundary), ("fake", known["fake"] < boundary)):
            values[f"health/{side}_accuracy"] = right.float().mean()
    return values
