"""Authenticity and copies: of copies, of fresh samples as theory has them, of noise; and where they look."""

import json
import re
from math import pi, sqrt
from pathlib import Path

import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from small import trained
from torch import Tensor

from gantool.metrics import ranking
from gantool.metrics.memorisation import Memorisation
from gantool.metrics.pixels import Pixels
from gantool.metrics.ranking import own_nearest, ranked


def cloud(count: int, width: int, seed: int) -> Tensor:
    """Uniform in a cube."""
    return torch.rand(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def numbers(fake: Tensor, real: Tensor) -> dict[str, float]:
    return Memorisation().against(real)(fake)


def line(*places: float) -> Tensor:
    return torch.tensor(places, dtype=torch.float64)[:, None]


# What it says.


def test_on_a_line_both_are_counted_by_hand():
    """0.1 and 0.9 are nearer to 0 and 1 than these to each other; 3.5 and 6 farther from 2 than 1 is."""
    found = numbers(line(0.1, 0.9, 3.5, 6), line(0, 1, 2))
    assert found == {"authenticity": 0.5, "copies": 0.5}


def test_a_generator_that_copies_is_never_authentic():
    real = cloud(300, 16, 0)
    assert numbers(real[torch.randperm(300)[:100]], real) == {"authenticity": 0, "copies": 1}
    near = real + 1e-3 * torch.randn(real.shape, generator=torch.Generator().manual_seed(1)).double()
    assert numbers(near, real) == {"authenticity": 0, "copies": 1}


def test_copies_are_found_in_the_single_precision_that_features_have():
    real = 1e3 + cloud(300, 16, 0).float()
    assert numbers(real, real) == {"authenticity": 0, "copies": 1}


def fresh_authenticity(width: int) -> float:
    """1 - |ball| / |two such balls, each with its centre on the other|: of fresh samples in F dimensions.

    A point is the nearest of its own nearest neighbour if nobody is in either ball. What the balls share are
    two caps that reach to 60 degrees from their poles.
    """
    angle = torch.linspace(0, pi / 2, 30_001, dtype=torch.float64)
    slices = angle.sin() ** width
    cap = torch.trapezoid(slices[:20_001], angle[:20_001]) / torch.trapezoid(slices, angle)
    return 1 - 1 / (2 - float(cap))


def test_the_theory_of_nearest_neighbours_is_the_known_one():
    assert fresh_authenticity(1) == pytest.approx(1 / 3)
    assert fresh_authenticity(2) == pytest.approx(1 - 1 / (4 / 3 + sqrt(3) / (2 * pi)))
    assert fresh_authenticity(100) == pytest.approx(1 / 2, abs=1e-6)


@pytest.mark.parametrize("width", [1, 2, 9])
def test_fresh_samples_score_what_theory_says(width: int):
    """On a sphere of so many dimensions, which has no edge; 3^-F of them have a second neighbour so far."""
    chance = torch.Generator().manual_seed(0)
    sphere = torch.nn.functional.normalize(torch.randn(6000, width + 1, generator=chance))
    found = numbers(sphere[:3000], sphere[3000:])
    assert found["authenticity"] == pytest.approx(fresh_authenticity(width), abs=0.03)
    assert found["copies"] == pytest.approx(3**-width, abs=0.03)


def test_noise_far_away_is_no_copy():
    assert numbers(cloud(100, 8, 1) + 50, cloud(200, 8, 0)) == {"authenticity": 1, "copies": 0}


def test_a_share_of_copies_is_that_share():
    real, fresh = cloud(1000, 16, 0), cloud(1000, 16, 1)
    mixed = torch.cat([real[:250], fresh[:750]])
    plain, part = numbers(fresh, real), numbers(mixed, real)
    assert part["copies"] == pytest.approx(0.25, abs=0.01)
    assert part["authenticity"] == pytest.approx(0.75 * plain["authenticity"], abs=0.03)


def test_an_exact_copy_of_an_image_that_is_there_twice_is_a_copy():
    real = torch.cat([line(0, 0), line(5, 9)])
    assert numbers(line(0), real) == {"authenticity": 0, "copies": 1}
    assert numbers(line(0.1), real) == {"authenticity": 1, "copies": 0}  # what its docstring admits


@pytest.mark.parametrize("ratio", [-0.1, 1, 2])
def test_a_ratio_that_makes_copies_of_everything_is_refused(ratio: float):
    with pytest.raises(ValueError, match="give 0 to 1, without 1; 1/3 is usual"):
        Memorisation(ratio)


# Where it looks.


def by_hand(queries: Tensor, points: Tensor, k: int, apart: Tensor | None) -> tuple[Tensor, Tensor]:
    table = (queries[:, None].double() - points[None].double()).square().sum(2)
    if apart is not None:
        table.scatter_(1, apart, torch.inf)
    squared, places = table.sort(dim=1)
    return squared[:, :k], places[:, :k]


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("size", [7, 5000])
def test_blocks_of_any_size_find_what_one_table_of_distances_shows(
    k: int, size: int, monkeypatch: pytest.MonkeyPatch
):
    points, queries = cloud(90, 5, 0), cloud(40, 5, 1)
    monkeypatch.setattr(ranking, "POINTS", size)
    monkeypatch.setattr(ranking, "NUMBERS", 3 * size)
    own = torch.arange(90)[:, None]
    cases = [(queries, None), (points, own), (points, torch.cat([own, (own + 1) % 90], 1))]
    for some, apart in cases:
        squared, places = ranked(some, points, k, apart)
        expected, where = by_hand(some, points, k, apart)
        torch.testing.assert_close(squared, expected)
        assert torch.equal(places, where)
    assert torch.equal(own_nearest(points, own[:, 0]), by_hand(points, points, 1, own)[0][:, 0])


def test_equal_points_are_exactly_0_apart_however_far_from_the_origin():
    points = 1e6 + cloud(50, 30, 0).float()
    squared, places = ranked(points, points, 1)
    assert squared.eq(0).all()
    assert torch.equal(places[:, 0], torch.arange(50))


def test_more_neighbours_than_there_are_points_are_infinitely_far():
    squared, _ = ranked(line(0), line(1, 2), 3)
    assert squared.tolist() == [[1, 4, torch.inf]]


# Pixels.


def test_pixels_are_as_far_apart_as_their_grey_levels():
    grey = torch.full((1, 3, 16, 20), 100, dtype=torch.uint8)
    for side in (20, 8):
        one, other = (Pixels(side)(it)["features"] for it in (grey, grey + 7))
        assert (one - other).norm() == pytest.approx(7, rel=1e-5)


def test_larger_images_are_shrunk_and_smaller_ones_are_not():
    images = torch.zeros(2, 3, 40, 64, dtype=torch.uint8)
    assert Pixels(32)(images)["features"].shape == (2, 3 * 20 * 32)
    assert Pixels(64)(images)["features"].shape == (2, 3 * 40 * 64)
    assert Pixels(8).identity != Pixels(16).identity
    with pytest.raises(ValueError, match="features.side=0: give a number of pixels"):
        Pixels(0)


# The command.


def test_the_command_tells_both_numbers_and_those_of_real_images(
    gantool: Gantool,  # noqa: F811
    tmp_path: Path,
):
    run = tmp_path / "run"
    assert trained(run, "model=dcgan", "images=16") == 0
    few = (f"metrics.memorisation.{setting}" for setting in ("count=30", f"cache={tmp_path}"))
    answer = gantool("evaluate", f"run={run}", "metrics=memorisation", "device=cpu", *few, f"out={tmp_path}")
    assert answer.code == 0, answer.err
    for name in ("authenticity_pixels", "copies_pixels"):
        assert re.search(rf"^{name} +[\d.]+ \(half of the reals, 128, against the other", answer.out, re.M)
    assert "against 256 reals of train" in answer.out
    found = json.loads((tmp_path / "memorisation-000000016-seed0.json").read_text())
    assert found["copies_pixels"] == 0
    assert 0 <= found["real_authenticity_pixels"] <= 1
