"""A dry run tells what a training takes, and keeps nothing."""

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401
from rich.console import Console
from small import MODELS, SMALL, composed, small, trained

from gantool import memory, rehearsal
from gantool.build import build
from gantool.checkpoint import read
from gantool.forecast import Length, Memory, amount, halves
from gantool.gan import GAN
from gantool.rehearsal import kinds_of_iterations
from gantool.train import train


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rehearsal, "SECONDS", 0.0)
    monkeypatch.setattr(rehearsal, "LAP", 0.0)


def told(folder: Path, *overrides: str) -> tuple[int, str]:
    """Exit code and words of a dry run."""
    console = Console(record=True, width=400, file=open(os.devnull, "w"))  # noqa: SIM115
    given = [*overrides, "dry_run=true"]
    composed_now = composed(*given) if any("resume=/" in it for it in given) else composed(*small(*given))
    code = train(composed_now, folder, given, console)
    console.file.close()
    return code, console.export_text()


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(file.relative_to(folder)): (file.stat().st_mtime_ns, file.read_bytes() if file.is_file() else b"")
        for file in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_dry_run_of_every_model_says_what_its_training_takes(model: str, tmp_path: Path):
    code, said = told(tmp_path / "run", f"model={model}", "n_critic=2", "n_generator=1", "images=1_000")
    assert code == 0
    assert re.search(r"Speed +[\d.e-]+ seconds for 1,000 images \([\d,]+ a second\)", said)
    assert re.search(r"Time +[\d:]+ for 1,008 images, with 1 picture and 1 checkpoint\n", said)
    assert re.search(r"Memory +[\d.]+ [MG]B of main memory \(resident\); [\d.]+ [MG]B may be had", said)
    assert re.search(r"Disk +[\d.]+ MB for a checkpoint", said)
    assert re.search(r"Fits +yes", said)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_from_the_command_line_leaves_nothing_behind(gantool: Gantool, tmp_path: Path):
    result = gantool("train", *SMALL, "dry_run=true")
    assert result.code == 0, result.err
    assert "nothing of them is kept" in result.out
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_that_is_refused_leaves_nothing_behind(gantool: Gantool, tmp_path: Path):
    result = gantool("train", *SMALL, "dry_run=true", "batch_size=-1")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert list(tmp_path.iterdir()) == []
    result = gantool("train", *SMALL, "dry_run=perhaps")
    assert "dry_run=perhaps: give true or false" in result.err


def test_a_dry_run_of_a_sweep_is_refused(gantool: Gantool):
    result = gantool("train", "-m", *SMALL, "dry_run=true", "seed=1,2")
    assert "dry_run=true measures one run: leave -m away" in result.err + result.out


def test_a_dry_run_of_an_existing_run_changes_nothing_in_it(gantool: Gantool, tmp_path: Path):
    run = tmp_path / "run"
    assert gantool("train", *SMALL, "images=16", f"hydra.run.dir={run}").code == 0
    before = contents(run)
    result = gantool("train", f"resume={run}", "images=1_000", "dry_run=true")
    assert result.code == 0, result.err
    assert "at 16 images" in result.out
    assert "for 984 images" in result.out
    assert contents(run) == before


