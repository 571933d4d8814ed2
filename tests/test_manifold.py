"""Precision, recall, density, coverage: by hand, of equal distributions, and as prdc has them."""

from math import prod

import pytest
import torch
from torch import Tensor

from gantool.metrics import manifold
from gantool.metrics.manifold import DensityCoverage, PrecisionRecall, radii


def numbers(fake: Tensor, real: Tensor, k: int) -> dict[str, float]:
    return {**PrecisionRecall(k).against(real)(fake), **DensityCoverage(k).against(real)(fake)}


def line(*places: float) -> Tensor:
    return torch.tensor(places, dtype=torch.float64)[:, None]


def clouds(fakes: int, reals: int, width: int, shift: float = 0.0) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(0)
    return torch.randn(fakes, width, generator=chance) + shift, torch.randn(reals, width, generator=chance)


def test_on_a_line_all_four_are_counted_by_hand():
    real = line(0, 1, 2, 3)
    found = numbers(line(0.1, 0.3, 0.4), real, 1)
    assert found == pytest.approx({"precision": 1, "recall": 0.25, "density": 2, "coverage": 0.5})


def test_an_outlier_among_the_fakes_inflates_recall_and_leaves_coverage_alone():
    found = numbers(line(0.1, 0.3, 10), line(0, 1, 2, 3), 1)
    assert found == pytest.approx({"precision": 2 / 3, "recall": 1, "density": 4 / 3, "coverage": 0.5})


def test_the_surface_of_a_ball_belongs_to_it():
    assert numbers(line(-1, -2), line(0, 1), 1) == {
        "precision": 0.5,
        "recall": 0.5,
        "density": 0.5,
        "coverage": 0.5,
    }


def test_fakes_that_are_the_reals_are_precise_and_cover_them():
    _, real = clouds(2, 200, 8)
    found = numbers(real, real, 5)
    assert (found["precision"], found["recall"], found["coverage"]) == (1, 1, 1)


def test_clouds_far_apart_share_nothing_and_collapse_recalls_nothing():
    fake, real = clouds(100, 120, 4, shift=1e3)
    assert set(numbers(fake, real, 3).values()) == {0}
    one = real[:1].repeat(50, 1)
    collapsed = numbers(one, real, 3)
    assert collapsed["precision"] == 1
    assert collapsed["recall"] <= 1 / 120
    assert collapsed["coverage"] < 0.2


def test_equal_distributions_have_density_1_and_coverage_of_its_closed_form():
    """1 - prod (N - i) / (M + N - i) over i = 1 … k; N = M = 600, k = 5: 0.969."""
    n = m = 600
    fake, real = clouds(n, m, 8)
    found = DensityCoverage().against(real)(fake)
    expected = 1 - prod((n - i) / (m + n - i) for i in range(1, 6))
    assert expected == pytest.approx(0.9691, abs=1e-4)
    assert found["coverage"] == pytest.approx(expected, abs=0.02)
    assert found["density"] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("fakes", "reals"), [(300, 200), (150, 400)])
@pytest.mark.parametrize("shift", [0.0, 0.8])
def test_all_four_agree_with_prdc(
    k: int, fakes: int, reals: int, shift: float, capsys: pytest.CaptureFixture[str]
):
    """No two distances are equal here, so that its `<` and our `<=` count the same."""
    prdc = pytest.importorskip("prdc")
    fake, real = clouds(fakes, reals, 16, shift)
    theirs = prdc.compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=k)
    assert capsys.readouterr().out
    assert numbers(fake, real, k) == pytest.approx({name: float(value) for name, value in theirs.items()})


def test_blocks_of_any_size_find_the_same(monkeypatch: pytest.MonkeyPatch):
    fake, real = clouds(130, 90, 6, 0.5)
    expected = numbers(fake, real, 3)
    for side in (1, 7, 90, 130):
        monkeypatch.setattr(manifold, "SIDE", side)
        assert numbers(fake, real, 3) == expected


def test_no_more_distances_are_held_at_once_than_a_tile_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(manifold, "SIDE", 30)
    shapes = [tile.rough.shape for tile in manifold.tiles(*clouds(130, 90, 6))]
    assert all(rows <= 30 and columns <= 30 for rows, columns in shapes)
    assert sum(rows * columns for rows, columns in shapes) == 130 * 90


def test_distances_far_from_0_and_of_twins_are_exact():
    far = line(1e6, 1e6 + 1, 1e6 + 3)
    assert radii(far, 1).tolist() == pytest.approx([1, 1, 4])
    assert radii(far, 2).tolist() == pytest.approx([9, 4, 9])
    twins = line(5, 5, 7)
    assert radii(twins, 1).tolist() == [0, 0, 4]
    assert radii(twins, 2).tolist() == [4, 4, 4]


def test_what_float32_cannot_tell_apart_is_decided_in_float64():
    """Places that differ by 1e-9 in balls of radius 1, inside, on the surface and outside."""
    real = line(0, 1)
    for place, held in ((-1 + 1e-9, 0.5), (-1, 0.5), (-1 - 1e-9, 0)):
        assert PrecisionRecall(1).against(real)(line(place, 9))["precision"] == held
    near = line(0, 1 + 3e-9, 1 + 2e-9, 1 + 1e-9, -1)
    assert [float(radii(near, k)[0]) for k in (1, 2, 3, 4)] == [
        1,
        *((1 + step * 1e-9) ** 2 for step in (1, 2, 3)),
    ]


def test_balls_of_radius_0_hold_what_is_the_same():
    """Twins of twins, of features whose squares are no round numbers, far from 0."""
    _, real = clouds(2, 6, 300)
    real = real[:1].repeat(5, 1) + 10
    found = numbers(real[:4].clone(), torch.cat([real, real + 3]), 3)
    assert found["precision"] == 1
    assert found["density"] == pytest.approx(5 / 3)
    assert found["coverage"] == 0.5


def test_all_four_agree_with_prdc_on_features_far_from_0_in_several_tiles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    prdc = pytest.importorskip("prdc")
    monkeypatch.setattr(manifold, "SIDE", 100)
    fake, real = (cloud + 20 for cloud in clouds(450, 380, 64, 0.1))
    theirs = prdc.compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=3)
    assert capsys.readouterr().out
    assert numbers(fake, real, 3) == pytest.approx({name: float(value) for name, value in theirs.items()})


@pytest.mark.parametrize("kind", [PrecisionRecall, DensityCoverage])
def test_a_neighbour_that_there_is_not_is_refused(kind: type[PrecisionRecall] | type[DensityCoverage]):
    with pytest.raises(ValueError, match="k=0: give the number of a neighbour, 1 or more"):
        kind(0)
    assert kind(4).least == 5
    assert kind(3).doubt(100, 1000, 4) == (
        "100 fakes against 1,000 reals: both clouds should be of about the same size"
    )
    assert kind(3).doubt(500, 1000, 4) is None
