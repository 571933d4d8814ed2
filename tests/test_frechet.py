"""Fréchet distance: closed forms, symmetries, agreement with torch-fidelity."""

import numpy as np
import pytest
import torch
from torch import Tensor

from gantool.metrics.frechet import ROWS, STRIP, Frechet, frechet, moments

Gaussian = tuple[Tensor, Tensor]


def gaussian(mean: list[float], covariance: list[list[float]]) -> Gaussian:
    return torch.tensor(mean, dtype=torch.float64), torch.tensor(covariance, dtype=torch.float64)


def cloud(count: int, width: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Features whose covariance is no multiple of the identity, far from 0."""
    numbers = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(width, width)) / width**0.5
    return torch.from_numpy(numbers.normal(size=(count, width)) @ mixing * scale + 3)


def distance(fake: Tensor, real: Tensor) -> float:
    return Frechet().against(real)(fake)[""]


def test_equal_gaussians_are_not_apart():
    it = gaussian([1, 2], [[2, 1], [1, 2]])
    assert frechet(*it, *it) == pytest.approx(0, abs=1e-12)


def test_gaussians_whose_axes_agree_are_apart_by_their_means_and_deviations():
    """|(3, 4)|^2 + (1 - 3)^2 + (2 - 4)^2."""
    one, other = gaussian([3, 4], [[1, 0], [0, 4]]), gaussian([0, 0], [[9, 0], [0, 16]])
    assert frechet(*one, *other) == pytest.approx(33, rel=1e-12)
    assert frechet(*other, *one) == pytest.approx(33, rel=1e-12)


def test_twice_the_deviation_in_every_direction_is_as_far_as_there_are_directions():
    width = 2048
    zero, one = torch.zeros(width, dtype=torch.float64), torch.eye(width, dtype=torch.float64)
    assert frechet(zero, one, zero, 4 * one) == pytest.approx(width, rel=1e-12)


def test_covariances_that_do_not_commute_have_a_closed_form_too():
    """tr (S1 S2)^(1/2) of 2 x 2 matrices is sqrt(tr S1 S2 + 2 sqrt(det S1 S2)): Cayley and Hamilton."""
    one, other = gaussian([0, 0], [[2, 1], [1, 2]]), gaussian([1, -1], [[1, 0], [0, 3]])
    product = one[1] @ other[1]
    expected = 2 + 8 - 2 * float((product.trace() + 2 * product.det().sqrt()).sqrt())
    assert frechet(*one, *other) == pytest.approx(expected, rel=1e-12)
    assert frechet(*one, *other) == pytest.approx(2.5166852264521, rel=1e-12)


def test_moments_are_those_of_numpy_with_one_less_in_the_denominator():
    for count, width in ((ROWS + 7, 5), (700, 2 * STRIP + 3)):
        features = cloud(count, width).float()
        mean, covariance = moments(features)
        exact = features.double().numpy()
        np.testing.assert_allclose(mean, exact.mean(0), rtol=1e-12)
        np.testing.assert_allclose(covariance, np.cov(exact, rowvar=False), rtol=1e-9, atol=1e-12)
        assert torch.equal(covariance, covariance.T)


@pytest.mark.parametrize(("counts", "width"), [((600, 500), 32), ((3000, 2000), 128)])
def test_it_agrees_with_torch_fidelity(counts: tuple[int, int], width: int):
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    fake, real = (cloud(count, width, seed, seed + 1) for seed, count in enumerate(counts))
    theirs = fid_statistics_to_metric(
        fid_features_to_statistics(fake), fid_features_to_statistics(real), verbose=False
    )
    assert distance(fake, real) == pytest.approx(theirs["frechet_inception_distance"], rel=1e-6)


def test_neither_order_nor_rotation_nor_shift_matter_and_scale_counts_squared():
    fake, real = cloud(400, 16), cloud(300, 16, seed=1, scale=2)
    rotation = torch.linalg.qr(cloud(16, 16, seed=2)).Q
    expected = distance(fake, real)
    assert distance(real, fake) == pytest.approx(expected, rel=1e-9)
    assert distance(fake.flip(0), real) == pytest.approx(expected, rel=1e-9)
    assert distance(fake @ rotation + 5, real @ rotation + 5) == pytest.approx(expected, rel=1e-9)
    assert distance(3 * fake, 3 * real) == pytest.approx(9 * expected, rel=1e-9)


def test_fewer_images_than_features_make_a_finite_distance_and_0_from_itself():
    """Singular covariances: the eigenvalues of S1 S2 that should be 0 are noise of either sign."""
    fake, real = cloud(20, 64), cloud(30, 64, seed=1)
    found = distance(fake, real)
    products = np.linalg.eigvals((moments(fake)[1] @ moments(real)[1]).numpy()).real.clip(0)
    (m, S), (n, T) = moments(fake), moments(real)
    expected = float((m - n).square().sum() + S.trace() + T.trace()) - 2 * np.sqrt(products).sum()
    assert found == pytest.approx(expected, rel=1e-4)
    assert distance(fake, fake) == pytest.approx(0, abs=1e-9)
    constant = torch.ones(5, 64)
    assert distance(constant, constant) == 0
    said = Frechet().doubt(20, 30, 64)
    assert said is not None
    assert "20 images are too few for a covariance of 64 features" in said
    assert Frechet().doubt(65, 100, 64) is None


def test_features_that_say_the_same_twice_or_nothing_are_as_far_apart_as_without_them():
    """Singular covariances of many images: copies of features double the distance, a constant adds 0."""
    fake, real = cloud(400, 24), cloud(300, 24, seed=1, scale=2)
    expected = distance(fake, real)
    doubled = distance(fake.repeat(1, 2), real.repeat(1, 2))
    assert doubled == pytest.approx(2 * expected, rel=1e-6)
    constant = torch.full((400, 5), 7.0, dtype=torch.float64)
    dead = distance(torch.cat([fake, constant], 1), torch.cat([real, constant[:300]], 1))
    assert dead == pytest.approx(expected, rel=1e-6)


def test_directions_of_hardly_any_spread_are_not_lost():
    """Deviations from 1 down to 1e-9 of commuting covariances: the sum of the squared differences."""
    deviations = torch.logspace(0, -9, 64, dtype=torch.float64)
    rotation = torch.linalg.qr(cloud(64, 64)).Q
    zero = torch.zeros(64, dtype=torch.float64)
    one, other = (rotation * (factor * deviations).square() @ rotation.T for factor in (1, 3))
    assert frechet(zero, one, zero, other) == pytest.approx(4 * float(deviations.square().sum()), rel=1e-6)


def test_two_samples_of_one_gaussian_are_as_far_apart_as_chance_has_it():
    """About 2d/N + d(d+1)/(2N) for N of each with covariance I; d = 16, N = 2000: 0.084."""
    width, count, tries = 16, 2000, 8
    numbers = torch.Generator().manual_seed(0)
    drawn = [torch.randn(2, count, width, generator=numbers, dtype=torch.float64) for _ in range(tries)]
    mean = sum(distance(fake, real) for fake, real in drawn) / tries
    assert mean == pytest.approx(2 * width / count + width * (width + 1) / (2 * count), rel=0.1)
