"""Early stopping by patience: when nothing gets better, training ends as it would at its end."""

import json
import os
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from omegaconf import DictConfig
from rich.console import Console
from small import composed, small, trained
from test_evaluation import PAIRS, SHORT, checkpoint, column, rows
from test_resume import Killed, kill_at, same

from gantool import protocols
from gantool import train as verb
from gantool.callbacks.checkpoints import Best
from gantool.callbacks.evaluation import Evaluation, check_patience
from gantool.checkpoint import read

STILL = (*PAIRS, *SHORT, "optimizer.D.lr=0", "optimizer.G.lr=0", "model.G.norm=none")  # learns nothing


def waiting(patience: int | None, images: int = 96, every: int = 8) -> Evaluation:
    return Evaluation([], every, images, Best("metric/x", "maximize"), patience)


def ends(patience: int | None, values: list[float]) -> int | None:
    """Images at which these values, one for each 8 images, make training end."""
    evaluation = waiting(patience)
    assert evaluation.best is not None
    for images, value in zip(count(8, 8), values, strict=False):
        evaluation.best.learn({"metric/x": value}, images)
        evaluation.latest = images
        if evaluation.hopeless:
            return images
    return None


def test_training_ends_when_so_many_images_brought_nothing_better():
    assert ends(16, [1, 2, 1, 1, 3]) == 32
    assert ends(17, [1, 2, 1, 1, 3, 0, 0, 0]) == 64
    assert ends(16, [1, 1, 1]) == 24  # as good is not better
    assert ends(8, [1, 2, 3, 4]) is None
    assert ends(None, [1] * 50) is None


def test_numbers_that_are_undefined_do_not_keep_a_training_alive():
    nan = float("nan")
    assert ends(16, [nan, nan, nan]) == 16
    assert ends(16, [1, nan, nan]) == 24
    assert ends(24, [nan, nan, 1, nan, 2]) is None


def restored(state: dict[str, Any], patience: int = 16) -> Evaluation:
    again = waiting(patience)
    again.recall(state)
    return again


