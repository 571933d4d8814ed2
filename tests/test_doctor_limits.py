"""What the doctor must not say of sound runs, which once heard it; and her numbers in any precision."""

from pathlib import Path
from random import Random

import pytest
from small import composed, small, trained
from test_doctor import SOUND, health

from gantool.build import build
from gantool.data.synthetic import synthetic
from gantool.doctor.examination import Examination, some
from gantool.doctor.sign import END, Moment, Numbers
from gantool.doctor.signs import Exploding, Strong, Stuck, signs


def told(history: list[Numbers], iterations: int, end: float = 0.5) -> list[tuple[int, str]]:
    """(examination, sentence) of a run that does so many iterations between two, and gets as far as `end`."""
    known = signs()
    heard = [
        (place, sign.hear(numbers, Moment(1000 * place, iterations * place, end * place / len(history))))
        for place, numbers in enumerate(history, 1)
        for sign in known.values()
    ]
    return [(place, sentence) for place, sentence in heard if sentence is not None]


def test_a_D_that_is_sure_in_its_first_iterations_may_yet_be_met():
    """Hinge losses are 0 while D meets its margins: sngan and hinge on digits, within 400 iterations."""
    sure = SOUND | {"uncertainty": 0.0}
    assert told([sure] * 8 + [SOUND] * 30, iterations=100) == []
    [(place, sentence)] = told([sure] * 40, iterations=100)
    assert 100 * place >= Strong.settles
    assert "too easily" in sentence


def test_at_the_end_of_a_short_run_it_is_said_all_the_same():
    sure = SOUND | {"uncertainty": 0.0}
    [(place, _)] = told([sure] * 20, iterations=10, end=1.0)
    assert place == END * 20


def test_a_gradient_that_comes_back_is_no_explosion():
    """D has none at all while it meets the margins of a hinge loss."""
    history = [SOUND | {"D_gradient": 0.0}] * 8 + [SOUND | {"D_gradient": 50.0}] * 8
    assert told(history, iterations=500) == []
    sign = Exploding("D")
    assert sign.badness({"D_gradient": 0.0}, Moment(0, 2000, 0.5)) == 0.0
    assert sign.usual is None


@pytest.mark.parametrize("start", [0.02, 0.2])
def test_a_generator_that_begins_to_learn_late_learns(start: float):
    """DCGAN of width 8 on MNIST: fakes all alike up to iteration 780 of 940."""
    history = [SOUND | {"diversity": start}] * 16
    rising = [SOUND | {"diversity": min(1.3**k * start, 0.9)} for k in range(1, 20)]
    assert told(history + rising, iterations=30, end=1.0) == []
    [(_, sentence)] = told(history * 3, iterations=30, end=1.0)
    assert "does not learn" in sentence


def test_stuck_waits_for_as_many_iterations_as_slow_generators_need():
    history = [SOUND | {"diversity": 0.1}] * 60
    [(place, _)] = told(history, iterations=100, end=0.5)
    assert 100 * place == Stuck.settles


def test_a_coverage_that_jumps_is_not_one_that_falls():
    """64 fakes of eight narrow Gaussians, all of which are there: it lies between 0.1 and 0.5."""
    chance = Random(0)
    jumping = [SOUND | {"coverage": chance.uniform(0.08, 0.5)} for _ in range(300)]
    assert told(jumping, iterations=100) == []
    fallen = [SOUND | {"coverage": 0.5}] * 30 + [SOUND | {"coverage": 0.1}] * 9
    [(place, sentence)] = told(fallen, iterations=100)
    assert place == 32
    assert "drops modes" in sentence


@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_examinations_compute_in_the_precision_of_training(precision: str, tmp_path: Path):
    given = ["images=32", "log_every=2", "health_every=16", f"trainer.precision={precision}"]
    assert trained(tmp_path, *given, "task.dequantize=true") == 0
    rows = [row for row in health(tmp_path) if row["health/diversity"]]
    assert [row["images"] for row in rows] == ["16", "32"]


def test_the_size_of_a_pass_changes_nothing_without_batch_norm():
    networks = ("model.G.norm=none", "model.D.norm=none", "task.dequantize=true")
    gan = build(composed(*small("data.width=4", *networks)))
    found = [
        Examination(some(synthetic(), 0), some(synthetic(), 1), together, 0)(gan, 3) for together in (64, 8)
    ]
    assert found[0].keys() == found[1].keys()
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-6)
