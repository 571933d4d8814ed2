"""Wrong requests, told in one line, and what somebody may have meant by a misspelt word."""

import difflib
import sys
from collections.abc import Sequence
from typing import NoReturn

FEW = 30  # as many choices fit into an error message


class Mistake(ValueError):
    """A wrong request. Its sentence names the culprit, the value and the cure."""


def stop(sentence: object) -> NoReturn:
    print(f"gantool: {sentence}", file=sys.stderr)
    sys.exit(2)


def nearest(word: str, choices: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(word.lower(), choices, n=3, cutoff=0.6)


def suggestion(word: str, choices: Sequence[str]) -> str:
    """`Nearest: dcgan. All: dcgan, vanilla.` Either half is left out where it would not help."""
    close = nearest(word, choices)
    halves = [f"Nearest: {', '.join(close)}."] if close else []
    if 0 < len(choices) <= FEW:
        halves.append(f"All: {', '.join(choices)}.")
    return " ".join(halves)
