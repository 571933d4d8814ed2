"""environment.json of a run: the versions and the machine that it was trained with."""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path

import torch

from gantool import __version__
from gantool.runs import record

FILE = "environment.json"


def environment() -> dict[str, str]:
    """Of this process."""
    gpus = [torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())]
    return {
        "gantool": __version__,
        "Python": platform.python_version(),
        "PyTorch": torch.__version__,
        "Lightning": version("pytorch-lightning"),
        "System": platform.platform(terse=True),
        "CPU": f"{processor()}, {torch.get_num_threads()} threads",
        "GPU": ", ".join(gpus) or "none",
    }


def note(folder: Path) -> None:
    """Of the process that trains from now on, in the place of one that trained before."""
    beside = (folder / FILE).with_suffix(".part")
    beside.write_text(json.dumps(environment(), indent=1) + "\n")
    beside.replace(folder / FILE)


def noted(folder: Path) -> dict[str, str] | None:
    """None of a run without the file. Raises ValueError where it is damaged."""
    file = folder / FILE
    return {name: str(text) for name, text in record(file).items()} if file.exists() else None


def processor() -> str:
    """As Linux names it, or else by its architecture."""
    file = Path("/proc/cpuinfo")
    text = file.read_text(errors="replace") if file.exists() else ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()
