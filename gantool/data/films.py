"""Frames that follow each other: what Recycle-GAN learns from, Bansal et al. (2018), arXiv:1808.05174."""

from collections.abc import Sequence
from typing import final

import numpy as np

from gantool.data.image_set import Batch, ImageSet, Walk
from gantool.data.piles import Piles


@final
class Reel(ImageSet):
    """Every window of consecutive frames of one side, none across two clips.

    `image` is (N, T C, H, W): the T frames of a window, joined along the channels, so that what happens to an
    image, such as a crop, happens to all frames of a window alike. T = 1 are plain frames.

    Args:
        frames: of all clips, one clip behind the other, each in its order.
        bounds: (S + 1,), clip s holds the frames from bounds[s] to bounds[s + 1].
        length: T.
        scenes: what happens in these clips, where that is known: two reels of equal scenes show the same at
            the same time. None = nobody knows.
    """

    def __init__(self, frames: ImageSet, bounds: np.ndarray, length: int, scenes: int | None = None):
        self.frames, self.bounds, self.length, self.scenes = frames, bounds, length, scenes
        channels, height, width = frames.shape
        self.shape = length * channels, height, width
        self.names, self.labels = (), None
        self.streamed = frames.streamed
        self.starts = np.concatenate(
            [
                np.arange(begin, max(begin, end - length + 1))
                for begin, end in zip(bounds[:-1], bounds[1:], strict=True)
            ]
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        places = self.starts[np.asarray(indices)][:, None] + np.arange(self.length)  # (N, T)
        frames = self.frames[places.flatten().tolist()]["image"]  # (N T, C, H, W)
        return {"image": frames.reshape(len(places), *self.shape)}

    def lasting(self, length: int) -> "Reel":
        """The same clips in other windows."""
        return Reel(self.frames, self.bounds, length, self.scenes)


@final
class Films(ImageSet):
    """Two sides of windows: `a0`, `a1`, … and `b0`, `b1`, …, each frame (N, C, H, W), in their order.

    Args:
        piles: of windows, whose frames are joined along the channels.
        length: frames of a window, T.
    """

    def __init__(self, piles: Piles, length: int):
        self.piles, self.length = piles, length
        self.entries = tuple(f"{side}{frame}" for side in "ab" for frame in range(length))
        self.source_shape, self.shape = (
            (it.shape[0] // length, it.shape[1], it.shape[2]) for it in (piles.a, piles.b)
        )
        self.names, self.labels = (), None
        self.streamed = piles.streamed

    def __len__(self) -> int:
        return len(self.piles)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return {
            f"{side}{frame}": images
            for side, windows in self.piles[indices].items()
            for frame, images in enumerate(windows.chunk(self.length, 1))
        }

    def walk(self, seed: int) -> Walk:
        return self.piles.walk(seed)

    def mirrored(self) -> ImageSet:
        mirrored = self.piles.mirrored()
        assert isinstance(mirrored, Piles)
        return Films(mirrored, self.length)


def films(a: ImageSet, b: ImageSet, length: int) -> ImageSet:
    """Two sides of windows; of single frames, where windows are no longer, two piles `a` and `b`."""
    piles = Piles(a, b)
    return piles if length == 1 else Films(piles, length)


def reels(images: ImageSet) -> tuple[Reel, Reel] | None:
    """Both sides of such a set, which know what follows what; None of a set of other images."""
    piles = images.piles if isinstance(images, Films) else images
    if isinstance(piles, Piles) and isinstance(piles.a, Reel) and isinstance(piles.b, Reel):
        return piles.a, piles.b
    return None


def kept(bounds: np.ndarray, hold_out: int, held_out: bool) -> np.ndarray:
    """The bounds of the clips for training, or else of those that are held out: the last frames of a side.

    A clip in which the held-out frames begin is cut in two. Raises ValueError for numbers that there are not.
    """
    total = int(bounds[-1])
    if not isinstance(hold_out, int) or isinstance(hold_out, bool) or not 0 <= hold_out < total:
        raise ValueError(f"data.hold_out={hold_out}: of {total} frames, give 0 to {total - 1}.")
    if held_out and not hold_out:
        raise ValueError("data.hold_out=0: training sees all frames; hold some out to have others.")
    cut = total - hold_out
    if held_out:
        return np.array([cut, *bounds[bounds > cut]])
    return np.array([*bounds[bounds < cut], cut])


def check_length(key: str, place: str, reel: Reel) -> None:
    """Raise ValueError where no clip holds a window."""
    if not len(reel):
        longest = int(np.diff(reel.bounds).max())
        raise ValueError(
            f"data.{key}={place}: the longest clip has {longest} frames, but {reel.length} that follow each "
            "other are needed; give longer clips, or hold out another number of frames."
        )
