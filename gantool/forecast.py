"""From what a few iterations took to what a training will take: how much there is to do, and its memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from omegaconf import DictConfig

from gantool.batches import iterations

ROOM = 0.9  # of what may be had: the rest is for what a few iterations did not show


@final
@dataclass(frozen=True)
class Length:
    """What is left of a run, in counts.

    Attributes:
        iterations: to be done.
        images: real images in them.
        pictures: in samples/.
        checkpoints: writings of last.ckpt.
        milestones: written, whether or not they stay.
    """

    iterations: int
    images: int
    pictures: int
    checkpoints: int
    milestones: int

    @staticmethod
    def of(cfg: DictConfig, seen: int) -> "Length":
        """From `seen` images to the end."""
        parts = [*iterations(cfg, seen)] or [(0, 1)]
        end = seen + sum(count * step for count, step in parts)
        step = max(step for _, step in parts)
        before = end - parts[-1][1]  # the last iteration writes
        return Length(
            iterations=sum(count for count, _ in parts),
            images=end - seen,
            pictures=writings(cfg.sample_every, seen, before, step) + 1,
            checkpoints=writings(cfg.checkpoint_every, seen, before, step) + 1,
            milestones=writings(cfg.milestone_every, seen, end, step),
        )


def writings(every: int, seen: int, end: int, step: int) -> int:
    """Iterations of `step` images between `seen` and `end` that pass a multiple of `every`; 0 = none does."""
    return min(end // every - seen // every, (end - seen) // step) if every else 0


@final
@dataclass(frozen=True)
class Memory:
    """What a training takes with micro-batches of several sizes: a constant, and so much for each image.

    Attributes:
        peaks: bytes by images of a micro-batch, as measured.
        limit: bytes that may be had.
    """

    peaks: dict[int, int]
    limit: int

    def of(self, size: int) -> int:
        """Bytes for micro-batches of `size` images: measured, or on the line through the two largest."""
        above = max(self.peaks)
        if size in self.peaks or len(self.peaks) < 2:
            return self.peaks.get(size, self.peaks[above])
        below = max(self.peaks.keys() - {above})
        slope = max(0.0, (self.peaks[above] - self.peaks[below]) / (above - below))
        return max(0, round(self.peaks[above] + slope * (size - above)))

    def fits(self, size: int) -> bool:
        return self.of(size) <= self.limit

    def advice(self, size: int) -> str | None:
        """What to do about micro-batches of `size` images; None if there is room for them."""
        if self.of(size) <= ROOM * self.limit:
            return None
        what = "is tight" if self.fits(size) else "does not fit"
        for smaller in halves(size):
            if self.of(smaller) <= ROOM * self.limit:
                return (
                    f"micro_batch={size} {what}; add micro_batch={smaller}: about {amount(self.of(smaller))}"
                )
        return f"micro_batch={size} {what}, and micro_batch=1 does not help; use a smaller batch_size"


def halves(size: int) -> Iterator[int]:
    """`size`, half of it and so on, down to 1; so that few micro-batches are smaller than the others."""
    yield size
    while size > 1:
        size = -(-size // 2)
        yield size


def amount(size: float) -> str:
    """812 MB for 812,000,000 bytes, 1.2 GB from a billion on."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.{0 if size >= 1e7 else 1}f} MB"