def test_a_run_that_was_rehearsed_goes_on_as_if_it_had_not_been(tmp_path: Path):
    for name in ("plain", "rehearsed"):
        trained(tmp_path / name, "images=16")
        if name == "rehearsed":
            told(tmp_path / name, f"resume={tmp_path / name}", "images=32")
        trained(tmp_path / name, "images=32", "resume=auto")
    plain, rehearsed = (
        read(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("plain", "rehearsed")
    )
    assert rehearsed["gantool"]["config"]["dry_run"] is False
    assert all(
        torch.equal(plain["state_dict"][it], rehearsed["state_dict"][it]) for it in plain["state_dict"]
    )


def test_the_disk_that_is_promised_is_what_the_run_takes(tmp_path: Path):
    overrides = ["images=64", "milestone_every=16", "keep_milestones=2", "model.G.width=32"]
    _, said = told(tmp_path / "run", *overrides)
    [promised] = re.findall(r"Disk +([\d.]+) MB for a checkpoint, at most ([\d.]+) MB for all", said)
    trained(tmp_path / "run", *overrides)
    sizes = [file.stat().st_size / 1e6 for file in (tmp_path / "run" / "checkpoints").iterdir()]
    assert [float(it) for it in promised] == pytest.approx([sizes[0], sum(sizes) + sizes[0]], abs=0.06)


def test_writings_are_counted_as_training_does_them(tmp_path: Path):
    overrides = ["images=100", "n_critic=2", "sample_every=40", "checkpoint_every=10", "milestone_every=24"]
    length = Length.of(composed(*SMALL, *overrides), 0)
    trained(tmp_path, *overrides)
    assert length.iterations == 7
    assert length.images == read(tmp_path / "checkpoints" / "last.ckpt")["clock"]["images"]
    assert length.pictures == len(list((tmp_path / "samples").glob("[0-9]*.png")))
    assert length.milestones == len(list((tmp_path / "checkpoints").glob("[0-9]*.ckpt")))
    assert length.checkpoints == 7


def test_what_is_left_of_a_run_is_counted_from_where_it_stands():
    cfg = composed(*SMALL, "images=100", "checkpoint_every=40", "milestone_every=24", "sample_every=0")
    assert Length.of(cfg, 56) == Length(iterations=6, images=48, pictures=1, checkpoints=2, milestones=2)


def test_lazy_terms_count_as_often_as_they_are_due():
    r1 = "{_target_:gantool.losses.penalties.R1,weight:1.0,every:%d}"
    overrides = ["loss=non_saturating_r1", "model.D.norm=layer", "+loss.D.r1.every=4", f"+loss.D.b={r1 % 6}"]
    kinds = kinds_of_iterations(build(composed(*SMALL, *overrides)))
    assert kinds == {0: 1, 4: 2, 6: 1, 1: 8}  # of 12: both are due, the first, the second, none


def test_speed_is_the_mean_over_the_kinds_of_iterations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A clock on which the penalty takes 16 seconds and everything else one: 2 seconds with every=16."""
    clock = SimpleNamespace(now=0.0, checkpoints=0)
    step = GAN.training_step

    def ticking(gan: GAN, batch: Any, batch_idx: int) -> None:
        clock.now += 17 if gan.iteration % 16 == 0 else 1
        step(gan, batch, batch_idx)

    monkeypatch.setattr(GAN, "training_step", ticking)
    monkeypatch.setattr(rehearsal, "now", lambda gan: clock.now)
    overrides = ["loss=non_saturating_r1", "model.D.norm=layer", "+loss.D.r1.every=16", "images=8_000"]
    _, said = told(tmp_path, *overrides)
    assert re.search(r"Speed +250 seconds for 1,000 images \(4 a second\)", said)
    assert re.search(r"Time +33:20 for 8,000 images", said)


def test_memory_lies_on_a_line():
    measured = Memory({16: 1_400, 32: 1_800, 8: 0}, limit=3_000)
    assert [measured.of(size) for size in (8, 32, 64, 128)] == [0, 1_800, 2_600, 4_200]
    assert measured.fits(64)
    assert not measured.fits(128)
    assert Memory({1: 500}, limit=600).of(64) == 500


def test_a_micro_batch_is_suggested_where_memory_is_short():
    measured = Memory({16: 1_400_000_000, 32: 1_800_000_000}, limit=3_000_000_000)
    assert measured.advice(64) is None
    assert measured.advice(72) == "micro_batch=72 is tight; add micro_batch=36: about 1.9 GB"
    assert measured.advice(128) == "micro_batch=128 does not fit; add micro_batch=64: about 2.6 GB"
    nothing = Memory({1: 4_000_000_000}, limit=3_000_000_000).advice(64)
    assert nothing == "micro_batch=64 does not fit, and micro_batch=1 does not help; use a smaller batch_size"


def test_halves_and_amounts():
    assert list(halves(10)) == [10, 5, 3, 2, 1]
    assert list(halves(1)) == [1]
    assert [amount(it) for it in (1.5e6, 12.6e6, 2.34e9)] == ["1.5 MB", "13 MB", "2.3 GB"]


def test_a_dry_run_does_not_try_what_cannot_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tried: list[int | None] = []
    step = GAN.training_step

    def noting(gan: GAN, batch: Any, batch_idx: int) -> None:
        tried.append(gan.micro_batch)
        step(gan, batch, batch_idx)

    monkeypatch.setattr(GAN, "training_step", noting)
    monkeypatch.setattr(memory, "peak", lambda device: (tried[-1] or 8) * 10**9)
    monkeypatch.setattr(memory, "limit", lambda device, processes: 7 * 10**9)
    code, said = told(tmp_path)
    assert code == 1
    assert tried == [2, 2, 4]
    assert re.search(r"Does not fit +micro_batch=8 does not fit; add micro_batch=4: about 4.0 GB", said)
    assert re.search(r"Memory +about 8.0 GB of main memory \(resident\); 7.0 GB may be had", said)


def test_a_disk_without_room_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rehearsal.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    code, said = told(tmp_path)
    assert code == 1
    assert re.search(r"Does not fit +the disk is too full; give disk_budget=", said)
