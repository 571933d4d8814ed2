"""Numbers of held-out images while training: the same whoever measures them, and no trace in the weights."""

import csv
import json
import logging
import os
import re
import signal
import subprocess
import sys
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from PIL import Image
from pytorch_lightning import Callback, Trainer
from rich.console import Console
from small import SMALL, composed, small, trained
from test_resume import Killed, kill_at, same

from gantool import fit
from gantool import train as verb
from gantool.build import build
from gantool.callbacks.checkpoints import Best, most, refuse_small, still_needed
from gantool.callbacks.stop import Stop
from gantool.checkpoint import read
from gantool.data.image_set import InMemory
from gantool.data.piles import Piles
from gantool.data.synthetic import synthetic_pairs
from gantool.evaluate import evaluate
from gantool.measure import Request, measure
from gantool.metrics.likeness import Likeness
from gantool.subject import Subject, together

PAIRS = ("model=pix2pix", "data.hold_out=11")
PILES = ("model=cyclegan", "data.hold_out=5")
LENGTH = (
    "images=96",
    "evaluate_every=24",
    "checkpoint_every=40",
    "log_every=3",
    "sample_every=0",
    "batch_size=4",
)
SHORT = (*LENGTH, "generator_batch_size=4")


def rows(folder: Path) -> list[dict[str, str]]:
    """Those of metrics.csv that tell of an evaluation."""
    with (folder / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    return [row for row in found if any(value for name, value in row.items() if name.startswith("metric/"))]


def column(folder: Path, name: str) -> list[float]:
    return [float(row[name]) for row in rows(folder)]


def checkpoint(folder: Path, name: str = "last") -> dict[str, Any]:
    return read(folder / "checkpoints" / f"{name}.ckpt")


def measured(run: Path, out: Path, *overrides: str) -> dict[str, Any]:
    """What `gantool evaluate metrics=likeness` finds."""
    cfg = composed(f"run={run}", "metrics=likeness", "device=cpu", f"out={out}", *overrides, name="evaluate")
    [file] = evaluate(cfg, Console(quiet=True))
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dropout makes noise in this G, in evaluation, too."""
    folder = tmp_path_factory.mktemp("pairs")
    assert trained(folder, *PAIRS, *SHORT) == 0
    return folder


def test_every_so_many_images_and_at_the_end_there_are_numbers(run: Path, tmp_path: Path):
    assert [row["images"] for row in rows(run)] == ["24", "48", "72", "96"]
    names = {name for name in rows(run)[0] if name.startswith("metric/")}
    assert names == {"metric/psnr", "metric/ssim", "metric/l1"}
    assert len(set(column(run, "metric/psnr"))) == 4
    trained(tmp_path, *PAIRS, *SHORT, "images=32", "evaluate_every=0")
    assert [row["images"] for row in rows(tmp_path)] == ["32"]


def test_the_verb_finds_the_numbers_that_training_logged(run: Path, tmp_path: Path):
    found = measured(run, tmp_path)
    for name in ("psnr", "ssim", "l1"):
        assert found[name] == column(run, f"metric/{name}")[-1]
    assert (found["samples"], found["images"], found["metric"]) == (11, 96, "likeness")
    assert "8-bit RGB" in found["protocol"]
    of_best = measured(run / "checkpoints" / "best.ckpt", tmp_path / "best")
    assert of_best["psnr"] == max(column(run, "metric/psnr"))
    others = measured(run, tmp_path / "others", "seed=1"), measured(run, tmp_path / "few", "count=3")
    assert others[0]["psnr"] != found["psnr"]
    assert others[1]["samples"] == 3


def test_piles_there_and_back_are_measured_and_nothing_is_called_best(tmp_path: Path):
    trained(tmp_path / "run", *PILES, *SHORT, "images=24")
    ways = ["cycle_ab", "cycle_ba", "identity_a", "identity_b"]
    names = {f"{way}_{measure}" for way in ways for measure in ("psnr", "ssim", "l1")}
    assert {name for name in rows(tmp_path / "run")[0] if "metric/" in name} == {
        f"metric/{it}" for it in names
    }
    found = measured(tmp_path / "run", tmp_path / "out")
    assert all(found[name] == column(tmp_path / "run", f"metric/{name}")[-1] for name in names)
    assert not (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize(
    "overrides", [PAIRS, PILES, (*PAIRS, "model.G.norm=batch", "ema=50")], ids=["pairs", "piles", "averaged"]
)
def test_evaluation_leaves_training_as_it_is(overrides: tuple[str, ...], tmp_path: Path):
    short = (*SHORT, "images=32", "evaluate_every=8")
    trained(tmp_path / "watched", *overrides, *short)
    trained(tmp_path / "alone", *overrides, *short, "metrics=[]")
    one, other = (checkpoint(tmp_path / name) for name in ("watched", "alone"))
    assert len(rows(tmp_path / "watched")) == 4
    assert rows(tmp_path / "alone") == []
    for part in ("state_dict", "optimizer_states", "clock"):
        assert same(one[part], other[part]), part


@pytest.mark.parametrize("moment", [3, 11, 22])
def test_a_killed_run_goes_on_with_the_same_numbers_and_the_same_best(
    moment: int, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:
        kill_at(moment, patched)
        with pytest.raises(Killed):
            trained(tmp_path, *PAIRS, *SHORT)
    trained(tmp_path, *PAIRS, *SHORT, "resume=auto", "trust=true")
    speed = "speed/images_per_second"
    assert [{**row, speed: ""} for row in rows(tmp_path)] == [{**row, speed: ""} for row in rows(run)]
    for name in ("last", "best"):
        one, other = checkpoint(run, name), checkpoint(tmp_path, name)
        for part in ("state_dict", "optimizer_states", "clock", "best"):
            assert same(one[part], other[part]), (name, part)


def test_a_stopped_run_is_not_measured_where_it_would_not_have_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Told(Callback):
        def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *args: Any, **_: Any) -> None:
            if pl_module.images == 24:
                [stop] = [it for it in callbacks_of(trainer) if isinstance(it, Stop)]
                stop.receive(signal.SIGTERM, None)

    class Stopped(Trainer):
        def __init__(self, callbacks: list[Callback], **settings: Any):
            super().__init__(callbacks=[Told(), *callbacks], **settings)

    monkeypatch.setattr(fit, "Trainer", Stopped)
    assert trained(tmp_path, *PAIRS, *SHORT) == 143
    assert checkpoint(tmp_path)["clock"]["images"] == 28
    assert [row["images"] for row in rows(tmp_path)] == ["24"]


def callbacks_of(trainer: Any) -> list[Callback]:
    return trainer.callbacks


# The best moment.


def test_the_best_checkpoint_is_of_the_best_number_and_knows_it(run: Path):
    values = column(run, "metric/psnr")
    images = 24 * (1 + values.index(max(values)))
    kept = checkpoint(run, "best")
    assert kept["clock"]["images"] == images
    state = {"column": "metric/psnr", "direction": "maximize", "value": max(values), "images": images}
    assert kept["best"] == checkpoint(run)["best"] == state


@pytest.mark.parametrize(
    ("overrides", "name", "best"),
    [
        (["best.metric=metric/l1"], "metric/l1", min),
        (["best.metric=metric/ssim", "best.direction=minimize"], "metric/ssim", min),
    ],
)
def test_another_number_and_direction_can_be_chosen(
    overrides: list[str], name: str, best: Any, tmp_path: Path
):
    trained(tmp_path, *PAIRS, *SHORT, "images=72", *overrides)
    values = column(tmp_path, name)
    assert checkpoint(tmp_path, "best")["clock"]["images"] == 24 * (1 + values.index(best(values)))


def test_no_best_checkpoint_is_kept_where_none_is_wanted(tmp_path: Path):
    trained(tmp_path, *PAIRS, *SHORT, "images=24", "best.metric=null")
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    assert len(rows(tmp_path)) == 1


def test_only_a_better_number_is_the_best():
    best = Best("metric/psnr", "maximize")
    for images, value in ((8, nan), (16, 3.0), (24, nan), (32, 3.0), (40, 2.0)):
        best.learn({"metric/psnr": value}, images)
    assert (best.value, best.images) == (3.0, 16)
    best.learn({}, 48)
    best.learn({"metric/psnr": inf}, 56)
    assert (best.value, best.images) == (inf, 56)
    least = Best("metric/l1", "minimize")
    for images, value in ((8, 3.0), (16, 2.0), (24, 2.5)):
        least.learn({"metric/l1": value}, images)
    assert (least.value, least.images) == (2.0, 16)


def test_the_best_of_another_number_is_forgotten():
    before, same_one, other = (
        Best("metric/l1", "minimize"),
        Best("metric/l1", "minimize"),
        Best("metric/x", "minimize"),
    )
    before.learn({"metric/l1": 2.0}, 8)
    same_one.recall(before.state)
    other.recall(before.state)
    assert same_one.state == before.state
    assert other.value is None


def test_a_best_checkpoint_has_its_room_within_a_budget(run: Path, tmp_path: Path):
    size = (run / "checkpoints" / "best.ckpt").stat().st_size
    assert most(10, milestones=5, keep=2, budget=None, best=True) == 50
    assert still_needed(run, size, milestones=0, keep=None, budget=None, best=True) <= size
    refuse_small(round(3.1 * size), size, milestones=False, best=True)
    with pytest.raises(ValueError, match=r"there twice while it is replaced, and best\.ckpt one more; give"):
        refuse_small(round(2.9 * size), size, milestones=False, best=True)
    with pytest.raises(ValueError, match=r"and milestones one more, and best\.ckpt one more; give"):
        trained(tmp_path, *PAIRS, *SHORT, "milestone_every=8", f"disk_budget={round(3.9 * size)}")
    budget = round(4.3 * size)
    trained(tmp_path, *PAIRS, *SHORT, "milestone_every=8", f"disk_budget={budget}")
    kept = {path.name: path.stat().st_size for path in (tmp_path / "checkpoints").iterdir()}
    assert kept.keys() == {"000000096.ckpt", "best.ckpt", "last.ckpt"}
    assert sum(kept.values()) <= budget


# Who measures does not matter.


def test_two_processes_find_the_numbers_of_one(tmp_path: Path):
    """With rates of 0 the weights are the same to the bit, so the numbers must be, dropout and all."""
    fixed = ("optimizer.D.lr=0", "optimizer.G.lr=0", "images=16", "evaluate_every=8")
    overrides = [
        *small(*PAIRS, *SHORT, *fixed),
        "trainer=ddp",
        "trainer.devices=2",
        f"hydra.run.dir={tmp_path / '2'}",
    ]
    command = [sys.executable, "-m", "gantool", "train", *overrides]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    trained(tmp_path / "1", *PAIRS, *SHORT, *fixed)
    assert rows(tmp_path / "2") == rows(tmp_path / "1")
    assert len(rows(tmp_path / "1")) == 2
    assert checkpoint(tmp_path / "2", "best")["best"] == checkpoint(tmp_path / "1", "best")["best"]
    assert re.search(r"^Best +psnr [\d.]+ at 8 images: \S+best\.ckpt$", done.stdout, re.MULTILINE)


def test_the_size_of_a_pass_changes_nothing_where_there_is_no_noise():
    cfg = composed(*small("model=pix2pix", "model.G.noise=false"))
    images = synthetic_pairs(count=7)
    metric = Likeness()
    metric.prepare(cfg.data, images, torch.device("cpu"), pytest.fail)
    gan = build(cfg)
    found = [
        measure([Request(metric, 7)], Subject(gan, cfg, images, 0, size))[0].values for size in (1, 3, 7)
    ]
    assert found[0] == pytest.approx(found[2], rel=1e-4)
    assert found[1] == pytest.approx(found[2], rel=1e-4)
    assert gan.training


def test_passes_are_no_larger_than_those_of_training():
    for overrides, size in (
        (["batch_size=1"], 1),
        (["batch_size=64"], 16),
        (["batch_size=64", "micro_batch=4"], 4),
    ):
        assert (
            together(composed("model=pix2pix", "data=synthetic_pairs", *overrides), translates=True) == size
        )


def test_every_image_of_a_small_pile_counts_once():
    cfg = composed(*small("model=cyclegan"))
    a, b = (torch.randint(256, (count, 3, 16, 16), dtype=torch.uint8).numpy() for count in (3, 8))
    piles = Piles(InMemory(a), InMemory(b))
    metric = Likeness()
    metric.prepare(cfg.data, piles, torch.device("cpu"), pytest.fail)
    subject = Subject(build(cfg), cfg, piles, 0, together=2)
    seen = [subject.originals(range(start, start + 2)) for start in range(0, 8, 2)]
    assert [{name: len(value) for name, value in batch.items()} for batch in seen] == [
        {"a": 2, "b": 2},
        {"a": 1, "b": 2},
        {"b": 2},
        {"b": 2},
    ]
    [found] = measure([Request(metric, 8)], subject)
    alone = Subject(subject.gan, cfg, Piles(InMemory(a), InMemory(b[:3])), 0, together=3)
    [expected] = measure([Request(metric, 3)], alone)
    assert found.values["cycle_ab_l1"] == pytest.approx(expected.values["cycle_ab_l1"], rel=1e-4)
    assert found.record["samples"] == 8


def test_what_comes_of_latents_can_be_measured_while_training(tmp_path: Path):
    points = (
        "model=mlp",
        "data=ring",
        "data.count=500",
        "data.width=8",
        "metrics=modes",
        "evaluate_every=16",
    )
    trained(tmp_path / "run", *points, "images=32", "best.metric=metric/reverse_kl", "ema=8")
    assert [row["images"] for row in rows(tmp_path / "run")] == ["16", "32"]
    cfg = composed(f"run={tmp_path / 'run'}", "metrics=modes", "device=cpu", name="evaluate")
    [file] = evaluate(cfg, Console(quiet=True))
    found = json.loads(file.read_text())["fake"]
    assert column(tmp_path / "run", "metric/modes")[-1] == found["modes"]
    assert column(tmp_path / "run", "metric/high_quality")[-1] == found["high_quality"]


# What is left out, and what is refused.


def test_a_translator_with_nothing_held_out_trains_and_says_so(tmp_path: Path, gantool: Gantool):  # noqa: F811
    nothing = ("data.hold_out=0", "images=8", f"hydra.run.dir={tmp_path / 'run'}")
    answer = gantool("train", *small("model=pix2pix"), *nothing)
    assert answer.code == 0, answer.err
    assert answer.out.count("metrics=likeness is left out: nothing is held out of the data;") == 1
    assert rows(tmp_path / "run") == []
    assert not (tmp_path / "run" / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model=pix2pix", "metrics=likeness", "data.hold_out=0"),
            "metrics=likeness: nothing is held out of the data; data.hold_out=50",
        ),
        (
            ("model=dcgan", "metrics=likeness"),
            "metrics=likeness compares images with what they should be, but",
        ),
        (("model=pix2pix", "metrics=modes"), "metrics=modes needs data=ring, grid or stacked_mnist"),
        (
            ("model=pix2pix", "best.metric=metric/psnr", "data.hold_out=0"),
            "best.metric=metric/psnr: no such number is measured. This run",
        ),
        (
            (*PAIRS, "best.metric=psnr"),
            "best.metric=psnr: no such number is measured. All: metric/psnr, metric/ssim",
        ),
        ((*PAIRS, "best.direction=up"), "best.direction=up: give auto, minimize or maximize."),
        ((*PAIRS, "evaluate_every=-1"), "evaluate_every=-1: give a whole number of 0 or more."),
        (
            (*PAIRS, "metrics.likeness.crop=8"),
            "metrics.likeness.crop=8 leaves nothing of images of 16 pixels",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    overrides: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=re.escape(message)):
        trained(tmp_path, *overrides)
    assert not list(tmp_path.iterdir())


def test_data_that_could_hold_images_out_are_told_how(tmp_path: Path):
    source = synthetic_pairs(count=8)[range(8)]
    for side, images in source.items():
        (tmp_path / side).mkdir()
        for number, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
            Image.fromarray(image).save(tmp_path / side / f"{number}.png")
    data = [f"data.path={tmp_path}", "data.source=source", "data.target=target", "+data.width=4"]
    base = [it for it in SMALL if not it.startswith("data")] + ["model=pix2pix", "data=pairs", *data]

    def train(folder: Path, *overrides: str) -> int:
        return verb.train(composed(*base, *overrides), folder, [*overrides], Console(quiet=True))

    with pytest.raises(
        ValueError, match=r"metrics=likeness: nothing is held out .*data\.hold_out=50 keeps 50"
    ):
        train(tmp_path / "none", "metrics=likeness")
    assert train(tmp_path / "some", "data.hold_out=3", "images=8") == 0
    assert measured(tmp_path / "some", tmp_path / "out")["samples"] == 3
    assert train(tmp_path / "silent", "images=8") == 0
    with pytest.raises(ValueError, match="in the training of this run nothing is held out of the data"):
        measured(tmp_path / "silent", tmp_path / "out")


def test_the_log_tells_every_number(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        trained(tmp_path, *PAIRS, *SHORT, "images=24")
    assert any(re.match(r"at 24 images: psnr [\d.]+, ssim \S+, l1 \S+$", line) for line in caplog.messages)
