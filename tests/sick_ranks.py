"""Trainings in which one process alone falls ill: `python sick_ranks.py FOLDER NAME PORT ...` in several.

Each writes FOLDER/RANK: of every case the exit code, what was told, what the curves showed, and the state.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from rich.console import Console
from small import composed, small
from torch import Tensor

from gantool import fit as module
from gantool.callbacks.curves import Curves
from gantool.divergence import gradients
from gantool.train import train

PLAIN = ("model.G.norm=none", "model.D.norm=none", "trainer.precision=64-true")
HEALTHY: dict[str, tuple[str, ...]] = {
    "without batch norm": PLAIN,
    "noise on reals, packs": (*PLAIN, "task.dequantize=true", "task.pack=2"),
    "batch norm over all": ("trainer.sync_batchnorm=true", "trainer.precision=64-true"),
}
LOOKED_AFTER = ("images=64", "log_every=1", "health_every=16", "checkpoint_every=32", "sample_every=0")
LONG = ("images=128", "log_every=1", "checkpoint_every=32", "sample_every=0", "health_every=0", "ema=100")
ADAPTIVE = ("augment=ada", "augment.ada.p.images=100", "augment.ada.p.every=1")


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it, nobody writes anything."""


@dataclass(frozen=True)
class Case:
    """What to train, and in which iteration what happens to which process.

    Attributes:
        overrides: of the configuration.
        image: (iteration, rank) in which an image is no number.
        gradient: in which a gradient of D is infinite.
        weight: in which a weight of G becomes infinite.
        kill: before which all processes are killed.
        folder: of the run, where it is that of another case.
    """

    overrides: tuple[str, ...]
    image: frozenset[tuple[int, int]] = frozenset()
    gradient: frozenset[tuple[int, int]] = frozenset()
    weight: frozenset[tuple[int, int]] = frozenset()
    kill: int | None = None
    folder: str | None = None


def case(*overrides: str, kill: int | None = None, folder: str | None = None, **ill: Any) -> Case:
    return Case((*LONG, *overrides), kill=kill, folder=folder, **{k: frozenset(v) for k, v in ill.items()})


BACK = ("on_divergence=rollback", *ADAPTIVE)
SKIP = ("on_divergence=ignore", *ADAPTIVE)
TWICE: dict[str, Any] = {"image": [(6, 1)], "gradient": [(10, 0)]}
CASES: dict[str, Case] = {
    **{name: Case((*LOOKED_AFTER, *overrides)) for name, overrides in HEALTHY.items()},
    "stop": case(image=[(6, 1)]),
    "stop, gradient": case(gradient=[(6, 1)]),
    "stop, weight": case(weight=[(7, 1)]),
    "rollback": case(*BACK, **TWICE),
    "rollback, weight": case(*BACK, weight=[(7, 1)]),
    "rollback, killed": case(*BACK, **TWICE, kill=14, folder="killed"),
    "rollback, resumed": case(*BACK, "resume=auto", **TWICE, folder="killed"),
    "rollback, used up": case(*BACK, "rollback.times=1", **TWICE),
    "ignore": case(*SKIP, **TWICE),
    "ignore, killed": case(*SKIP, image=[(6, 1), (8, 0)], gradient=[(7, 1)], kill=9, folder="ignored"),
    "ignore, resumed": case(
        *SKIP, "resume=auto", image=[(6, 1), (8, 0)], gradient=[(7, 1)], folder="ignored"
    ),
    "ignore, three": case(*SKIP, image=[(6, 1), (8, 0)], gradient=[(7, 1)]),
    "ignore, used up": case(*SKIP, "ignore.times=2", image=[(6, 1), (8, 0)], gradient=[(7, 1)]),
    "ignore, the first": case(*SKIP, image=[(0, 1)]),
    "rollback, the first": case(*BACK, image=[(0, 1)]),
}


@dataclass
class Illness(Callback):
    """What happens to this process, and what it saw."""

    case: Case
    rank: int
    rows: list[dict[str, float]] = field(default_factory=list)
    states: list[dict[str, Tensor]] = field(default_factory=list)  # after every iteration

    def now(self, gan: Any, when: frozenset[tuple[int, int]]) -> bool:
        return (gan.iteration, self.rank) in when

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, *args: Any, **_: Any
    ) -> None:
        if pl_module.iteration == self.case.kill:
            raise Killed
        if self.now(pl_module, self.case.image):
            batch["image"][0] = torch.nan

    def on_after_backward(self, trainer: Trainer, pl_module: Any) -> None:
        if self.now(pl_module, self.case.gradient):
            found = gradients(pl_module.task.D.parameters())
            if found:
                found[0].fill_(torch.inf)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **_: Any) -> None:
        if (pl_module.iteration - 1, self.rank) in self.case.weight:
            next(pl_module.task.G.parameters()).data[0] = torch.inf


class Witness(Callback):
    """Stands behind all others."""

    def __init__(self, illness: Illness):
        self.illness = illness

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **_: Any) -> None:
        [curves] = [it for it in trainer.callbacks if isinstance(it, Curves)]  # pyright: ignore
        self.illness.rows.append(dict(curves.values))
        tensors = [*pl_module.named_parameters(), *pl_module.named_buffers()]
        state = {name: value.detach().clone() for name, value in tensors}
        state["pace"] = torch.tensor(pl_module.pace)
        for player, optimizer in zip("DG", trainer.optimizers, strict=True):
            state[f"lr of {player}"] = torch.tensor(optimizer.param_groups[0]["lr"])
        self.illness.states.append(state)


def play(name: str, folder: Path, rank: int) -> dict[str, Any]:
    """One case."""
    played = CASES[name]
    illness = Illness(played, rank)

    class Disturbed(Trainer):
        def __init__(self, callbacks: list[Callback], **settings: Any):
            super().__init__(callbacks=[illness, *callbacks], **settings)

        def fit(self, *args: Any, **settings: Any) -> None:
            self.callbacks.append(Witness(illness))  # pyright: ignore
            super().fit(*args, **settings)

    module.Trainer = Disturbed
    given = small("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", *played.overrides)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        console = Console(record=True, width=400, file=nowhere, quiet=rank != 0)
        try:
            code = train(composed(*given), folder / (played.folder or name), given, console)
        except SystemExit as end:
            code = end.code
        except Killed:
            code = "killed"
        told = console.export_text() if rank == 0 else ""
    return {"code": code, "told": told, "rows": illness.rows, "states": illness.states}


def main(folder: Path, arguments: list[str]) -> None:
    shared = {name: os.environ[name] for name in ("LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR")}
    rank = int(shared["LOCAL_RANK"])
    seen: dict[str, Any] = {}
    for name, port in zip(arguments[::2], arguments[1::2], strict=True):
        os.environ |= {**shared, "MASTER_PORT": port}
        print(f"\n== {name}", file=sys.stderr, flush=True)  # so that the test knows what the rest belongs to
        seen[name] = play(name, folder, rank)
    torch.save(seen, folder / str(rank))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
