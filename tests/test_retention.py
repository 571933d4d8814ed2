"""Which checkpoints stay: the newest milestones, within a budget that is never exceeded; last.ckpt always."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import MODELS, composed, data_of, trained

from gantool.build import build
from gantool.callbacks import checkpoints as module
from gantool.callbacks.checkpoints import most, taken
from gantool.checkpoint import AtomicIO, load, weight

EVERY = ("images=64", "checkpoint_every=8", "milestone_every=8")


def names(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Bytes of a checkpoint of these tests."""
    run = tmp_path_factory.mktemp("run")
    trained(run, "images=8")
    return (run / "checkpoints" / "last.ckpt").stat().st_size


@pytest.fixture(name="largest")
def watched(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Answers the most that the run's folder has held, in bytes, all files counted, while one was written."""
    most_bytes = [0]
    replace = Path.replace

    def look(part: Path, target: Path) -> Path:
        held = sum(file.stat().st_size for file in target.parent.iterdir())
        most_bytes.append(held)
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", look)
    return lambda: max(most_bytes)


def test_the_newest_milestones_stay(tmp_path: Path):
    trained(tmp_path, *EVERY, "keep_milestones=2")
    assert names(tmp_path) == ["000000056.ckpt", "000000064.ckpt", "last.ckpt"]


def test_a_milestone_goes_only_when_a_newer_one_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    at_removal: list[tuple[str, list[str]]] = []
    remove = module.remove

    def look(file: Path, reason: str) -> None:
        at_removal.append((file.name, names(tmp_path)))
        remove(file, reason)

    monkeypatch.setattr(module, "remove", look)
    trained(tmp_path, *EVERY, "keep_milestones=1", "images=24")
    assert at_removal == [
        ("000000008.ckpt", ["000000008.ckpt", "000000016.ckpt", "last.ckpt"]),
        ("000000016.ckpt", ["000000016.ckpt", "000000024.ckpt", "last.ckpt"]),
    ]


def test_a_resumed_run_counts_the_milestones_that_are_there(tmp_path: Path):
    trained(tmp_path, *EVERY, "images=24")
    trained(tmp_path, *EVERY, "images=32", "keep_milestones=2", "resume=auto")
    assert names(tmp_path) == ["000000024.ckpt", "000000032.ckpt", "last.ckpt"]


def test_milestones_of_an_abandoned_future_go_first(tmp_path: Path):
    trained(tmp_path, *EVERY, "images=40")
    (tmp_path / "checkpoints" / "000000016.ckpt").replace(tmp_path / "checkpoints" / "last.ckpt")
    trained(tmp_path, *EVERY, "images=24", "keep_milestones=2", "resume=auto")
    assert names(tmp_path) == ["000000008.ckpt", "000000024.ckpt", "last.ckpt"]


@pytest.mark.parametrize("checkpoints", [3.1, 4.5, 6.1])
def test_a_budget_is_never_exceeded(
    checkpoints: float, size: int, largest: Callable[[], int], tmp_path: Path
):
    budget = round(checkpoints * size)
    trained(tmp_path, *EVERY, f"disk_budget={budget}")
    assert largest() <= budget
    kept = int(checkpoints) - 2  # beside last.ckpt and the one being written
    assert names(tmp_path) == [*(f"{images:09d}.ckpt" for images in range(72 - 8 * kept, 72, 8)), "last.ckpt"]


def test_a_budget_and_a_number_hold_together(size: int, largest: Callable[[], int], tmp_path: Path):
    trained(tmp_path, *EVERY, f"disk_budget={5 * size}", "keep_milestones=1")
    assert names(tmp_path) == ["000000064.ckpt", "last.ckpt"]
    assert largest() <= 3.01 * size


def test_what_somebody_else_put_there_stays(size: int, tmp_path: Path):
    folder = tmp_path / "checkpoints"
    folder.mkdir(parents=True)
    theirs = {"best.ckpt", "nice.ckpt", "00000008.ckpt", "copy-000000008.ckpt", "000000008.txt"}
    for name in theirs:
        (folder / name).write_bytes(b"mine")
    trained(tmp_path, *EVERY, "keep_milestones=1", f"disk_budget={4 * size}")
    assert {*names(tmp_path)} == theirs | {"000000064.ckpt", "last.ckpt"}


@pytest.mark.parametrize(
    ("overrides", "checkpoints", "message"),
    [
        ((), 1.9, "last.ckpt is there twice while it is replaced; give"),
        (("milestone_every=8",), 2.9, "replaced, and milestones one more; give"),
    ],
)
def test_a_budget_without_room_for_the_last_checkpoint_is_refused(
    overrides: tuple[str, ...], checkpoints: float, message: str, size: int, tmp_path: Path
):
    budget = round(checkpoints * size)
    with pytest.raises(ValueError, match=f"^disk_budget={budget}: a checkpoint takes [^\n]*{message}[^\n]*$"):
        trained(tmp_path, *overrides, f"disk_budget={budget}")
    assert not (tmp_path / "config.yaml").exists()


@pytest.mark.parametrize("key", ["keep_milestones", "disk_budget"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "all"])
def test_only_whole_numbers_and_null_are_limits(key: str, value: str, tmp_path: Path):
    with pytest.raises(ValueError, match=f"{key}={value}: give a whole number of 1 or more"):
        trained(tmp_path, f"{key}={value}")


def test_what_is_removed_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        trained(tmp_path, *EVERY, "images=16", "keep_milestones=1")
    assert "removed 000000008.ckpt: keep_milestones=1" in caplog.messages


def test_leftovers_of_a_killed_process_go(tmp_path: Path):
    trained(tmp_path, "images=8")
    folder = tmp_path / "checkpoints"
    for name in (".last.ckpt.part", ".000000008.ckpt.part", ".mine.part"):
        (folder / name).write_bytes(b"half")
    trained(tmp_path, "images=16", "resume=auto", "checkpoint_every=0")
    assert names(tmp_path) == [".mine.part", "last.ckpt"]


def test_a_disk_that_becomes_full_during_a_milestone_spares_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As torch reports it: its own RuntimeError, which hides that of the system."""
    save = AtomicIO.save_checkpoint
    torch_save = torch.save

    def full(content: Any, file: Any) -> None:
        file.write(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 768 vs 662") from (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        )

    def filling(self: AtomicIO, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(torch, "save", full if Path(path).stem == "000000016" else torch_save)
            save(self, checkpoint, path, storage_options)

    monkeypatch.setattr(AtomicIO, "save_checkpoint", filling)
    with pytest.raises(OSError, match="No space left on device") as raised:
        trained(tmp_path, *EVERY)
    assert raised.value.filename == str(tmp_path / "checkpoints" / "000000016.ckpt")
    assert names(tmp_path) == ["000000008.ckpt", "last.ckpt"]
    assert load(tmp_path / "checkpoints" / "last.ckpt")[0].images == 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_torch_hides_a_full_disk_and_we_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = Path.open

    def elsewhere(path: Path, *arguments: Any) -> Any:
        return place(Path("/dev/full") if path.suffix == ".part" else path, *arguments)

    monkeypatch.setattr(Path, "open", elsewhere)
    with pytest.raises(OSError, match=r"No space left on device: '.*last\.ckpt'"):
        AtomicIO().save_checkpoint({"x": torch.zeros(3_000_000)}, tmp_path / "last.ckpt")


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", "adamw"])
def test_the_size_of_a_checkpoint_is_known_before_there_is_one(optimizer: str, tmp_path: Path):
    overrides = ["images=8", f"optimizer={optimizer}", "model.G.width=32", "model.D.width=32", "ema=100"]
    trained(tmp_path, *overrides)
    [written] = (tmp_path / "checkpoints").iterdir()
    gan, _ = load(written)
    assert weight(gan) == pytest.approx(written.stat().st_size, rel=0.05)


@pytest.mark.parametrize("model", MODELS)
def test_the_size_is_known_for_every_model(model: str):
    assert weight(build(composed(f"model={model}", data_of(model)))) > 0


def test_the_most_that_checkpoints_take():
    assert most(10, milestones=0, keep=None, budget=None) == 20
    assert most(10, milestones=5, keep=None, budget=None) == 70
    assert most(10, milestones=5, keep=2, budget=None) == 40
    assert most(10, milestones=1, keep=2, budget=None) == 30
    assert most(10, milestones=5, keep=None, budget=35) == 35


def test_the_most_is_what_a_run_took(size: int, largest: Callable[[], int], tmp_path: Path):
    trained(tmp_path, *EVERY, "keep_milestones=3")
    assert largest() == pytest.approx(most(size, milestones=8, keep=3, budget=None), rel=0.01)
    assert taken(tmp_path / "checkpoints") == pytest.approx(4 * size, rel=0.01)