def test_patience_goes_on_where_it_was_and_begins_anew_for_another_number():
    best = {"column": "metric/x", "direction": "maximize", "value": 5.0, "images": 8}
    clock = {"images": 30, "iteration": 3}
    assert restored({"best": best, "evaluated": 24, "clock": clock}).hopeless
    assert not restored({"best": best, "evaluated": 16, "clock": clock}).hopeless  # not asked since
    other = restored({"best": {**best, "column": "metric/y"}, "evaluated": 24, "clock": clock})
    first = restored({"clock": clock})  # measured nothing before
    for one in (other, first):
        assert one.best is not None
        assert (one.best.value, one.best.images, one.hopeless) == (None, 30, False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a generator that does not learn: the first number, at 24 images, is the best."""
    folder = tmp_path_factory.mktemp("patient")
    assert trained(folder, *STILL, "images=400", "patience=40", "ema=100") == 0
    return folder


def ended(folder: Path) -> int:
    return checkpoint(folder)["clock"]["images"]


def test_an_early_end_is_an_end_like_any_other(run: Path):
    measured = [int(row["images"]) for row in rows(run)]
    values = column(run, "metric/psnr")
    best = measured[values.index(max(values))]
    assert ended(run) == measured[-1] == min(it for it in measured if it - best >= 40) < 400
    assert (run / "samples" / f"{ended(run):09d}.png").exists()
    assert checkpoint(run, "best")["clock"]["images"] == best


def test_without_patience_training_goes_to_its_end(tmp_path: Path):
    trained(tmp_path, *STILL, "images=120")
    assert ended(tmp_path) == 120
    trained(tmp_path / "long", *STILL, "images=120", "patience=200")
    assert ended(tmp_path / "long") == 120


@pytest.mark.parametrize("moment", [3, 9, 14])
def test_a_killed_run_ends_at_the_same_image(
    moment: int, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    overrides = (*STILL, "images=400", "patience=40", "ema=100")
    with monkeypatch.context() as patched:
        kill_at(moment, patched)
        with pytest.raises(Killed):
            trained(tmp_path, *overrides)
    assert trained(tmp_path, *overrides, "resume=auto") == 0
    one, other = checkpoint(run), checkpoint(tmp_path)
    for part in ("state_dict", "optimizer_states", "clock", "best", "evaluated"):
        assert same(one[part], other[part]), part


def resumed(folder: Path, *overrides: str) -> int:
    again = [f"resume={folder}", *overrides]
    return verb.train(composed(*again), folder, again, Console(quiet=True))


def test_a_run_that_has_ended_says_so_and_goes_on_with_more_patience(tmp_path: Path):
    overrides = (*STILL, "images=120", "patience=40")
    trained(tmp_path, *overrides)
    end = ended(tmp_path)
    assert end < 120
    sentence = (
        f"has ended at {end} images: metric/psnr has not become better for 48 images (patience=40); give"
    )
    for again in (lambda: resumed(tmp_path), lambda: trained(tmp_path, *overrides, "resume=auto")):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            again()
    assert ended(tmp_path) == end
    assert resumed(tmp_path, "patience=72") == 0
    assert ended(tmp_path) == 96
    assert resumed(tmp_path, "patience=null") == 0
    assert ended(tmp_path) == 120


def test_the_user_is_told_why_and_which_moment_was_the_best(
    tmp_path: Path,
    gantool: Gantool,  # noqa: F811
):
    said = gantool("train", *small(*STILL, "images=400", "patience=40"), f"hydra.run.dir={tmp_path}/run")
    assert said.code == 0, said.err
    assert re.search(
        r"^Ended early +at 72 images, as metric/psnr has not become better for 48 images \(patience=40\); "
        r"go on with: gantool train resume=\S+ patience=null$",
        said.out,
        re.MULTILINE,
    )
    assert re.search(r"^Best +psnr [\d.]+ at 24 images: \S+best\.ckpt$", said.out, re.MULTILINE)
    reason = "training ends early: metric/psnr has not become better for 48 images (patience=40)"
    log = (tmp_path / "run" / "train.log").read_text()
    assert log.count(reason) == log.count("training ends at 72 images") == 1


def test_at_the_planned_end_nothing_is_early(tmp_path: Path, gantool: Gantool):  # noqa: F811
    said = gantool("train", *small(*STILL, "images=72", "patience=40"), f"hydra.run.dir={tmp_path}/run")
    assert said.code == 0, said.err
    assert "Ended early" not in said.out


def test_two_processes_end_together(tmp_path: Path):
    overrides = [*small(*STILL, "images=400", "patience=40"), "trainer=ddp", "trainer.devices=2"]
    command = [sys.executable, "-m", "gantool", "train", *overrides, f"hydra.run.dir={tmp_path / '2'}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Ended early") == 1
    assert ended(tmp_path / "2") == 72


# What is refused, and what a run notes.


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("evaluate_every=0",), "patience=40 waits for better numbers, but evaluate_every=0 measures none"),
        (
            ("metrics=[]",),
            "patience=40 waits for better numbers, but metrics=[] measures none on the way: choose",
        ),
        (("data.hold_out=0",), "patience=40 waits for a better best.metric, but best.metric=auto names no"),
        (("best.metric=null",), "patience=40 waits for a better best.metric, but best.metric=None names no"),
        (("patience=0",), "patience=0: give a whole number of 1 or more."),
        (("patience=1.5",), "patience=1.5: give a whole number of 1 or more."),
        (("patience=true",), "patience=True: give a whole number of 1 or more."),
    ],
)
def test_patience_without_anything_to_wait_for_is_refused_before_anything_is_written(
    overrides: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(ValueError, match=re.escape(message)):
        trained(tmp_path, *PAIRS, *SHORT, "patience=40", *overrides)
    assert not list(tmp_path.iterdir())


def test_models_that_measure_nothing_are_refused_in_one_line(tmp_path: Path, gantool: Gantool):  # noqa: F811
    said = gantool("train", *small("model=dcgan", "patience=8"), f"hydra.run.dir={tmp_path / 'run'}")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "metrics=[] measures none on the way" in said.err
    assert not (tmp_path / "run").exists()


def test_ordinary_patience_is_accepted():
    check_patience(DictConfig({"patience": 5, "evaluate_every": 3, "metrics": {"x": 1}}))


def test_a_run_notes_how_its_columns_are_measured_and_in_which_direction_they_are_better(run: Path):
    noted = protocols.noted(run)
    assert {name: it["direction"] for name, it in noted.items()} == {
        "metric/psnr": "maximize",
        "metric/ssim": "maximize",
        "metric/l1": "minimize",
    }
    assert "8-bit RGB" in noted["metric/psnr"]["protocol"]


def test_what_was_noted_before_stays(tmp_path: Path):
    assert protocols.noted(tmp_path) == {}
    for name in ("a", "b", "a"):
        protocols.note(tmp_path, {f"metric/{name}": {"direction": "minimize", "protocol": "p"}})
    assert list(json.loads((tmp_path / protocols.FILE).read_text())) == ["metric/a", "metric/b"]


def test_checkpoints_of_before_there_was_patience_are_refused_in_one_line(run: Path, tmp_path: Path):
    import torch

    stored = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    del stored["gantool"]["config"]["patience"]
    stored["gantool"]["schema"] = 6
    torch.save(stored, tmp_path / "older.ckpt")
    with pytest.raises(ValueError, match="has format 6, this gantool reads 7: use the version that wrote it"):
        read(tmp_path / "older.ckpt")
