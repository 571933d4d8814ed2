"""Memory is measured and limited as the system says; who runs out of it is told what fits."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401
from omegaconf import OmegaConf
from small import SMALL, composed, trained

from gantool import memory
from gantool.checkpoint import read
from gantool.gan import GAN
from gantool.memory import OutOfMemory, named
from gantool.micro_batch import normed


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_peak_of_main_memory_is_that_since_forgetting():
    cpu, large = torch.device("cpu"), 200_000_000
    memory.forget(cpu)
    before = memory.peak(cpu)
    block = bytearray(large)
    assert memory.peak(cpu) - before == pytest.approx(large, rel=0.1)
    assert memory.limit(cpu) > memory.peak(cpu) - large
    del block


@pytest.mark.parametrize(("version", "lines"), [("v1", "9:x,memory:/a/b"), ("v2", "0::/a/b")])
def test_the_tightest_control_group_counts(
    version: str, lines: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Limits of 1,000 outside and 600 inside, of which 500 are taken, 100 of them by cached files."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "cgroup").write_text(f"3:cpu:/other\n{lines}\n")
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    names = {
        "v1": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        "v2": ("memory.max", "memory.current", "inactive_file"),
    }[version]
    top = tmp_path / "cgroup" / ("memory" if version == "v1" else "")
    for folder, limit in ((top / "a" / "b", "600"), (top / "a", "1000"), (top, "max")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / names[0]).write_text(limit)
        (folder / names[1]).write_text("500")
        (folder / "memory.stat").write_text(f"cache 1\n{names[2]} 100\n")
    assert min(memory.rooms()) == 200


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.45 GiB for an array with shape (1,)"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7.45 GiB. GPU 0 has 1 GiB."),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 7.45 GiB."
        ),
    ],
    ids=["python", "cuda", "cpu"],
)
def test_every_way_to_run_out_of_memory_is_known(error: Exception):
    with pytest.raises(OutOfMemory, match=r"^out of memory \(no room for 7.45 GiB more\)$"), named():
        raise error


def test_another_error_stays_what_it_is():
    with pytest.raises(RuntimeError, match="^shapes differ$"), named():
        raise RuntimeError("shapes differ")


def hungry(monkeypatch: pytest.MonkeyPatch, fitting: int, since: int = 0) -> list[int]:
    """Let updates with larger micro-batches than `fitting` fail, as the CPU does; answers what was tried."""
    tried: list[int] = []
    step = GAN.training_step

    def allocating(gan: GAN, batch: Any, batch_idx: int) -> None:
        size = gan.micro_batch or 8
        tried.append(size)
        if size > fitting and len(tried) > since:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
        step(gan, batch, batch_idx)

    monkeypatch.setattr(GAN, "training_step", allocating)
    return tried


def test_who_runs_out_of_memory_is_told_the_largest_micro_batch_that_fits(
    gantool: Gantool, monkeypatch: pytest.MonkeyPatch
):
    tried = hungry(monkeypatch, fitting=3)
    result = gantool("train", *SMALL, "model=wgan_gp", "model.G.norm=none")
    assert result.code == 2
    assert tried == [8, 8, 4, 2, 2]
    assert result.err == (
        "gantool: out of memory (no room for 99 bytes more) with micro_batch=8; micro_batch=2 fits: "
        "add micro_batch=2 (same gradient, less memory)\n"
    )


def test_batch_norm_is_warned_of_where_micro_batches_change_it():
    assert normed(composed(*SMALL, "model=dcgan"))
    assert not normed(composed(*SMALL, "model=wgan_gp", "model.G.norm=none"))


def test_the_last_checkpoint_is_named_and_the_advice_can_be_followed(
    gantool: Gantool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        hungry(patched, fitting=4, since=2)
        result = gantool("train", *SMALL, f"hydra.run.dir={run}", "checkpoint_every=8")
    assert "less memory, but batch norm then sees smaller batches" in result.err
    where = "; go on from run/checkpoints/last.ckpt: gantool "
    [command] = re.findall(f"{where}(train resume=run micro_batch=4)\n", result.err)
    assert read(run / "checkpoints" / "last.ckpt")["clock"]["images"] == 16
    assert gantool(*command.split()).code == 0
    assert OmegaConf.load(run / "config.yaml").micro_batch == 4


def test_it_is_said_where_nothing_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hungry(monkeypatch, fitting=0)
    with pytest.raises(OutOfMemory, match="with micro_batch=8, and micro_batch=1 does not fit either"):
        trained(tmp_path)


def test_it_is_said_where_the_micro_batch_is_not_to_blame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls = hungry(monkeypatch, fitting=8)

    def full(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("gantool.callbacks.samples.sample", full)
    with pytest.raises(
        OutOfMemory, match="iterations with micro_batch=8 fit: something else took the memory"
    ):
        trained(tmp_path)
    assert calls[-2:] == [8, 8]


LIMITED = """
import resource, sys
import torch
torch.set_num_threads(1)
from gantool import cli, memory, train
room = memory.kilobytes("VmSize") + 1_300_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
cli.main()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")
@pytest.mark.parametrize("dry_run", ["false", "true"])
def test_a_process_that_may_not_have_the_memory_is_told_what_fits(dry_run: str, tmp_path: Path):
    """Of large tensors and few: torch's libraries crash where a small one finds no room."""
    large = ("data.resolution=128", "batch_size=1024", "generator_batch_size=1024", "images=4096")
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, "train", *SMALL, *large, f"dry_run={dry_run}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    said = result.stderr + result.stdout
    assert result.returncode == (1 if dry_run == "true" else 2), said
    [fitting] = re.findall(r"add micro_batch=(\d+)", said)
    assert int(fitting) in (128, 256, 512)
    assert "Traceback" not in said
