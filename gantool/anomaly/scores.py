"""From scores of abnormality to a threshold, and to numbers that say how well they tell."""

from math import ceil, isfinite

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision


def scaled(scores: Tensor) -> Tensor:
    """(s - min s) / (max s - min s), in [0, 1]: (N,).

    Akcay et al. (2018), arXiv:1805.06725, eq. 6. Equal scores are all 0.
    """
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else torch.zeros_like(scores)


def threshold(normal: Tensor, false_alarms: float) -> float:
    """The least score of normal images (N,) that at most this share of them exceed."""
    allowed = len(normal) - ceil((1 - false_alarms) * len(normal) - 1e-9)
    return normal.sort().values[-1 - min(allowed, len(normal) - 1)].item()


def numbers(scores: Tensor, abnormal: Tensor) -> dict[str, float]:
    """`auroc` and `auprc`, average precision; {} where there are not both kinds.

    In the order of the scores, so that no rounding makes different ones equal, and ties count half in AUROC.

    Args:
        scores: (N,).
        abnormal: (N,), of bool.
    """
    if not abnormal.any() or abnormal.all() or not isfinite(scores.sum().item()):
        return {}
    _, ranks = scores.double().unique(return_inverse=True)  # (N,), 0 for the least
    order = (ranks.double() + 1) / (len(scores) + 1)  # within (0, 1), where torchmetrics leaves them alone
    return {
        "auroc": binary_auroc(order, abnormal.long()).item(),
        "auprc": binary_average_precision(order, abnormal.long()).item(),
    }
