"""Where runs lie: `run=` and `resume=` take a run folder, a checkpoint file, or `latest`.

`run=` also takes a file that `gantool export` has written, which may lie anywhere, or hf://OWNER/NAME.
"""

import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gantool import hub
from gantool.mistakes import FEW, suggestion

OUTPUTS = Path("outputs")
EXPORTED = ".safetensors"


def one(run: Any) -> str:
    """What `run=` names, of which a folder `0` comes as a number. Raises ValueError for several."""
    if OmegaConf.is_config(run) or isinstance(run, list | tuple | dict):
        raise ValueError(f"run={run}: give one run.")
    return str(run)


def find(run: Any) -> Path:
    """The folder of a run: the one that holds its config.yaml; of an exported file, that in which it lies.

    Of hf://OWNER/NAME one below outputs/, which may not exist yet.
    """
    run = one(run)
    if run == "latest":
        return latest()
    if run.startswith(hub.SCHEME):
        return hub.place(run)
    path = Path(run).expanduser()
    if not path.exists():
        raise ValueError(f"There is no run {run}. {_choices(run)}")
    if path.suffix == EXPORTED and path.is_file():
        return path.parent
    if path.is_file() and path.suffix != ".ckpt":
        raise ValueError(f"{run} is neither a run's folder, nor a checkpoint (.ckpt), nor a {EXPORTED} file.")
    folder = path if path.is_dir() else path.parent.parent  # RUN/checkpoints/last.ckpt
    if not (folder / "config.yaml").is_file():
        inside = [str(file.parent) for file in sorted(folder.glob("*/config.yaml"))] if path.is_dir() else []
        choices = f"Runs inside it: {', '.join(inside)}." if inside else _choices(run)
        raise ValueError(f"{run} is of no run: {folder} holds no config.yaml. {choices}")
    return folder


def checkpoint(run: Any) -> Path:
    """The checkpoint that `run` names: itself, or the last one of its run."""
    run = one(run)
    if run.startswith(hub.SCHEME):
        return hub.fetch(run)
    path = Path(run).expanduser()
    if path.suffix in (".ckpt", EXPORTED) and path.is_file():
        return path
    folder = find(run)
    last = folder / "checkpoints" / "last.ckpt"
    if not last.is_file():
        others = sorted(str(file) for file in last.parent.glob("*.ckpt"))
        cure = f"Name one of {', '.join(others)}." if others else "Its training has not got that far yet."
        raise ValueError(f"Run {folder} has no checkpoints/last.ckpt. {cure}")
    return last


def record(file: Path) -> dict[str, Any]:
    """What a run has noted in a JSON file. Raises ValueError for one that is damaged."""
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}); delete it.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file} is damaged (it holds no names); delete it.")
    return found


def latest() -> Path:
    """The run below outputs/ whose config.yaml is the newest."""
    runs = _newest_first()
    if not runs:
        raise ValueError(f"There is no run below {OUTPUTS.resolve()}. Train one: gantool train")
    return runs[0]


def _newest_first() -> list[Path]:
    files = {file for pattern in ("*/*", "sweeps/*/*") for file in OUTPUTS.glob(f"{pattern}/config.yaml")}
    return [file.parent for file in sorted(files, key=lambda file: (-file.stat().st_mtime_ns, str(file)))]


def _choices(run: str) -> str:
    runs = _newest_first()
    if not runs:
        return f"None lies below {OUTPUTS.resolve()}."
    return suggestion(run, [str(folder) for folder in runs[:FEW]])
