"""Jobs beside each other, as real processes: quiet, each for itself, and stopped together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import SMALL
from test_sweep import rows, sweep, weights

GANTOOL = [str(Path(sys.executable).with_name("gantool")), "train", "-m", *SMALL, "log_every=2"]
JOBLIB = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*GANTOOL, *words], capture_output=True, text=True, check=False)


def plugin(name: str) -> None:
    pytest.importorskip(f"hydra_plugins.{name}", reason="gantool[sweep] is not installed")


def test_joblib_tells_a_line_for_each_job_and_their_output_goes_to_their_logs():
    plugin("hydra_joblib_launcher")
    answer = run(*JOBLIB, "seed=1,2", "loss=non_saturating,non_saturating_r1", "sweep.metric=G/adversarial")
    assert answer.returncode == 1
    lines = answer.stdout.splitlines()
    assert sum(" of 4 finished: seed=" in line for line in lines) == 2
    assert "Generator" not in answer.stdout
    assert [row["status"] for row in rows()] == ["finished", "refused"] * 2
    assert answer.stderr.startswith("gantool: loss.D.r1 penalises")
    assert answer.stderr.endswith("(jobs 1, 3)\n")
    log = (sweep() / "0" / "train.log").read_text()
    assert "Generator      dcgan.Generator" in log
    assert "\x1b" not in log


@pytest.mark.slow
def test_jobs_beside_each_other_train_as_they_would_alone():
    plugin("hydra_joblib_launcher")
    for name, words in {"beside": JOBLIB, "alone": []}.items():
        assert run(*words, "seed=1,2,3", f"hydra.sweep.dir={name}").returncode == 0
    for number in "012":
        beside, alone = weights(f"beside/{number}"), weights(f"alone/{number}")
        assert all(torch.equal(beside[name], alone[name]) for name in alone)


@pytest.mark.slow
def test_submitit_runs_jobs_of_a_queue():
    plugin("hydra_submitit_launcher")
    answer = run("hydra/launcher=submitit_local", "seed=1,2", "optimizer=sgd", "optimizer.lr=1e-4,1e9")
    assert answer.returncode == 1
    assert [row["status"] for row in rows()] == ["finished", "diverged"] * 2
    assert "gantool: training diverged: " in answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_jobs_write_their_checkpoints_and_no_other_begin(number: signal.Signals):
    plugin("hydra_joblib_launcher")
    command = [*GANTOOL, *JOBLIB, "seed=1,2,3", "images=10_000_000", "log_every=1", "hydra.sweep.dir=all"]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 120
    while not all(len(log.read_text().splitlines()) > 2 for log in logs()) or len(logs()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert [row["status"] for row in rows("all")] == ["stopped", "stopped", "not started"]
    assert weights("all/0")
    assert weights("all/1")


def logs() -> list[Path]:
    return list(Path("all").glob("*/metrics.csv"))
