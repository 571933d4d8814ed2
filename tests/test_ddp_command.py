"""`gantool train trainer=ddp` as processes: started by us, torchrun or SLURM; killed, stopped, resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from small import SMALL

GANTOOL = [sys.executable, "-m", "gantool"]
TWO = ("trainer=ddp", "trainer.devices=2", "checkpoint_every=16", "sample_every=0")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def train(*overrides: str) -> list[str]:
    return [*GANTOOL, "train", *SMALL, *overrides]


def run(*overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(train(*overrides), capture_output=True, text=True, timeout=120)


def state(folder: str | Path) -> dict[str, torch.Tensor]:
    return torch.load(Path(folder) / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def children(pid: int) -> list[int]:
    """Process ids of the workers of a training."""
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def gone(pid: int, seconds: float) -> bool:
    """Whether a process ends within that time."""
    for _ in range(int(seconds * 10)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def started(folder: str, *overrides: str) -> tuple[subprocess.Popen[str], int]:
    """A training in two processes that has written a checkpoint, and the process id of its worker."""
    process = subprocess.Popen(
        train(*TWO, f"hydra.run.dir={folder}", *overrides),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if list(Path(folder, "checkpoints").glob("*.ckpt")):
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    (worker,) = children(process.pid)
    return process, worker


def test_a_run_in_two_processes_keeps_one_folder_and_speaks_once():
    done = run(*TWO, "images=32")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("Device") == 1
    assert "cpu, 2 processes" in done.stdout
    (folder,) = Path("outputs/dcgan-synthetic").iterdir()
    assert {path.name for path in (folder / "samples").iterdir()} == {"real.png", "000000032.png"}
    assert len(list(folder.glob("events*"))) == 0
    assert (folder / "checkpoints" / "last.ckpt").exists()


def test_a_killed_process_ends_the_run_at_once_and_resume_goes_on_bit_for_bit():
    whole = run(*TWO, "images=4000", "hydra.run.dir=whole", "checkpoint_every=160")
    assert whole.returncode == 0, whole.stderr

    process, worker = started("killed", "images=4000", "checkpoint_every=160")
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (1, -signal.SIGKILL)
    assert "Another process of this training is gone" in errors
    again = run(*TWO, "images=4000", "hydra.run.dir=killed", "checkpoint_every=160", "resume=auto")
    assert again.returncode == 0, again.stderr
    assert same(state("whole"), state("killed"))


def test_workers_end_with_the_first_process():
    process, worker = started("killed", "images=100_000")
    process.kill()
    assert gone(worker, seconds=120)
    process.communicate()


@pytest.mark.parametrize(
    ("number", "code", "to"), [("SIGTERM", 143, "all"), ("SIGTERM", 143, "worker"), ("SIGUSR1", 138, "first")]
)
def test_a_signal_to_any_process_stops_all_with_one_checkpoint(number: str, code: int, to: str):
    process, worker = started("run", "images=1_000_000", "checkpoint_every=0", "milestone_every=160")
    last = Path("run/checkpoints/last.ckpt")
    for pid in {"all": (process.pid, worker), "worker": (worker,), "first": (process.pid,)}[to]:
        os.kill(pid, signal.Signals[number])
    out, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    assert gone(worker, seconds=60)
    assert last.exists()
    assert f"Stopped by {number}; go on with: gantool train resume=run" in out


def test_a_sweep_gives_every_process_of_a_job_the_same_hyper_parameters():
    swept = run(*TWO, "-m", "images=32", "seed=1,2", "hydra.sweep.dir=sweep")
    assert swept.returncode == 0, swept.stderr
    alone = run(*TWO, "images=32", "seed=2", "hydra.run.dir=alone")
    assert alone.returncode == 0, alone.stderr
    assert same(state("sweep/1"), state("alone"))
    assert not same(state("sweep/0"), state("sweep/1"))


def test_torchrun_and_slurm_start_the_same_run():
    assert run(*TWO, "images=32", "hydra.run.dir=ours").returncode == 0
    auto = train("trainer=ddp", "sample_every=0", "images=32")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    command = [*torchrun, "-m", *auto[2:], "hydra.run.dir=torchrun"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

    shared = {
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "gan",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": "localhost",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(find_free_network_port()),
    }
    tasks = [
        subprocess.Popen(
            [*auto, "hydra.run.dir=slurm"],
            env=os.environ | shared | {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for task in tasks:
        _, errors = task.communicate(timeout=120)
        assert task.returncode == 0, errors
    assert same(state("ours"), state("torchrun"))
    assert same(state("ours"), state("slurm"))


def test_a_run_goes_on_in_another_number_of_processes():
    networks = ("model.G.norm=none", "model.D.norm=none", "trainer.precision=64-true")
    assert run(*networks, "images=64", "hydra.run.dir=whole").returncode == 0
    assert run(*networks, "images=32", "hydra.run.dir=parts").returncode == 0
    command = [*GANTOOL, "train", "resume=parts", "images=64", "trainer=ddp", "trainer.devices=2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "in 2 instead of 1 processes" in done.stdout
    one, other = state("whole"), state("parts")
    assert max((one[name] - other[name]).abs().max() for name in one) < 1e-12


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("trainer.devices=2",), "one process trains on one device; add trainer=ddp"),
        (("trainer.strategy=fsdp",), "use trainer=ddp, and micro_batch=N"),
        (
            ("trainer=ddp", "trainer.devices=3"),
            "batch_size=8 cannot be shared by 3 processes; use",
        ),
        (
            ("trainer=ddp", "trainer.devices=0"),
            "trainer.devices=0: give a whole number",
        ),
    ],
)
def test_what_cannot_be_shared_is_refused(overrides: tuple[str, ...], sentence: str):
    done = run(*overrides)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(Path().glob("outputs/*/*"))
