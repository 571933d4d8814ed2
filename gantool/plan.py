"""What is to be done in a training, for all its processes."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final


@final
@dataclass(frozen=True)
class Plan:
    """What every process of a training has to know.

    Attributes:
        config: resolved, as plain containers.
        folder: of the run.
        checkpoint: to go on from; None = from the start.
        clock: of the checkpoint.
        processes: that wrote it.
        choices: of the command line that began the run, by key; empty where it goes on.
    """

    config: dict[str, Any]
    folder: str
    checkpoint: str | None = None
    clock: dict[str, int] | None = None
    processes: int = 1
    choices: dict[str, Any] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)))

    @staticmethod
    def read(file: Path) -> "Plan":
        return Plan(**json.loads(file.read_text()))
