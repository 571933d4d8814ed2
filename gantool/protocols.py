"""protocols.json of a run: what the measured columns of its metrics.csv mean."""

import json
from pathlib import Path

from gantool.runs import record

Protocols = dict[str, dict[str, str]]  # by column: its `direction`, minimize or maximize, and its `protocol`

FILE = "protocols.json"
KNOWN = {"direction", "protocol"}


def note(folder: Path, known: Protocols) -> None:
    """Beside what was noted before: a run may go on with other metrics."""
    beside = (folder / FILE).with_suffix(".part")
    beside.write_text(json.dumps(noted(folder) | known, indent=1) + "\n")
    beside.replace(folder / FILE)


def noted(folder: Path) -> Protocols:
    """Nothing of a run that measured nothing. Raises ValueError where the file is damaged."""
    file = folder / FILE
    found = record(file) if file.exists() else {}
    for column, known in found.items():
        if not isinstance(known, dict) or not known.keys() >= KNOWN:
            raise ValueError(f"{file} is damaged ({column} is without direction or protocol); delete it.")
    return found
