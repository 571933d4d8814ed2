"""Images decoded from their files when asked for: for sets that do not fit into memory."""

import logging
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from gantool.data.files import Files, Lost
from gantool.data.image_set import Batch, ImageSet, InMemory
from gantool.data.pictures import Pictures
from gantool.data.resize import Format
from gantool.data.threads import in_threads

NEIGHBOURS = 10  # images tried in place of an unreadable one before giving up
log = logging.getLogger(__name__)


@final
class Streamed(ImageSet):
    """Files in one format. Can be pickled, and used in any number of processes.

    Args:
        labels: (N,) class indices, or None.
        names: one name per class; () without labels.
        replace: show the next readable image in place of one that has become unreadable, with a warning,
            instead of raising an error.
    """

    streamed = True

    def __init__(
        self,
        files: Files,
        form: Format,
        labels: Tensor | None = None,
        names: Sequence[str] = (),
        replace: bool = False,
    ):
        self.files = files
        self.form = form
        self.labels = labels
        self.names = tuple(names)
        self.shape = form.shape
        self.replace = replace
        self.stretches = files.stretches
        self._reported: set[int] = set()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        images, positions = zip(*(self._nearest(int(index)) for index in indices), strict=True)
        batch = {"image": torch.from_numpy(np.stack(images))}
        if self.labels is not None:
            batch["label"] = self.labels[list(positions)].long()
        return batch

    def in_memory(self) -> InMemory:
        """All of it, decoded once."""
        images = np.empty((len(self), *self.shape), self.form.dtype)

        def place(index: int) -> int:
            images[index], position = self._nearest(index)
            return position

        positions = list(in_threads(place, range(len(self)), "Loading images"))
        labels = None if self.labels is None else self.labels[positions].numpy()
        return InMemory(images, labels, self.names)

    def _nearest(self, index: int) -> tuple[np.ndarray, int]:
        """An image, (C, H, W), and its position: `index`, or the next one that can be read."""
        for step in range(min(NEIGHBOURS, len(self))):
            position = (index + step) % len(self)
            try:
                return self._image(position), position
            except Lost:
                raise
            except ValueError as error:
                if not self.replace:
                    raise
                if position not in self._reported:
                    self._reported.add(position)
                    log.warning("%s Another image is shown in its place.", error)
        raise ValueError(
            f"{NEIGHBOURS} images in a row cannot be read from {self.files.place}; is it still there?"
        )

    def _image(self, position: int) -> np.ndarray:
        return self.form(Pictures(self.files)[position])
