"""What a trained discriminator sees in images: features for other tasks.

Radford, Metz & Chintala (2016), arXiv:1511.06434, section 5.1: a D that has learnt from unlabelled images is
a pretrained network.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from gantool.artefact import Absent
from gantool.duel import apply
from gantool.finished import device_of
from gantool.layers.minibatch import MINGLING
from gantool.layers.packed import Packed
from gantool.layers.resolution import height_and_width
from gantool.layers.weighted import is_weighted
from gantool.runs import checkpoint
from gantool.tasks.generation import Generation
from gantool.tasks.task import moved
from gantool.trained import load as opened

GRID = 4  # rows and columns that a map of features is pooled to


def features(run: str, layer: str | None = None, device: str = "auto", trust: bool = False) -> "Features":
    """The features of a run's discriminator.

    Args:
        run: a run folder, a checkpoint file, or `latest`; exported files hold no D.
        layer: one of `Features.layers`; None = all but the last, as in the paper.
        device: cpu, cuda, mps; auto = the best one here.
        trust: build any class that the checkpoint names, not only gantool's and torch's.

    Raises ValueError for a layer that D has not, and for what has no single D.
    """
    path = checkpoint(str(run))
    gan, config = opened(path, trust)
    task = gan.task
    if isinstance(task.D, Absent):
        raise ValueError(f"{path} holds a generator without its discriminator: name the run it comes from.")
    if not isinstance(task, Generation) or isinstance(task.D, Packed):
        raise ValueError(f"{path}: features are of a D that judges one image at a time; this one does not.")
    shape = config.data.channels, *height_and_width(config.data.resolution)
    return Features(task.D.to(device_of(device)), shape, task.conditional, layer)


@final
class Features:
    """Images (N, C, H, W) in [-1, 1] to features (N, F) in float32, on the CPU.

    Maps of features are reduced to the maxima of 4 x 4 parts, as in the paper, then flattened; several layers
    are joined. Differs from the paper: the dense layers of D that are not its last are taken, too.

    Attributes:
        layers: convolutions and linear layers of D, in the order in which an image passes them; the last one
            makes the logits.
    """

    def __init__(
        self, D: nn.Module, shape: tuple[int, int, int], conditional: bool = False, layer: str | None = None
    ):
        self.D, self.shape, self.conditional = D.eval(), shape, conditional
        with torch.no_grad(), self.watched(None) as seen:
            example = torch.zeros(2, *shape)
            self.judge(example, torch.zeros(2, dtype=torch.long))
        self.layers = tuple(seen)
        if layer is not None and layer not in self.layers:
            raise ValueError(f"layer={layer}: the layers of this D are {', '.join(self.layers)}.")
        self.chosen = self.layers[:-1] if layer is None else (layer,)

    @torch.no_grad()
    def __call__(self, images: Tensor, labels: Tensor | None = None, batch_size: int = 64) -> Tensor:
        """Features (N, F).

        Args:
            images: (N, C, H, W) in [-1, 1], of the size that D has learnt from.
            labels: (N,), for a D that is told the class.
            batch_size: images of a pass; always 1 for a D that compares the images of a batch, so that the
                features of an image depend on no other one.

        Raises ValueError for images of another shape, and for labels that are missing.
        """
        if tuple(images.shape[1:]) != self.shape:
            raise ValueError(f"This D judges images of {list(self.shape)}, not {list(images.shape[1:])}.")
        if self.conditional and labels is None:
            raise ValueError("This D is told the class of an image: give labels=, too.")
        if not len(images):
            raise ValueError("There is no image to see anything in.")
        if any(isinstance(module, MINGLING) for module in self.D.modules()):
            batch_size = 1
        parts: list[Tensor] = []
        for start in range(0, len(images), batch_size):
            some = slice(start, start + batch_size)
            with self.watched(self.chosen) as seen:
                self.judge(images[some], None if labels is None else labels[some])
            parts.append(torch.cat([pooled(value) for value in seen.values()], 1).float().cpu())
        return torch.cat(parts)

    def judge(self, images: Tensor, labels: Tensor | None) -> None:
        batch = moved({"image": images} | ({} if labels is None else {"label": labels}), self.D)
        apply(self.D, batch["image"], batch["label"] if self.conditional else None)

    @contextmanager
    def watched(self, wanted: tuple[str, ...] | None) -> Iterator[dict[str, Tensor]]:
        """Outputs by layer, as they come; None = all layers."""
        seen: dict[str, Tensor] = {}

        def watch(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
            def keep(_: nn.Module, __: object, output: Tensor) -> None:
                seen[name] = output

            return module.register_forward_hook(keep)

        layers = {name: module for name, module in self.D.named_modules() if is_weighted(module)}
        hooks = [watch(name, module) for name, module in layers.items() if wanted is None or name in wanted]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()


def pooled(value: Tensor) -> Tensor:
    """(N, C, H, W) or (N, F) to (N, F')."""
    if value.ndim == 4:
        height, width = value.shape[2:]
        value = adaptive_max_pool2d(value, (min(height, GRID), min(width, GRID)))
    return value.flatten(1)
