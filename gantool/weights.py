"""Pretrained weights of other people's networks: from torch's cache, the network, or a file of yours."""

import hashlib
import os
import re
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from gantool.data.fetch import download
from gantool.data.lock import locked

PIECE = 1 << 20  # bytes hashed at once


def pretrained(url: str, key: str, path: str | Path | None = None) -> dict[str, Tensor]:
    """Tensors by name, on the CPU. Nothing but tensors is unpickled.

    Without `path` they are the file that `url` ends in, in torch's cache ($TORCH_HOME/hub/checkpoints); it is
    fetched if it is not there, by one process while others wait.

    Raises ValueError where there is no such file and no network, or where it holds anything else.

    Args:
        url: of the file; what follows the last dash of its name begins the file's SHA-256.
        key: what chooses another file, as one types it: `perceptual.weights=PATH`.
        path: of another file.
    """
    if path is not None and not Path(path).is_file():
        raise ValueError(f"{path} is no file of weights; give {key}.")
    file = fetched(url, key) if path is None else Path(path)
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # OSError, pickle.UnpicklingError, and what torch makes of damaged files
        raise ValueError(f"{file} cannot be read as weights: delete it, or give {key}.") from error
    plain = isinstance(weights, dict) and all(isinstance(value, Tensor) for value in weights.values())
    if not plain:
        raise ValueError(f"{file} holds no plain table of tensors by name; give {key}.")
    return dict(weights)


def fetched(url: str, key: str) -> Path:
    """The file in torch's cache. Raises ValueError where it neither is there nor can be fetched."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / url.rpartition("/")[2]
    if file.is_file():
        return file
    try:
        with locked(folder / f".{file.name}.lock"):
            if not file.is_file():
                put(url, file)
    except (OSError, HTTPException) as error:
        reason = str(error).strip() or "no answer"
        raise ValueError(
            f"{file.name} is not in {folder}, and could not be fetched ({reason}): put it there, from {url}, "
            f"or give {key}."
        ) from error
    return file


def put(url: str, file: Path) -> None:
    """Fetch a file; it is there only when it is complete."""
    part = file.with_name(f".{file.name}.part")
    try:
        download(url, part)
        verify(part, file.name)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def verify(file: Path, name: str) -> None:
    """Raise OSError for a file that is not what the end of its name says."""
    beginning = re.search(r"-([0-9a-f]{8,})\.", name)
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(PIECE):
            digest.update(piece)
    if beginning and not digest.hexdigest().startswith(beginning[1]):
        raise OSError("the file arrived damaged")
