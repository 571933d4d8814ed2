"""Corrupt images, named: in an error, or in a warning where enough is left to train on."""

import logging
from collections.abc import Mapping

NAMED = 5  # in a message
log = logging.getLogger(__name__)


def report(corrupt: Mapping[str, str], readable: int, place: object, fail: bool) -> None:
    """Raise ValueError if asked to, or if nothing is left; warn otherwise.

    Args:
        corrupt: name -> reason.
        readable: images that can be read.
        place: where they lie.
    """
    if not corrupt:
        return
    named = [f"{name} ({reason})" for name, reason in list(corrupt.items())[:NAMED]]
    if len(corrupt) > NAMED:
        named.append(f"and {len(corrupt) - NAMED} more")
    total = readable + len(corrupt)
    summary = f"{len(corrupt)} of {total} images in {place} cannot be read: {', '.join(named)}."
    if not readable:
        raise ValueError(f"{summary} None is left: give other files.")
    if fail:
        raise ValueError(f"{summary} Repair or delete them, or set data.on_corrupt=skip.")
    log.warning("%s They are skipped.", summary)
