"""Images with captions: what is true of each, and what is not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import Tensor

from gantool.data.image_set import Batch, ImageSet
from gantool.data.vocabulary import words_of
from gantool.seeds import mix

WAYS = 2**40  # to choose a caption of an image and one of another: so many that all are equally likely
EXAMPLES = 64  # captions that a run remembers
TRIES = 100
STEP = 8  # words by which batches of captions differ in length
SIDES = {"left", "right"}  # words that a mirror makes false


class Reader(Protocol):
    """Makes numbers of captions."""

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """(N, T) places of words, or (N, E) embeddings."""
        ...

    @property
    def facts(self) -> dict[str, Any]:
        """What a configuration has to know to read other captions in the same way."""
        ...


@final
@dataclass(frozen=True)
class Claims:
    """What captions say, where that is known exactly; -1 where nothing is said, or there is nothing.

    Attributes:
        names: of A attributes, each with its values.
        attributes: (N, A), of the images.
        claimed: (U, A), of the captions.
    """

    names: dict[str, tuple[str, ...]]
    attributes: np.ndarray
    claimed: np.ndarray

    def true(self, image: int) -> np.ndarray:
        """Which captions are true of an image: (U,), bool."""
        return ((self.claimed == -1) | (self.claimed == self.attributes[image])).all(1)

    def holds(self, image: int, number: int) -> bool:
        """Whether this caption is."""
        claimed = self.claimed[number]
        return bool(((claimed == -1) | (claimed == self.attributes[image])).all())

    def count(self, image: int) -> int:
        """How many are."""
        return int(self.true(image).sum())

    def contrary(self, number: int) -> np.ndarray:
        """Which captions cannot be true where this one is: (U,), bool."""
        said = (self.claimed != -1) & (self.claimed[number] != -1)
        return (said & (self.claimed != self.claimed[number])).any(1)


@final
class Alike:
    """A caption is true of the images that have it, or one that reads the same, and of no other.

    Args:
        codes: of the captions, (U, T) or (U, E): equal where they read the same.
        own: the captions of an image.
    """

    def __init__(self, codes: Tensor, own: Callable[[int], list[int]]):
        self.same = codes.unique(dim=0, return_inverse=True)[1].numpy()  # (U,), equal for equal codes
        self.counts, self.own = np.bincount(self.same), own

    def true(self, image: int) -> np.ndarray:
        """As Claims has it."""
        true = np.zeros(len(self.same), bool)
        true[self.same[self.own(image)]] = True  # by the numbers of what reads the same
        return true[self.same]

    def holds(self, image: int, number: int) -> bool:
        return bool((self.same[self.own(image)] == self.same[number]).any())

    def count(self, image: int) -> int:
        return int(self.counts[np.unique(self.same[self.own(image)])].sum())


@final
class Captioned(ImageSet):
    """A set whose batches hold `caption`, true of each image, and `mismatch`, true of another one alone.

    Both are (N, T) or (N, E). In way 0 the caption is the first one of the image; in every other way chance
    has chosen both.

    Args:
        images: which can be shown in one way only.
        captions: of each image, one or more.
        reader: makes numbers of them.
        texts: all captions, each once; None = those that there are.
        claims: what is known of these; None = a caption is true of the images that have it, or one that reads
            the same, and of no other.

    Raises ValueError for images without captions, captions without words, and where no caption is false.
    """

    def __init__(
        self,
        images: ImageSet,
        captions: Sequence[Sequence[str]],
        reader: Reader,
        texts: Sequence[str] | None = None,
        claims: Claims | None = None,
    ):
        assert images.ways == 1
        assert len(captions) == len(images)
        self.images, self.shape, self.streamed = images, images.shape, images.streamed
        self.names, self.labels, self.stretches = images.names, images.labels, images.stretches
        self.ways, self.reader, self.claims = WAYS, reader, claims
        self.texts = list(dict.fromkeys(one for some in captions for one in some) if texts is None else texts)
        numbers = {text: number for number, text in enumerate(self.texts)}
        self.bounds = np.cumsum([0, *map(len, captions)])  # (N + 1,)
        self.numbers = np.array([numbers[one] for some in captions for one in some])  # (M,), of texts
        self.refuse_empty()
        self.codes = reader(self.texts)  # (U, T), or (U, E)
        self.truth = Alike(self.codes, self.own) if claims is None else claims
        self.refuse_true()

    def refuse_empty(self) -> None:
        if not np.diff(self.bounds).all():
            raise ValueError(f"Image {int(np.diff(self.bounds).argmin())} has no caption; give it one.")
        for text in self.texts:
            if not words_of(text):
                raise ValueError(f"The caption {text!r} has no words; write some, or leave it out.")

    def refuse_true(self) -> None:
        hopeless = (place for place in range(len(self)) if self.truths(place) == len(self.texts))
        if (place := next(hopeless, None)) is not None:
            raise ValueError(
                f"Every caption reads as one that is true of image {place}, such as {self.texts[0]!r}: no "
                "model can learn what captions mean from that; give captions that differ."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        count = len(self.images)
        places = [(index % count, index // count) for index in indices]  # and ways
        chosen = [self.chosen(place, way) for place, way in places]
        own, other = self.trimmed(self.codes[torch.tensor(chosen)]).unbind(1)
        batch = self.images[[place for place, _ in places]]
        return {**batch, "caption": own, "mismatch": other}

    def trimmed(self, codes: Tensor) -> Tensor:
        """(..., T) as short as the longest caption allows, in steps; (..., E) as it is."""
        if codes.is_floating_point():
            return codes
        longest = int((codes != 0).sum(-1).max()) if codes.numel() else 0
        return codes[..., : max(1, -(-longest // STEP)) * STEP]

    def captions(self, indices: Sequence[int]) -> list[str]:
        count = len(self.images)
        return [self.texts[self.chosen(index % count, index // count)[0]] for index in indices]

    def chosen(self, place: int, way: int) -> tuple[int, int]:
        """Of an image in some way: a caption that is true of it, and one that is not."""
        own = self.own(place)
        return own[mix("caption", way, place) % len(own) if way else 0], self.false(place, way)

    def first(self, places: Sequence[int]) -> Tensor:
        """The first caption of each image: (N, T) or (N, E)."""
        return self.codes[[self.own(place)[0] for place in places]]

    def own(self, place: int) -> list[int]:
        """The captions of an image."""
        return self.numbers[self.bounds[place] : self.bounds[place + 1]].tolist()

    def true(self, place: int) -> np.ndarray:
        """Which captions are true of an image: (U,), bool."""
        return self.truth.true(place)

    def truths(self, place: int) -> int:
        """How many captions are true of an image."""
        return self.truth.count(place)

    def contraries(self, place: int) -> int:
        """How many captions `contrary` finds."""
        if self.claims is not None:
            return int(self.contrary(place).sum())
        return len(self.texts) - self.truths(place)

    def contrary(self, place: int) -> np.ndarray:
        """Which captions are true of nothing that the first caption of an image can mean: (U,), bool.

        Where nothing is known of that, those that are not true of the image.
        """
        return ~self.true(place) if self.claims is None else self.claims.contrary(self.own(place)[0])

    def false(self, place: int, way: int) -> int:
        """A caption that is not true of an image, each as likely as it is frequent."""
        for attempt in range(TRIES):
            number = int(self.numbers[mix("mismatch", way, place, attempt) % len(self.numbers)])
            if not self.truth.holds(place, number):
                return number
        false = np.flatnonzero(~self.true(place))
        return int(false[mix("rare", way, place) % len(false)])

    def mirrored(self) -> ImageSet:
        """Raises ValueError where captions tell left from right."""
        if told := next((text for text in self.texts if SIDES & {*words_of(text)}), None):
            raise ValueError(f"data.mirror=true would make captions false, such as {told!r}: leave it out.")
        return super().mirrored()

    @property
    def facts(self) -> dict[str, Any]:
        step = max(1, len(self) // EXAMPLES)
        firsts = dict.fromkeys(self.texts[self.own(place)[0]] for place in range(0, len(self), step))
        return {**self.reader.facts, "examples": list(firsts)[:EXAMPLES]}
