"""Checkpoints: what is in one, how it is written so that it is never half there, how it is read safely."""

import os
from pathlib import Path
from typing import Any, final

import torch
from hydra.utils import instantiate
from lightning_fabric.plugins import TorchCheckpointIO
from omegaconf import DictConfig, OmegaConf
from torch import nn

from gantool.build import assemble, refuse_foreign_parts
from gantool.gan import GAN

SCHEMA = 7
ENTRY = 400  # bytes that a tensor's entry takes in a file beside its numbers


@final
class AtomicIO(TorchCheckpointIO):
    """Writes beside the file, then moves it into place: whoever is killed meanwhile still has the old one.

    Differs from Lightning's own, whose temporary file may be on another disk, where a move is a slow copy.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        try:
            with beside.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException as error:
            beside.unlink(missing_ok=True)
            cause = error.__cause__ if isinstance(error, RuntimeError) else error  # torch.save hides it
            if isinstance(cause, OSError) and cause.errno is not None:
                raise OSError(cause.errno, os.strerror(cause.errno), str(path)) from error
            raise


@final
class Scales(TorchCheckpointIO):
    """Weighs a checkpoint instead of writing it."""

    def __init__(self):
        self.weight = 0  # bytes

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        torch.save(checkpoint, self)  # pyright: ignore  # to torch, what can write is a file

    def write(self, data: bytes) -> int:
        self.weight += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def weight(gan: GAN) -> int:
    """Bytes of its checkpoints, before there is one: networks, and what the optimizers will remember."""
    tensors = list(gan.state_dict().values())
    total, count = sum(bytes_of(tensor) for tensor in tensors), len(tensors)
    for player, recipe in gan.recipes.items():
        toy = nn.Parameter(torch.zeros(32, 32))
        toy.grad = torch.zeros_like(toy)
        optimizer = recipe.optimizer([toy])
        optimizer.step()
        kept = [value for value in optimizer.state[toy].values() if isinstance(value, torch.Tensor)]
        learnt = sum(bytes_of(parameter) for parameter in gan.learning[player])
        total += round(learnt * sum(bytes_of(value) for value in kept) / bytes_of(toy))
        count += len(kept) * len(gan.learning[player])
    return total + ENTRY * count


def bytes_of(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def read(path: Path) -> dict[str, Any]:
    """A checkpoint's content, on the CPU; nothing but tensors and plain containers is unpickled.

    Raises ValueError if the file is none of ours.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except KeyError as error:  # an opcode of pickle that there is not
        raise ValueError(f"{path} cannot be read as a checkpoint: it is damaged, or none.") from error
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a checkpoint: {first_line(error)}") from error
    except Exception as error:  # pickle.UnpicklingError and its kin: somebody else's objects
        raise ValueError(
            f"{path} holds more than tensors and plain values, or is damaged: not loaded."
        ) from error
    if not isinstance(checkpoint, dict) or "gantool" not in checkpoint:
        raise ValueError(f"{path} is not a checkpoint of gantool: it has no configuration.")
    schema = checkpoint["gantool"]["schema"]
    if schema != SCHEMA:
        raise ValueError(
            f"{path} has format {schema}, this gantool reads {SCHEMA}: use the version that wrote it."
        )
    return checkpoint


def load(path: Path, trust: bool = False) -> tuple[GAN, DictConfig]:
    """The GAN of a checkpoint, on the CPU and ready to generate, and its configuration.

    Args:
        path: of the file.
        trust: build whatever classes the configuration names, not only ours and torch's.
    """
    checkpoint = read(path)
    plain = checkpoint["gantool"]["config"]
    if trust is not True:
        refuse_foreign_parts(plain)
    config: DictConfig = OmegaConf.create(plain)  # pyright: ignore
    gan = assemble(config, instantiate(config.task, _convert_="all"))
    gan.load_state_dict(checkpoint["state_dict"])
    gan.on_load_checkpoint(checkpoint)
    return gan.eval(), config


def first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
