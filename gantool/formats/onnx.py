"""ONNX: a generator for programs without PyTorch."""

import importlib.util
import json
import logging
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from gantool.formats.drawing import Drawing, drawing_of
from gantool.formats.format import Format, Rows, Subject

CHATTY = ("onnx_ir", "onnxscript")  # their loggers tell each pass over the graph
NEEDED = ("onnx", "onnxscript", "onnxruntime")
ALLOWED = 1e-3  # largest difference from PyTorch, of images in [-1, 1]
COUNTS = (1, 3)  # images of the batches that are compared, unlike those of the example
LATENCY = (1, 8, 32)  # images of the batches that are timed
REPEATS = 5


@final
class ONNX(Format):
    """`latent` (N, Z), and `label` (N,) where there are classes, or `source` (N, C', H, W), to `image`.

    The size of the batch is free, and that of a source, in multiples of what the network halves. The card
    lies in the metadata of the model, under `gantool`.

    Args:
        latency: also measure both, by batches of 1, 8 and 32 images.
    """

    suffix = ".onnx"

    def __init__(self, latency: bool = False):
        if latency not in (True, False):
            raise ValueError(f"format.latency={latency}: give true or false.")
        self.latency = latency

    def check(self, subject: Subject) -> None:
        missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
        if missing:
            raise ValueError(f"format=onnx needs {', '.join(missing)}: pip install 'gantool[export]'.")

    def write(self, subject: Subject, path: Path) -> Rows:
        drawing = drawing_of(subject)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)  # that all inputs share one
            program = exported(drawing)
        card = subject.card | {"multiple": drawing.multiple}
        program.model.metadata_props["gantool"] = json.dumps(card)
        beside = path.with_name(f".{path.name}.part")
        try:
            program.save(beside, external_data=False)
            run = runtime(beside)
            rows = compared(drawing, run, "onnx")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        return [*rows, *(timed(drawing, run) if self.latency else [])]


def exported(drawing: Drawing) -> torch.onnx.ONNXProgram:
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    program = torch.onnx.export(
        drawing.module,
        tuple(drawing.inputs.values()),
        input_names=list(drawing.inputs),
        output_names=["image"],
        dynamic_shapes=drawing.dynamic,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert program is not None
    return program


Run = Callable[[dict[str, Tensor]], Tensor]


def runtime(path: Path) -> Run:
    """The model in a file, run by onnxruntime on the CPU."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])

    def run(inputs: dict[str, Tensor]) -> Tensor:
        [image] = session.run(["image"], {name: value.numpy() for name, value in inputs.items()})
        return torch.from_numpy(image)

    return run


def compared(drawing: Drawing, run: Run, form: str) -> Rows:
    """What a written file takes, and how its images compare; raises ValueError where they are others."""
    worst = 0.0
    for count in COUNTS:
        inputs = drawing.others(count)
        worst = max(worst, (run(inputs) - drawing(inputs)).abs().max().item())
    if not worst <= ALLOWED:
        raise ValueError(
            f"format={form}: images differ by {worst:.2g} from PyTorch's, more than {ALLOWED}: nothing is "
            "written; use format=safetensors."
        )
    return [*drawing.rows, ("Largest difference", f"{worst:.2g} from PyTorch, of images in [-1, 1]")]


def timed(drawing: Drawing, run: Run) -> Rows:
    """Milliseconds of a batch: the best of some, one after the other in turn."""
    rows: Rows = []
    for count in LATENCY:
        inputs = drawing.others(count)
        best = {"PyTorch": float("inf"), "onnxruntime": float("inf")}
        for _ in range(REPEATS + 1):  # the first warms up
            for name, make in (("PyTorch", drawing), ("onnxruntime", run)):
                began = time.perf_counter()
                make(inputs)
                best[name] = min(best[name], time.perf_counter() - began)
        text = ", ".join(f"{name} {1000 * seconds:.2f} ms" for name, seconds in best.items())
        rows.append((f"Batch of {count}", text))
    return rows
