"""A run that is killed at any moment and resumed equals the one that never stopped, bit for bit."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from image_files import _clean_slate, noise, save  # noqa: F401  # a fixture
from omegaconf import OmegaConf
from pytorch_lightning import Callback, Trainer
from rich.console import Console
from small import MODELS, composed, small, trained

from gantool import fit as module
from gantool import train as verb
from gantool.checkpoint import read
from gantool.request import parse
from gantool.resume import continued, refuse_changed, same_run
from gantool.verbs import VERBS

LENGTH = ("images=192", "checkpoint_every=56", "log_every=1", "sample_every=1000", "ema=100")


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it, nobody writes anything."""


class KillAt(Callback):
    def __init__(self, iteration: int):
        self.iteration = iteration

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
        if pl_module.iteration == self.iteration:
            raise Killed


def kill_at(iteration: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next training be killed before this iteration."""

    class Doomed(Trainer):
        def __init__(self, callbacks: list[Callback], **settings: Any):
            super().__init__(callbacks=[KillAt(iteration), *callbacks], **settings)

    monkeypatch.setattr(module, "Trainer", Doomed)


def same(a: Any, b: Any) -> bool:
    """Equality of nested containers of tensors and numbers, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def last(folder: Path) -> dict[str, Any]:
    return read(folder / "checkpoints" / "last.ckpt")


def assert_same_run(one: Path, other: Path) -> None:
    a, b = last(one), last(other)
    for part in ("state_dict", "optimizer_states", "clock", "global_step"):
        assert same(a[part], b[part]), part


@pytest.mark.parametrize("model", MODELS)
def test_a_killed_and_resumed_run_equals_the_uninterrupted_one(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    overrides = [f"model={model}", "n_critic=2", "n_generator=1", *LENGTH]
    trained(tmp_path / "whole", *overrides)
    with monkeypatch.context() as patched:
        kill_at(9, patched)
        with pytest.raises(Killed):
            trained(tmp_path / "killed", *overrides)
    assert last(tmp_path / "killed")["clock"]["iteration"] < 9
    trained(tmp_path / "killed", *overrides, "resume=auto")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_a_resumed_run_keeps_every_bit_of_its_precision(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    overrides = [f"trainer.precision={precision}", *LENGTH]
    trained(tmp_path / "whole", *overrides)
    with monkeypatch.context() as patched:
        kill_at(9, patched)
        with pytest.raises(Killed):
            trained(tmp_path / "killed", *overrides)
    trained(tmp_path / "killed", *overrides, "resume=auto")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
    kinds = {value.dtype for value in last(tmp_path / "whole")["state_dict"].values()}
    assert (torch.float64 in kinds) == (precision == "64-true")


def test_another_seed_is_another_run(tmp_path: Path):
    for seed in (1, 2):
        trained(tmp_path / str(seed), "images=16", f"seed={seed}")
    a, b = last(tmp_path / "1"), last(tmp_path / "2")
    assert not same(a["state_dict"], b["state_dict"])
    assert not same(a["optimizer_states"], b["optimizer_states"])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("moment", [5, 11, 23])
def test_the_moment_and_the_number_of_workers_do_not_matter(
    workers: int, moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """80 images and their mirror images in batches of 8: the second epoch begins within the run."""
    overrides = [*LENGTH, "data.count=80", "checkpoint_every=24", "data.mirror=true"]
    trained(tmp_path / "whole", *overrides)
    with monkeypatch.context() as patched:
        kill_at(moment, patched)
        with pytest.raises(Killed):
            trained(tmp_path / "killed", *overrides, f"data.workers={workers}")
    trained(tmp_path / "killed", *overrides, f"data.workers={workers}", "resume=auto")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_a_resumed_run_logs_each_moment_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        kill_at(12, patched)
        with pytest.raises(Killed):
            trained(tmp_path, *LENGTH, "logger=tensorboard")
    trained(tmp_path, *LENGTH, "logger=tensorboard", "resume=auto")
    with (tmp_path / "metrics.csv").open() as file:
        images = [int(row["images"]) for row in csv.DictReader(file)]
    assert images == list(range(8, 200, 8))


def test_a_longer_run_is_a_shorter_one_that_went_on(tmp_path: Path):
    trained(tmp_path / "long", *LENGTH)
    trained(tmp_path / "short", *LENGTH, "images=96")
    again = [f"resume={tmp_path / 'short'}", "images=192"]
    verb.train(composed(*again), tmp_path / "short", again, Console(quiet=True))
    assert_same_run(tmp_path / "long", tmp_path / "short")


def test_a_finished_run_says_so(tmp_path: Path):
    trained(tmp_path, "images=16")
    with pytest.raises(ValueError, match="has seen 16 images already; give a larger images="):
        trained(tmp_path, "images=16", "resume=auto")


def test_auto_without_a_checkpoint_starts_afresh(tmp_path: Path):
    assert trained(tmp_path, "images=16", "resume=auto") == 0
    assert last(tmp_path)["clock"]["images"] == 16


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path):
    trained(tmp_path, "images=16")
    before = (tmp_path / "config.yaml").stat().st_mtime_ns
    with pytest.raises(ValueError, match="already holds a run: resume=auto continues it"):
        trained(tmp_path, "images=16")
    assert (tmp_path / "config.yaml").stat().st_mtime_ns == before


def test_auto_refuses_a_command_that_means_another_run(tmp_path: Path):
    trained(tmp_path, "images=16")
    with pytest.raises(
        ValueError, match=r"found a run with optimizer.D.lr=0.0002, but this command says 0.1"
    ):
        trained(tmp_path, "images=32", "optimizer.D.lr=0.1", "resume=auto")


def test_a_learning_rate_that_falls_over_the_run_falls_over_the_longer_run(tmp_path: Path):
    trained(tmp_path, "optimizer=wgan_gp", "images=32")
    again = [f"resume={tmp_path}", "images=128", "log_every=1"]
    verb.train(composed(*again), tmp_path, again, Console(quiet=True))
    with (tmp_path / "metrics.csv").open() as file:
        rates = {int(row["images"]): float(row["optimizer/D_lr"]) for row in csv.DictReader(file)}
    assert rates[72] == pytest.approx(2e-4 * (1 - 64 / 128))
    trained(tmp_path, "optimizer=wgan_gp", "images=160", "resume=auto")


def test_a_phase_that_begins_where_the_run_ended_begins_there_in_the_longer_run(tmp_path: Path):
    plan = ["model=srgan", "pretrain=16", "data.hold_out=0"]  # nor rows of evaluations
    trained(tmp_path, *plan, "images=16")
    stored = last(tmp_path)["gantool"]["config"]
    config = continued(stored, composed("images=32"), ["images=32"])
    assert config.loss.adversarial.weight.images == 16
    assert config.optimizer.G.lr.images == config.optimizer.D.forget.images == 16
    trained(tmp_path, *plan, "images=32", "resume=auto", "log_every=1")
    with (tmp_path / "metrics.csv").open() as file:
        played = {int(row["images"]): bool(row.get("D/adversarial")) for row in csv.DictReader(file)}
    assert played[24]
    assert played[32]


def test_only_what_leaves_the_run_the_same_may_change():
    stored = {"images": 10, "n_critic": 1, "trainer": {"devices": 1}, "data": {"root": "a"}}
    composed_now = composed("images=20", "data=mnist", "data.root=b", "n_critic=2")
    config = continued(stored, composed_now, ["images=20", "data.root=b", "resume=x"])
    assert (config.images, config.data.root, config.n_critic) == (20, "b", 1)
    with pytest.raises(ValueError, match="n_critic=2 would make it another one"):
        continued(stored, composed_now, ["n_critic=2"])


@pytest.mark.parametrize(("data", "key"), [("pairs", "source"), ("pairs", "target"), ("two_folders", "a")])
def test_images_may_have_moved(data: str, key: str):
    stored: dict[str, Any] = {"images": 10, "data": {key: "before"}}
    given = [f"data={data}", f"data.{key}=now"]
    assert continued(stored, composed(*given), given[1:]).data[key] == "now"


def test_the_same_command_is_the_same_run():
    same_run({"a": {"b": 1}, "images": 5}, {"a": {"b": 1}, "images": 50})
    with pytest.raises(ValueError, match=r"a\.b=1.*a|a\.b"):
        same_run({"a": {"b": 1}}, {"a": {"b": 2}})


def start(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """`gantool train` as a process of its own."""
    given = small(
        "images=100_000", "checkpoint_every=80", "log_every=5", f"hydra.run.dir={folder}", *overrides
    )
    command = [sys.executable, "-c", "from gantool.cli import main; main()", "train", *given]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None, "it ended by itself"
        time.sleep(0.1)
    raise AssertionError(f"{path} never came")


def killed(model: str, workers: int) -> Any:
    """DCGAN in every run of the tests, the other families where there is time."""
    return pytest.param(model, workers, marks=[] if model == "dcgan" else pytest.mark.slow)


@pytest.mark.parametrize(("model", "workers"), [killed(m, workers) for m in MODELS for workers in (0, 2)])
def test_after_sigkill_a_run_goes_on_bit_for_bit(model: str, workers: int, tmp_path: Path):
    overrides = [f"model={model}", "images=2400", "checkpoint_every=80", "log_every=5"]
    process = start(tmp_path / "killed", *overrides, f"data.workers={workers}")
    wait_for(tmp_path / "killed" / "checkpoints" / "last.ckpt", process)
    time.sleep(0.3)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert last(tmp_path / "killed")["clock"]["images"] < 2400
    trained(tmp_path / "killed", *overrides, f"data.workers={workers}", "resume=auto")
    trained(tmp_path / "whole", *overrides)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_polite_signal_writes_a_checkpoint_and_says_so_in_the_exit_code(
    number: signal.Signals, code: int, tmp_path: Path
):
    process = start(tmp_path, "checkpoint_every=0")
    wait_for(tmp_path / "metrics.csv", process)
    time.sleep(1.0)
    os.kill(process.pid, number)
    assert process.wait(60) == code
    images = last(tmp_path)["clock"]["images"]
    assert images > 0
    assert (tmp_path / "samples" / f"{images:09d}.png").exists()


def test_captions_that_now_say_other_words_are_refused(tmp_path: Path):
    from test_captions import TEXTS, folder

    given = [f"data.{key}={value}" for key, value in folder(tmp_path / "in").items()]
    settings = [
        "model=gan_cls",
        "data=captions",
        *given,
        "data.resolution=16",
        "data.workers=0",
        "logger=none",
    ]
    settings += ["model.G.width=4", "model.D.width=4", "batch_size=4", "samples=4", "trainer.accelerator=cpu"]

    def train(*more: str) -> int:
        return verb.train(composed(*settings, *more), tmp_path / "run", list(more), Console(quiet=True))

    assert train("images=8") == 0
    table = {
        f"{place}.png": [text.replace("dog", "cow") for text in some] for place, some in enumerate(TEXTS)
    }
    (tmp_path / "in" / "captions.json").write_text(json.dumps(table))
    before = last(tmp_path / "run")
    with pytest.raises(
        ValueError, match="The data is not what this run began with: its vocabulary are"
    ) as error:
        train("images=16", "resume=auto")
    assert len(str(error.value)) < 400
    assert same(before, last(tmp_path / "run"))


def test_another_number_of_images_would_hold_others_out_and_is_refused(tmp_path: Path):
    for number in range(6):
        save(tmp_path / "in" / f"{number}.png", noise(16, 16))
    settings = [
        "data=folder",
        f"data.path={tmp_path / 'in'}",
        "data.workers=0",
        "logger=none",
        "batch_size=2",
    ]
    settings += ["model.G.width=4", "model.D.width=4", "samples=2", "trainer.accelerator=cpu"]

    def train(folder: str, *more: str) -> int:
        return verb.train(composed(*settings, *more), tmp_path / folder, list(more), Console(quiet=True))

    for folder, more in (("held", ["data.hold_out=2"]), ("all", [])):
        assert train(folder, "images=4", *more) == 0
    save(tmp_path / "in" / "new.png", noise(16, 16))
    assert train("all", "images=8", "resume=auto") == 0
    for resume in ("resume=auto", f"resume={tmp_path / 'held'}"):
        again = ["images=8", resume] + (["data.hold_out=2"] if resume == "resume=auto" else [])
        with pytest.raises(ValueError, match=r"data\.hold_out=2: .* holds 5 images .* there were 4"):
            train("held", *again)
    (tmp_path / "in" / "new.png").unlink()
    assert train("held", "images=8", "resume=auto", "data.hold_out=2") == 0


def test_a_run_that_began_before_their_number_was_known_goes_on():
    now = {"data": {"hold_out": 2, "shown": 4}}
    refuse_changed({"hold_out": 2}, now["data"])
    same_run({"images": 5, "data": {"hold_out": 2}}, {"images": 5, **now})
    with pytest.raises(ValueError, match=r"data\.shown=4"):
        same_run({"images": 5, **now}, {"images": 5, "data": {"hold_out": 2, "shown": 5}})


def test_facts_that_a_run_does_not_know_yet_and_examples_may_differ():
    refuse_changed({"names": ["a"]}, {"names": ["a"], "columns": ["x"], "examples": ["new"]})
    with pytest.raises(ValueError, match=r"its mean are \[1.5\], they were \[1.0\]"):
        refuse_changed({"mean": [1.0]}, {"mean": [1.5]})


def test_moved_weights_are_named_without_a_plus_and_only_where_there_are_some():
    [train] = [verb for verb in VERBS if verb.name == "train"]
    word = "loss.G.perceptual.weights=b.pth"
    request = parse(train, ["resume=outputs/a", word])
    assert request.overrides == ["resume=outputs/a", f"++{word}"]
    composed = OmegaConf.create({"loss": {"G": {"perceptual": {"weights": "b.pth"}}}})
    stored: Any = {"loss": {"G": {"perceptual": {"weights": "a.pth"}}}, "images": 8}
    assert continued(stored, composed, [f"++{word}"]).loss.G.perceptual.weights == "b.pth"
    with pytest.raises(ValueError, match=f"{word}: this run has no such key"):
        continued({"loss": {"G": {}}, "images": 8}, composed, [f"++{word}"])


@pytest.mark.parametrize("key", ["path", "captions", "root"])
def test_a_moved_data_set_is_named_without_a_plus(key: str):
    [train] = [verb for verb in VERBS if verb.name == "train"]
    request = parse(train, ["resume=outputs/a", f"data.{key}=b", "images=3"])
    assert request.overrides == ["resume=outputs/a", f"++data.{key}=b", "images=3"]
    assert parse(train, [f"data.{key}=b"]).overrides == [f"data.{key}=b"]
