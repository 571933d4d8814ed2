"""protocols.json of a run: what the measured columns of its metrics.csv mean."""

import json
from pathlib import Path

Protocols = dict[str, dict[str, str]]  # by column: its `direction`, minimize or maximize, and its `protocol`

FILE = "protocols.json"


def note(folder: Path, known: Protocols) -> None:
    """Beside what was noted before: a run may go on with other metrics."""
    beside = (folder / FILE).with_suffix(".part")
    beside.write_text(json.dumps(noted(folder) | known, indent=1) + "\n")
    beside.replace(folder / FILE)


def noted(folder: Path) -> Protocols:
    """Nothing of a run that measured nothing."""
    file = folder / FILE
    return json.loads(file.read_text()) if file.exists() else {}
