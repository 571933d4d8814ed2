"""The format that gantool itself opens again: weights and a card, in one file that cannot run anything."""

from pathlib import Path
from typing import final

import torch

from gantool import artefact
from gantool.formats.format import Format, Rows, Subject


@final
class Safetensors(Format):
    """Weights as they are, and the card in the metadata; `run=FILE` and `gantool.load(FILE)` open it."""

    suffix = ".safetensors"

    def check(self, subject: Subject) -> None:
        if subject.direction is not None:
            raise ValueError(
                f"direction={subject.direction}: a file of safetensors holds both generators; leave it out."
            )

    def write(self, subject: Subject, path: Path) -> Rows:
        artefact.write(subject.gan, subject.card, path)
        again, _ = artefact.load(path, trust=True)
        same = artefact.weights(again)
        for name, value in artefact.weights(subject.gan).items():
            if not torch.equal(value, same[name]):
                raise ValueError(f"out={path}: {name} did not come back as it was; is the disk in order?")
        return [("Opens with", f"gantool sample run={path}, or gantool.load({str(path)!r}) in Python")]
