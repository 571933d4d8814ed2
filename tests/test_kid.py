"""Kernel distance and inception score: cases by hand, population values, agreement with torch-fidelity."""

from math import exp, log

import pytest
import torch
from torch import Tensor

from gantool.metrics.inception_score import InceptionScore
from gantool.metrics.kernel_distance import STRIP, KernelDistance, discrepancy, off_diagonal, total

double = torch.float64


def kid(fake: Tensor, real: Tensor, subsets: int = 100, size: int = 1000) -> dict[str, float]:
    return KernelDistance(subsets, size).against(real)(fake)


def score(probabilities: Tensor, parts: int = 10) -> dict[str, float]:
    return InceptionScore(parts).against(torch.empty(0))(probabilities.log())


def test_two_points_against_two_have_a_distance_of_nine_eighths():
    x = torch.tensor([[1, 0], [0, 1]], dtype=double)
    y = torch.tensor([[1, 1], [2, 0]], dtype=double)
    assert discrepancy(x, y) == pytest.approx(9 / 8, rel=1e-12)
    assert kid(x, y, subsets=3)[""] == pytest.approx(9 / 8, rel=1e-12)
    assert kid(x, y, subsets=3)["std"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, STRIP, 2 * STRIP + 1, 5 * STRIP + 3])
def test_half_of_a_symmetric_matrix_sums_to_all_of_it_without_its_diagonal(count: int):
    x = torch.randn(count, 16, generator=torch.Generator().manual_seed(0), dtype=double)
    diagonal = (x.square().mean(1) + 1).pow(3).sum()
    assert off_diagonal(x) == pytest.approx(total(x, x) - float(diagonal), rel=1e-12)


def test_features_in_float32_have_the_distance_that_float64_has_of_them():
    numbers = torch.Generator().manual_seed(0)
    fake, real = (torch.randn(600, 64, generator=numbers).relu() * scale for scale in (1.1, 1.0))
    exact = kid(fake.double(), real.double(), subsets=3, size=500)
    assert kid(fake, real, subsets=3, size=500) == pytest.approx(exact, rel=1e-5)


def test_shifted_gaussians_are_as_far_apart_as_the_population():
    """3a/d + (3a^2 + 3a)/d^2 + (a^3 + 6a^2 + 6a)/d^3 with a = |m|^2: d = 8, a = 4 gives 2.796875."""
    d, a = 8, 4.0
    expected = 3 * a / d + (3 * a * a + 3 * a) / d**2 + (a**3 + 6 * a * a + 6 * a) / d**3
    assert expected == 2.796875
    numbers = torch.Generator().manual_seed(0)
    x, y = (torch.randn(20_000, d, generator=numbers) for _ in range(2))
    y[:, 0] += 2
    found = kid(x, y, subsets=40)
    assert found[""] == pytest.approx(expected, abs=4 * found["std"] / 40**0.5)


def test_samples_of_one_distribution_are_0_apart_on_the_mean_and_sometimes_below():
    numbers = torch.Generator().manual_seed(0)
    values = [
        discrepancy(*torch.randn(2, 50, 8, generator=numbers, dtype=double).unbind()) for _ in range(60)
    ]
    spread = torch.tensor(values)
    assert abs(float(spread.mean())) < 4 * float(spread.std()) / 60**0.5
    assert min(values) < 0


def test_kid_agrees_with_torch_fidelity_subset_for_subset():
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.metric_kid import kid_features_to_metric

    numbers = torch.Generator().manual_seed(1)
    fake = torch.randn(700, 32, generator=numbers, dtype=double)
    real = torch.randn(500, 32, generator=numbers, dtype=double) * 1.2 + 0.3
    theirs = kid_features_to_metric(
        fake, real, kid_subsets=7, kid_subset_size=200, rng_seed=2020, verbose=False
    )
    mine = kid(fake, real, subsets=7, size=200)
    assert mine[""] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-6)
    assert mine["std"] == pytest.approx(theirs["kernel_inception_distance_std"], rel=1e-6)


def test_kid_is_the_same_each_time_and_says_when_subsets_are_small():
    numbers = torch.Generator().manual_seed(1)
    fake, real = torch.randn(2, 300, 8, generator=numbers)
    assert kid(fake, real, size=50) == kid(fake, real, size=50)
    said = KernelDistance().doubt(300, 5000, 8)
    assert said == "subsets are of 300 images, not of 1,000: take more images"
    assert KernelDistance().doubt(1000, 5000, 8) is None


def test_equal_predictions_score_1_and_sure_balanced_ones_as_many_as_there_are_classes():
    assert score(torch.tensor([[0.2, 0.3, 0.5]]).repeat(40, 1))[""] == pytest.approx(1, rel=1e-6)
    sure = torch.eye(7).repeat(20, 1)
    assert score(sure) == pytest.approx({"": 7, "std": 0}, abs=1e-6)


def test_two_halves_that_are_fairly_sure_have_a_closed_form():
    """exp(ln 2 - H(.9)) = 1.444935."""
    halves = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=double).repeat(50, 1)
    expected = exp(log(2) + 0.9 * log(0.9) + 0.1 * log(0.1))
    assert expected == pytest.approx(1.444935, abs=1e-6)
    assert score(halves)[""] == pytest.approx(expected, rel=1e-9)


def test_a_score_lies_between_1_and_the_number_of_classes():
    numbers = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(500, 6, generator=numbers)
    found = InceptionScore().against(logits)(logits)
    assert 1 < found[""] < 6
    assert found["std"] > 0


def test_a_class_that_is_never_predicted_and_parts_that_differ_make_numbers():
    predictions = torch.eye(3)[torch.tensor([0, 0, 0, 1])]
    found = score(predictions, parts=2)
    assert found == pytest.approx({"": (1 + 2) / 2, "std": 0.5})


def test_the_score_agrees_with_torch_fidelity():
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = 3 * torch.randn(200, 10, generator=torch.Generator().manual_seed(0), dtype=double)
    theirs = isc_features_to_metric(logits, splits=10, shuffle=False, rng_seed=2020)
    mine = InceptionScore().against(logits)(logits)
    assert mine[""] == pytest.approx(theirs["inception_score_mean"], rel=1e-6)
    assert mine["std"] == pytest.approx(theirs["inception_score_std"], rel=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KernelDistance(subsets=0), "subsets=0, size=1000: give 1 subset or more"),
        (lambda: KernelDistance(size=1), "size=1: give"),
        (lambda: InceptionScore(parts=0), "parts=0: give 1 part"),
    ],
)
def test_choices_that_there_are_not_are_refused(make: type, message: str):
    with pytest.raises(ValueError, match=message):
        make()
