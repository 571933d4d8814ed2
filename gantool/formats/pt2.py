"""pt2: what torch.export writes, a generator for PyTorch without gantool, in Python or C++."""

import json
import warnings
from pathlib import Path
from typing import final

import torch

from gantool.formats.drawing import drawing_of
from gantool.formats.format import Format, Rows, Subject
from gantool.formats.onnx import compared

CARD = "gantool.json"


@final
class PT2(Format):
    """`torch.export.load(FILE).module()` takes what ONNX takes, in that order; the card is an extra file."""

    suffix = ".pt2"

    def check(self, subject: Subject) -> None: ...

    def write(self, subject: Subject, path: Path) -> Rows:
        drawing = drawing_of(subject)
        with torch.no_grad():
            program = torch.export.export(
                drawing.module, tuple(drawing.inputs.values()), dynamic_shapes=drawing.dynamic
            )
        card = json.dumps(subject.card | {"multiple": drawing.multiple})
        beside = path.with_name(f".{path.stem}.part.pt2")
        try:
            with warnings.catch_warnings():  # of weights that might not be on the CPU, where all are
                warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)
                torch.export.save(program, beside, extra_files={CARD: card})
            module = torch.export.load(beside).module()
            rows = compared(drawing, lambda inputs: module(*inputs.values()), "pt2")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return rows
