"""Images that training never sees, for evaluation."""

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from gantool.data.image_set import ImageSet
from gantool.seeds import mix


def held_out(of: DictConfig) -> ImageSet:
    """What the set of this configuration, `data.set`, does not show in training."""
    return instantiate(of, held_out=True)


def other_split(of: DictConfig) -> ImageSet:
    """The test images of a published set that `data.set` chooses the training images of, or the reverse."""
    return instantiate(of, split="test" if of.split == "train" else "train")


def part(count: int, hold_out: int, held_out: bool) -> np.ndarray:
    """Positions (M,) of the images for training, or else of those that are held out, in rising order.

    Chance chooses, always in the same way: neither the run nor its seed matters.
    """
    if not isinstance(hold_out, int) or isinstance(hold_out, bool) or not 0 <= hold_out < count:
        raise ValueError(f"data.hold_out={hold_out}: of {count} images, give 0 to {count - 1}.")
    if held_out and not hold_out:
        raise ValueError("data.hold_out=0: training sees all images; hold some out to have others.")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(mix("hold out", count))).numpy()
    return np.sort(order[:hold_out] if held_out else order[hold_out:])
