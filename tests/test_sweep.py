"""Sweeps: every job for itself, one table for all, and an exit code that tells the truth."""

import csv
import logging
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Gantool, gantool_here, ours, verb_replaced  # noqa: F401, the fixtures
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException
from omegaconf import DictConfig
from small import SMALL

from gantool import request, verbs
from gantool.explain import explain
from gantool.mistakes import Mistake
from gantool.sweeps import job
from gantool.sweeps.metric import last_row, objective

TABLE = [*SMALL, "log_every=2"]


def folder_of_job() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)


def logs(column: str = "G/adversarial", value: str = "cfg.seed / 10") -> Callable[[DictConfig], Any]:
    """A verb whose run logs a number."""
    code = f"(folder() / 'metrics.csv').write_text(f'images,{column}\\n8,9\\n16,{{{value}}}\\n')"
    return ours(code, folder=folder_of_job)


def sweep() -> Path:
    [folder] = Path("outputs/sweeps").iterdir()
    return folder


def rows(folder: str = "") -> list[dict[str, str]]:
    with (Path(folder or sweep()) / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def weights(run: Path | str) -> dict[str, torch.Tensor]:
    return torch.load(Path(run) / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


# The table


def test_a_sweep_ends_with_a_table_of_what_varies_and_what_came_of_it(gantool: Gantool):
    answer = gantool(
        "train", "-m", *TABLE, "seed=1,2", "loss=hinge,least_squares", "sweep.metric=D/adversarial"
    )
    assert answer.code == 0
    table = rows()
    assert [(row["job"], row["seed"], row["loss"]) for row in table] == [
        ("0", "1", "hinge"),
        ("1", "1", "least_squares"),
        ("2", "2", "hinge"),
        ("3", "2", "least_squares"),
    ]
    assert {row["status"] for row in table} == {"finished"}
    assert {row["images"] for row in table} == {"64"}
    for row in table:
        logged = last_row(Path(row["folder"]))
        assert row["G/adversarial"] == logged["G/adversarial"]
        assert float(row["speed/images_per_second"]) > 0
    title = next(line for line in answer.out.splitlines() if line.startswith(" job"))
    assert " ".join(title.split()) == "job seed loss status D/adversarial G/adversarial images/s images time"
    best = min(table, key=lambda row: float(row["D/adversarial"]))
    assert (
        f"Best: job {best['job']}, D/adversarial {float(best['D/adversarial']):.6g} with seed=" in answer.out
    )
    assert "4 of 4 finished: seed=2 loss=least_squares, 0:00:0" in answer.out


def test_no_path_and_no_number_of_the_table_is_broken_in_a_file(gantool: Gantool, verb: Any):
    verb(logs())
    answer = gantool("train", "-m", "seed=1,2", "hydra.sweep.subdir='a-long-name-${seed}/" + "x" * 90 + "'")
    assert f"a-long-name-1/{'x' * 90}" in answer.out
    assert rows()[0]["folder"] == str(sweep() / "a-long-name-1" / ("x" * 90))


def test_the_direction_of_the_sweep_says_which_run_is_best(gantool: Gantool, verb: Any):
    verb(logs())
    asked = ("train", "-m", "seed=1,2,3", "sweep.metric=G/adversarial")
    assert "Best: job 0, G/adversarial 0.1 with seed=1" in gantool(*asked).out
    assert "Best: job 2, G/adversarial 0.3 with seed=3" in gantool(*asked, "sweep.direction=maximize").out


def test_sweep_csv_tells_the_jobs_that_are_done_while_others_run(gantool: Gantool, verb: Any):
    seen: list[list[str]] = []

    def main(cfg: DictConfig) -> None:
        table = folder_of_job().parent / "sweep.csv"
        seen.append([row["seed"] for row in csv.DictReader(table.open())] if table.exists() else [])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        verb(main)
        assert gantool("train", "-m", "seed=4,5,6").code == 0
    assert seen == [[], ["4"], ["4", "5"]]


def test_the_table_of_a_command_leaves_out_what_another_did_in_the_same_folder(gantool: Gantool, verb: Any):
    verb()
    assert gantool("train", "-m", "seed=1,2,3", "hydra.sweep.dir=outputs/sweeps/mine").code == 0
    assert gantool("train", "-m", "seed=7,8", "hydra.sweep.dir=outputs/sweeps/mine").code == 0
    assert [row["seed"] for row in rows()] == ["7", "8"]


def test_a_sweep_that_was_cut_short_is_completed_with_resume_auto(gantool: Gantool, verb: Any):
    asked = ("train", "-m", "seed=1,2,3", "sweep.metric=G/adversarial", "hydra.sweep.dir=outputs/sweeps/a")
    done = verb(ours("cfg.seed < 2 or exit(143)\n    logs(cfg)", logs=logs(), exit=sys.exit))
    assert gantool(*asked, "resume=auto").code == 143
    assert [row["status"] for row in rows()] == ["finished", "stopped"]
    again = verb(logs())
    answer = gantool(*asked, "resume=auto")
    assert (answer.code, [cfg.seed for cfg in done], [cfg.seed for cfg in again]) == (0, [1, 2], [2, 3])
    assert [row["G/adversarial"] for row in rows()] == ["0.1", "0.2", "0.3"]
    assert "Best: job 0, G/adversarial 0.1" in answer.out
    verb()
    ranked = gantool(*asked[:3], asked[-1], "resume=auto", "sweep.metric=D/adversarial")
    assert "metrics.csv has no value of it. Nearest: G/adversarial." in ranked.err


# Failures


def test_a_job_that_fails_is_told_at_the_end_and_does_not_stop_the_others(gantool: Gantool, verb: Any):
    seen = verb(ours("if cfg.seed == 2: raise ValueError(f'seed={cfg.seed} is even.')"))
    answer = gantool("train", "-m", "seed=1,2,3")
    assert (answer.code, [cfg.seed for cfg in seen]) == (1, [1, 2, 3])
    assert answer.err == "gantool: seed=2 is even. (job 1: seed=2)\n"
    assert [row["status"] for row in rows()] == ["finished", "refused", "finished"]


def test_what_is_wrong_with_all_jobs_is_told_in_one_line(gantool: Gantool, verb: Any):
    verb(ours("raise ValueError('batch_size=0 is too small.')"))
    answer = gantool("train", "-m", "seed=1,2,3")
    assert (answer.code, answer.err) == (2, "gantool: batch_size=0 is too small.\n")


def test_a_run_that_diverged_has_failed(gantool: Gantool):
    bad = ["images=800", "optimizer=sgd", "optimizer.lr=1e-4,1e4", "loss=least_squares"]
    answer = gantool("train", "-m", *TABLE, *bad)
    assert answer.code == 1
    assert [row["status"] for row in rows()] == ["finished", "diverged"]
    assert "gantool: training diverged: " in answer.err
    assert "(job 1: optimizer.lr=1e+04)" in answer.err


def test_a_bug_leaves_its_traceback_in_the_log_of_its_job(gantool: Gantool, verb: Any):
    seen = verb(ours("if cfg.seed == 1: raise RuntimeError('a bug')"))
    answer = gantool("train", "-m", "seed=1,2")
    assert (answer.code, len(seen)) == (1, 2)
    assert "gantool: RuntimeError: a bug (job 0: seed=1)" in answer.err
    assert "Traceback" in (sweep() / "0" / "train.log").read_text()


@pytest.mark.parametrize("end", [143, 130, KeyboardInterrupt()])
def test_a_signal_ends_the_whole_sweep_after_the_job_that_it_stopped(gantool: Gantool, verb: Any, end: Any):
    seen = verb(ours("raise end", end=end if isinstance(end, KeyboardInterrupt) else SystemExit(end)))
    answer = gantool("train", "-m", "seed=1,2,3")
    assert (answer.code, len(seen)) == (130 if isinstance(end, KeyboardInterrupt) else end, 1)
    assert [row["status"] for row in rows()] == ["stopped"]


def test_sigterm_before_training_begins_ends_the_sweep_with_its_table(gantool: Gantool, verb: Any):
    verb(lambda cfg: (signal.raise_signal(signal.SIGTERM), time.sleep(1)))
    assert gantool("train", "-m", "seed=1,2").code == 143
    assert [row["status"] for row in rows()] == ["stopped"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("seed=1,2 sweep.metric=G/advesarial", "metrics.csv has no such column. Nearest: G/adversarial,"),
        ("seed=1,2 sweep.metric=fid", "sweep.metric=fid: metrics.csv has no such column. All: D/adversarial"),
        ("seed=1,2 sweep.metric=D/r1 loss=hinge", "sweep.metric=D/r1: metrics.csv has no such column."),
        ("seed=1,2 sweep.direction=up", "sweep.direction=up: choose minimize or maximize."),
        ("seed=1,2 hydra/launcher=jobib", "No option jobib in group hydra/launcher."),
        ("seed=1,2 modl=dcgan", "modl=dcgan: no group or key modl."),
    ],
)
def test_a_wrong_sweep_is_refused_before_its_first_job(
    gantool: Gantool, verb: Any, words: str, sentence: str
):
    seen = verb()
    answer = gantool("train", "-m", *words.split())
    assert (answer.code, answer.out, seen) == (2, "", [])
    assert sentence in answer.err
    assert answer.err.count("\n") == 1


def test_a_metric_that_only_some_jobs_have_fails_the_others(gantool: Gantool, verb: Any):
    verb(logs("D/r1"))
    answer = gantool("train", "-m", "seed=3", "loss=hinge,non_saturating_r1", "sweep.metric=D/r1")
    assert answer.code == 1
    assert [row["status"] for row in rows()] == ["refused", "finished"]


def test_a_metric_that_was_not_logged_does_not_lose_the_run(gantool: Gantool):
    answer = gantool("train", "-m", *SMALL, "seed=1,2", "log_every=100", "sweep.metric=G/adversarial")
    assert answer.code == 1
    assert "metrics.csv has no value of it. Nothing was logged: lower log_every." in answer.err
    assert [row["status"] for row in rows()] == ["finished", "finished"]
    assert weights(sweep() / "1")


@pytest.mark.parametrize(
    ("group", "option", "package"),
    [
        ("launcher", "joblib", "hydra-joblib-launcher"),
        ("launcher", "submitit_slurm", "hydra-submitit-launcher"),
        ("sweeper", "optuna", "hydra-optuna-sweeper"),
    ],
)
def test_an_extra_that_is_missing_is_named(group: str, option: str, package: str):
    wanted = request.parse(verbs.find(["train"]), [f"hydra/{group}={option}"])
    error = MissingConfigException("", f"hydra/{group}/{option}", ["basic"])
    sentence = explain(error, wanted, None)
    assert sentence == (
        f"hydra/{group}={option}: This needs the package {package}: pip install 'gantool[sweep]'"
    )


# The number that a sweep is about


def test_the_objective_is_the_last_value_that_was_logged(tmp_path: Path):
    (tmp_path / "metrics.csv").write_text("images,a,b\n8,1,5\n16,2,\n24,,\n")
    assert objective("a", tmp_path) == 2
    assert objective("b", tmp_path) == 5
    assert objective(None, tmp_path) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("images,b\n8,1\n", "has no value of it. All: b."),
        ("images,aa\n8,1\n", "has no value of it. Nearest: aa. All: aa."),
        ("images\n", "Nothing was logged: lower log_every."),
        ("images,aaa\n8,nan\n", "its last value in .* is nan."),
    ],
)
def test_an_objective_that_is_missing_is_told(tmp_path: Path, text: str, sentence: str):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(Mistake, match=sentence):
        objective("aaa", tmp_path)


