"""Several processes that train as one: who starts them, which of them speaks, and how they end together."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, final

import torch
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from pytorch_lightning import Trainer
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import distributed

PATIENCE = timedelta(seconds=20)  # for the others to end, once this process has
SPOKEN = (
    "LOCAL_RANK",
    "NODE_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)  # how processes find each other


def environment() -> ClusterEnvironment:
    """Who starts the processes: torchrun, SLURM, or we ourselves."""
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment()
    if SLURMEnvironment.detect():
        return SLURMEnvironment(auto_requeue=False)  # what to do on its signals is for `Stop` to say
    return LightningEnvironment()


def first() -> bool:
    """Whether this process speaks for all: writes files, prints."""
    where = environment()
    return where.local_rank() == 0 and where.node_rank() == 0


def started_here() -> tuple[int, int] | None:
    """Processes of this machine, and machines, as torchrun or SLURM started them; None without either."""
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect():
        machines = int(os.environ.get("SLURM_NNODES", 1))
        return int(os.environ["SLURM_NTASKS"]) // machines, machines
    return None


@final
class Workers(_SubprocessScriptLauncher):
    """Starts `command` for every other process of this machine.

    Differs from Lightning's own, which repeats the command line: a sweep would start itself anew in each of
    them, and an unseeded sampler choose other hyper-parameters for each.
    """

    def __init__(self, environment: ClusterEnvironment, processes: int, machines: int, command: list[str]):
        super().__init__(environment, processes, machines)
        self.command = command

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        known = {
            "MASTER_ADDR": self.cluster_environment.main_address,
            "MASTER_PORT": str(self.cluster_environment.main_port),
            "NODE_RANK": str(self.cluster_environment.node_rank()),
            "WORLD_SIZE": str(self.num_processes * self.num_nodes),
        }
        for rank in range(1, self.num_processes):
            self.procs.append(
                subprocess.Popen(self.command, env=os.environ | known | {"LOCAL_RANK": str(rank)})
            )

    def end(self) -> None:
        """At once."""
        for process in self.procs:
            process.kill()

    def wait(self) -> None:
        """Until all have ended; who does not is killed."""
        for process in self.procs:
            try:
                process.wait(PATIENCE.total_seconds())
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@final
class Vote:
    """The largest of the numbers that the processes put in, known to all of them one call later.

    It travels between CPUs while the next iteration computes, so it costs nothing and makes no GPU wait.
    """

    def __init__(self):
        self.group: Any = distributed.new_group(backend="gloo")
        self.ballot = torch.zeros(1, dtype=torch.long)
        self.travelling: Any = None

    def __call__(self, number: int) -> int:
        result = self.result()
        self.ballot = torch.tensor([number])
        self.travelling = distributed.all_reduce(
            self.ballot, distributed.ReduceOp.MAX, self.group, async_op=True
        )
        return result

    def result(self) -> int:
        """Of the last call."""
        if self.travelling is not None:
            self.travelling.wait()
            self.travelling = None
        return int(self.ballot)


@contextlib.contextmanager
def together(trainer: Trainer) -> Iterator[None]:
    """Training in several processes: when it ends, so do the others, and nothing of it is left in this one.

    The next run of a sweep starts processes of its own.
    """
    before = {name: os.environ.get(name) for name in SPOKEN}
    launcher = trainer.strategy.launcher
    try:
        yield
    except BaseException:
        if isinstance(launcher, Workers):
            launcher.end()
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        if isinstance(launcher, Workers):
            launcher.wait()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def spare_signals(trainer: Trainer) -> None:
    """Leave signals to `Stop`: Lightning's handlers dead-lock when several processes get one.

    And Lightning asks all processes in every iteration whether one has come, which makes a GPU wait.
    """
    trainer._signal_connector.register_signal_handlers = nothing
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = nothing


def nothing() -> None: ...


def lost(error: BaseException) -> bool:
    """Whether a collective operation failed because another process is gone."""
    words = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "NCCL", "timed out")
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def worker(file: str) -> list[str]:
    """The command of another process of this machine."""
    return [sys.executable, "-m", "gantool.worker", file]
