"""Optuna: it learns from sweep.metric, goes on from its storage, and outlives failing trials."""

from pathlib import Path
from typing import Any

import pytest
from command import Gantool, gantool_here, ours, verb_replaced  # noqa: F401, the fixtures
from omegaconf import DictConfig, OmegaConf
from test_sweep import folder_of_job, rows, sweep

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="gantool[sweep] is not installed")
optuna = pytest.importorskip("optuna")
optuna.logging.disable_default_handler()  # which would hold on to the stderr of the first test

OPTUNA = ("train", "-m", "hydra/sweeper=optuna", "sweep.metric=G/adversarial")
RATE = "optimizer.D.lr=tag(log,interval(1e-6,1.0))"


def parabola(cfg: DictConfig) -> None:
    """A run that is best at optimizer.D.lr = 0.1."""
    value = (cfg.optimizer.D.lr - 0.1) ** 2
    (folder_of_job() / "metrics.csv").write_text(f"images,G/adversarial\n8,99\n16,{value}\n")


def best() -> dict[str, Any]:
    return OmegaConf.to_container(OmegaConf.load(sweep() / "optimization_results.yaml"))  # pyright: ignore


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_last_logged_value_is_what_a_trial_is_judged_by(gantool: Gantool, verb: Any, sampler: str):
    verb(parabola)
    asked = (*OPTUNA, RATE, "hydra.sweeper.n_trials=5", f"hydra/sweeper/sampler={sampler}")
    answer = gantool(*asked, "hydra.sweeper.sampler.seed=1")
    assert answer.code == 0, answer.err
    values = [float(row["G/adversarial"]) for row in rows()]
    assert len(values) == 5
    assert best()["best_value"] == min(values)
    number = values.index(min(values))
    assert best()["best_params"]["optimizer.D.lr"] == float(rows()[number]["optimizer.D.lr"])
    assert f"Best: job {number}, G/adversarial " in answer.out
    assert "Best of the study: G/adversarial " in answer.out
    assert "5 of 5 finished: optimizer.D.lr=" in answer.out


def test_the_direction_is_that_of_the_sweep(gantool: Gantool, verb: Any):
    verb(parabola)
    assert gantool(*OPTUNA, RATE, "hydra.sweeper.n_trials=4", "sweep.direction=maximize").code == 0
    assert best()["best_value"] == max(float(row["G/adversarial"]) for row in rows())


def test_a_study_goes_on_with_more_trials(gantool: Gantool, verb: Any):
    verb(parabola)
    stored = ["hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=mine"]
    asked = (*OPTUNA, *stored, RATE, "hydra.sweeper.sampler.seed=3")
    values = []
    for name in ("a", "b"):
        assert gantool(*asked, "hydra.sweeper.n_trials=3", f"hydra.sweep.dir={name}").code == 0
        found = OmegaConf.load(f"{name}/optimization_results.yaml")
        values.append(found.best_value)
    study = optuna.load_study(study_name="mine", storage="sqlite:///study.db")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 6
    assert values[1] == min(trial.value for trial in study.trials) <= values[0]


def test_failed_trials_are_told_and_the_others_go_on(gantool: Gantool, verb: Any):
    verb(
        ours(
            "if cfg.seed == 2: raise ValueError('seed=2 is even.')\n"
            "    if cfg.seed == 3: raise SystemExit(1)\n"
            "    parabola(cfg)",
            parabola=parabola,
        )
    )
    sampler = ["hydra/sweeper/sampler=random", "hydra.sweeper.sampler.seed=0"]
    answer = gantool(*OPTUNA, *sampler, "seed=1,2,3", "hydra.sweeper.n_trials=9")
    assert answer.code == 1, answer.err
    assert {(row["seed"], row["status"]) for row in rows()} == {
        ("1", "finished"),
        ("2", "refused"),
        ("3", "failed"),
    }
    assert best()["best_params"] == {"seed": 1}


def test_if_every_trial_fails_alike_one_line_says_why(gantool: Gantool, verb: Any):
    verb(ours("raise ValueError('batch_size=0 is too small.')"))
    answer = gantool(*OPTUNA, "seed=1,2", "hydra.sweeper.n_trials=2")
    assert (answer.code, answer.err.splitlines()[-1]) == (2, "gantool: batch_size=0 is too small.")


def test_who_wants_few_failures_gets_the_sweep_ended(gantool: Gantool, verb: Any):
    seen = verb(ours("raise SystemExit(1)"))
    answer = gantool(*OPTUNA, "seed=1,2", "hydra.sweeper.n_trials=4", "hydra.sweeper.max_failure_rate=0.5")
    assert (answer.code, len(seen)) == (1, 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "sweep.metric=null",
            "This sweeper needs a number to improve: sweep.metric=NAME, one of D/adversarial,",
        ),
        ("sweep.metric=fidd", "sweep.metric=fidd: metrics.csv has no such column."),
        ("hydra.sweeper.direction=maximize", "say sweep.direction=maximize instead."),
        ("hydra.sweeper.n_jobs=-1", "n_jobs=-1: say how many trials may run at once"),
    ],
)
def test_what_optuna_could_not_do_is_refused_before_its_first_trial(
    gantool: Gantool, verb: Any, words: str, sentence: str
):
    seen = verb()
    answer = gantool(*OPTUNA, "seed=1,2", words)
    assert (answer.code, seen) == (2, [])
    assert sentence in answer.err
    assert not Path("outputs").exists()