def test_a_record_that_is_damaged_is_named(tmp_path: Path):
    (tmp_path / "jobs").mkdir()
    for text in ("", "{}", "[1]"):
        (tmp_path / "jobs" / "0.json").write_text(text)
        with pytest.raises(ValueError, match=r"jobs/0\.json is no record of a job \(.+\); delete it"):
            job.read(tmp_path)


def test_choices_are_the_values_that_were_typed():
    typed = [
        "model=dcgan",
        "seed=3",
        "optimizer.D.lr=2e-4",
        "+x='a b'",
        "ema=true",
        "data.resolution=[64,48]",
    ]
    found = job.choices([*typed, "resume=auto", "sweep.metric=G/adversarial", "~loss.D.r1"])
    assert found == {
        "model": "dcgan",
        "seed": 3,
        "optimizer.D.lr": 2e-4,
        "x": "a b",
        "ema": True,
        "data.resolution": "[64,48]",
    }


# One process, several jobs


def test_each_job_of_a_sweep_of_seeds_trains_as_it_would_alone(gantool: Gantool):
    assert gantool("train", "-m", *SMALL, "seed=1,2,1").code == 0
    assert gantool("train", *SMALL, "seed=2", "hydra.run.dir=alone").code == 0
    first, second, third = (weights(sweep() / name) for name in "012")
    alone = weights("alone")
    assert second.keys() == alone.keys()
    assert all(torch.equal(second[name], alone[name]) for name in alone)
    assert all(torch.equal(first[name], third[name]) for name in first)
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_a_sweep_leaves_nothing_behind_in_its_process(gantool: Gantool):
    def state() -> list[Any]:
        signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
        return [signals, list(warnings.filters), torch.get_num_threads(), torch.get_default_dtype()]

    before = state()
    assert gantool("train", "-m", *SMALL, "seed=1,2", "trainer.precision=64-true,32-true").code == 0
    assert state() == before
    files = [it.baseFilename for it in logging.getLogger().handlers if isinstance(it, logging.FileHandler)]
    assert not [file for file in files if file.endswith("train.log")]


def test_each_job_logs_into_its_own_folder_only(gantool: Gantool):
    assert gantool("train", "-m", *SMALL, "seed=1,2").code == 0
    for i, seed in ((0, 1), (1, 2)):
        log = (sweep() / str(i) / "train.log").read_text()
        assert f"seed={seed}" in log
        assert f"seed={3 - seed}" not in log
