"""Captions as numbers: which words there are, and the place of each."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, final

import torch
from torch import Tensor

PADDING, UNKNOWN = "<pad>", "<unknown>"
JOINTS = "'’-"  # within a word, not at its ends
WORD = re.compile(rf"[^{JOINTS}]+(?:[{JOINTS}][^{JOINTS}]+)*")


@final
class Vocabulary:
    """The words that captions are read by, each by its place; 0 fills up, 1 is a word that is none of them.

    Args:
        words: in the order of their places, the two special ones in front.

    Raises ValueError for a list that is no vocabulary.
    """

    def __init__(self, words: Sequence[str]):
        self.words = list(words)
        self.places = {word: place for place, word in enumerate(self.words)}
        if self.words[:2] != [PADDING, UNKNOWN] or len(self.places) != len(self.words):
            raise ValueError(
                f"data.vocabulary={self.words[:5]}…: a vocabulary begins with {PADDING} and {UNKNOWN}, and "
                "has each word once."
            )

    @classmethod
    def of(cls, captions: Iterable[str], least: int = 1) -> "Vocabulary":
        """Of all words that occur so often at least, in alphabetical order."""
        counts = Counter(word for caption in captions for word in words_of(caption))
        return cls([PADDING, UNKNOWN, *sorted(word for word, count in counts.items() if count >= least)])

    def __len__(self) -> int:
        return len(self.words)

    def __call__(self, captions: Sequence[str], longest: int | None = None) -> Tensor:
        """Places of words, (N, T), int64, filled up with 0 at the end.

        Args:
            captions: of one word or more each.
            longest: T, what is longer is cut off; None = the longest of these.
        """
        read = [[self.places.get(word, 1) for word in words_of(caption)] for caption in captions]
        length = max(map(len, read)) if longest is None else longest
        return torch.tensor([(row + [0] * length)[:length] for row in read], dtype=torch.long)

    @property
    def facts(self) -> dict[str, Any]:
        """What a configuration has to know to read captions in the same way."""
        return {"vocabulary": self.words, "words": len(self), "embedding": 0}

    def text(self, tokens: Tensor) -> str:
        """Of places (T,): the caption, as far as these words can say it."""
        return " ".join(self.words[place] for place in tokens.tolist() if place)

    def unknown(self, caption: str) -> list[str]:
        """Words of a caption that are none of these, each once."""
        return [word for word in dict.fromkeys(words_of(caption)) if word not in self.places]


def words_of(caption: str) -> list[str]:
    """In lower case, without what stands between them; letters keep their accents and vowel signs."""
    text = unicodedata.normalize("NFC", caption.lower())
    parts = "".join(sign if is_letter(sign) or sign in JOINTS else " " for sign in text).split()
    return [word for part in parts for word in WORD.findall(part)]


@cache
def is_letter(sign: str) -> bool:
    """Whether words are written with it: a letter, a digit, or a mark on one."""
    return sign.isalnum() or sign == "_" or unicodedata.category(sign).startswith("M")
