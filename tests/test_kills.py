"""SIGKILL at random moments, in one process and in two: every run that is resumed ends as if nothing was."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from small import SMALL
from test_ddp_command import GANTOOL, children, same, state

pytestmark = pytest.mark.slow
LENGTH = (
    "images=12_000",
    "checkpoint_every=400",
    "sample_every=4000",
    "log_every=10",
    "ema=500",
    "n_critic=2",
)
PROCESSES = {1: (), 2: ("trainer=ddp", "trainer.devices=2")}


def command(processes: int, folder: Path) -> list[str]:
    given = [*SMALL, *LENGTH, *PROCESSES[processes], f"hydra.run.dir={folder}", "resume=auto"]
    return [*GANTOOL, "train", *given]


def started(processes: int, folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command(processes, folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module", params=PROCESSES)
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path, float]:
    """Processes, folder and seconds of training of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    process = started(request.param, folder)
    while not (folder / "config.yaml").exists():
        assert process.poll() is None
        time.sleep(0.05)
    began = time.monotonic()
    assert process.wait(300) == 0
    return request.param, folder, time.monotonic() - began


@pytest.mark.parametrize("number", range(10))
def test_a_run_killed_at_a_random_moment_goes_on_bit_for_bit(
    number: int, whole: tuple[int, Path, float], tmp_path: Path
):
    processes, folder, seconds = whole
    chance = random.Random(1000 * processes + number)
    process = started(processes, tmp_path)
    while not (tmp_path / "config.yaml").exists():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(chance.uniform(0, seconds))
    victims = [process.pid, *children(process.pid)]
    if process.poll() is None:
        os.kill(chance.choice(victims), signal.SIGKILL)
    process.wait(60)
    again = started(processes, tmp_path)
    code = again.wait(300)
    finished = (
        tmp_path / "checkpoints" / "last.ckpt"
    ).exists() and code == 2  # killed after its last checkpoint
    assert code == 0 or finished
    assert same(state(folder), state(tmp_path))
