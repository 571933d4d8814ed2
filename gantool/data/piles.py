"""Two piles of images without pairs: what CycleGAN learns from, Zhu et al. (2017), arXiv:1703.10593."""

from collections.abc import Sequence
from typing import Literal, final

from gantool.data import sides
from gantool.data.held_out import part
from gantool.data.image_set import Batch, ImageSet, Walk
from gantool.data.sides import Side
from gantool.seeds import mix


@final
class Piles(ImageSet):
    """`a` and `b`, of two sets of any lengths, each walked through for itself.

    So every image is shown once in each epoch of its own pile, with whichever partner, and is
    mirrored and cropped for itself. The length is that of the larger pile. Index i below it means image i of
    both piles, the smaller one repeated; from there on come all combinations of indices of both.
    """

    entries = ("a", "b")

    def __init__(self, a: ImageSet, b: ImageSet):
        self.a, self.b = a, b
        self.shape, self.source_shape = b.shape, a.shape
        self.names, self.labels = (), None
        self.streamed = a.streamed or b.streamed

    def __len__(self) -> int:
        return max(len(self.a), len(self.b))

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        of_a, of_b = zip(*map(self.both, indices), strict=True)
        return {"a": self.a[of_a]["image"], "b": self.b[of_b]["image"]}

    def walk(self, seed: int) -> Walk:
        of_a, of_b = self.a.walk(mix(seed, "a")), self.b.walk(mix(seed, "b"))
        count, base = len(self), len(self.b) * self.b.ways

        def walk(start: int, length: int) -> list[int]:
            return [
                count + one * base + other
                for one, other in zip(of_a(start, length), of_b(start, length), strict=True)
            ]

        return walk

    def both(self, index: int) -> tuple[int, int]:
        """The indices of the images of both piles."""
        if index < len(self):
            return index % len(self.a), index % len(self.b)
        one, other = divmod(index - len(self), len(self.b) * self.b.ways)
        return one, other

    def mirrored(self) -> ImageSet:
        return Piles(self.a.mirrored(), self.b.mirrored())


def two_folders(
    path: str | None = None,
    a: str | None = None,
    b: str | None = None,
    resolution: int | Sequence[int] | None = None,
    channels: int | None = None,
    source_channels: int | None = None,
    fit: str = "crop",
    background: str = "white",
    jitter: int = 0,
    hold_out: int = 0,
    on_corrupt: str = "skip",
    in_memory: Literal["auto"] | bool = "auto",
    memory: int = 2_000_000_000,
    held_out: bool = False,
) -> ImageSet:
    """The set that conf/data/two_folders.yaml describes, where each argument is explained.

    Args:
        held_out: the images that training never sees, instead of the others.
    """
    sides.check(on_corrupt, in_memory, jitter)
    found = survey(path, a, b)
    for side in found:
        sides.tell_corrupt(side, on_corrupt)
    size = sides.size_of(resolution, *found)
    whole = size if held_out else sides.enlarged(size, jitter)
    forms = sides.forms_of(found, whole, channels, source_channels, fit, background)
    kept = [side.chosen(part(len(side), hold_out, held_out)) for side in found]
    hold = sides.held([(form, len(side)) for form, side in zip(forms, kept, strict=True)], in_memory, memory)
    return Piles(
        *(
            sides.jittered(side.stored(form, hold, skip=on_corrupt == "skip"), size)
            for side, form in zip(kept, forms, strict=True)
        )
    )


def survey(path: str | None, a: str | None, b: str | None) -> tuple[Side, Side]:
    """The images of both piles."""
    for key, folder in (("a", a), ("b", b)):
        if folder is None:
            raise ValueError(
                f"data.{key} is missing: give data.a=DIR data.b=DIR, two folders or zips of images; or "
                "data.path=DIR and folders below it."
            )
    return sides.look("a", path, a), sides.look("b", path, b)
