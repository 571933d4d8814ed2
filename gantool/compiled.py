"""Networks through torch.compile: PyTorch 2, Ansel et al. (2024), ASPLOS, doi:10.1145/3620665.3640366."""

import shutil
import warnings
from typing import Any

import torch

from gantool.tasks.task import Task
from gantool.teams import members

COMPILERS = ("g++", "clang++", "cl")


def backend_of(value: Any) -> str | None:
    """What `compile=` asks for: None, or a backend of torch.compile. Raises ValueError for another word."""
    if value is False or value is None:
        return None
    known = ["aot_eager", *torch.compiler.list_backends()]
    if value is not True and value not in known:
        raise ValueError(f"compile={value}: give true, false, or a backend of torch: {', '.join(known)}.")
    if value in (True, "inductor") and not any(shutil.which(compiler) for compiler in COMPILERS):
        raise ValueError("compile=true needs a C++ compiler, and none is here: install g++, or drop compile.")
    return "inductor" if value is True else value


def compile_players(task: Task, backend: str) -> None:
    """Compile every network of both players, in place: the names of their weights stay.

    The averaged generator, a copy made before, stays as it is, and so do the passes of penalties.
    """
    # torch looks at the gradient of every input, G's images for D among them.
    warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
    for player in (task.G, task.D):
        for network in members(player):
            network.compile(backend=backend)
