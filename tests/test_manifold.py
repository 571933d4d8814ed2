"""Precision, recall, density, coverage: by hand, of equal distributions, and as prdc has them."""

from math import prod

import pytest
import torch
from torch import Tensor

from gantool.metrics import manifold
from gantool.metrics.manifold import DensityCoverage, PrecisionRecall, nearest, radii


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
    for size in (1, 1000, 90 * 130):
        monkeypatch.setattr(manifold, "NUMBERS", size)
        assert numbers(fake, real, 3) == expected


def test_no_more_distances_are_held_at_once_than_a_block_has(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(manifold, "NUMBERS", 1000)
    blocks = [block.shape for _, block in manifold.distances(*clouds(130, 90, 6))]
    assert all(rows * columns <= 1000 for rows, columns in blocks)
    assert sum(rows for rows, _ in blocks) == 130


def test_distances_far_from_0_and_of_twins_are_exact():
    far = line(1e6, 1e6 + 1, 1e6 + 3)
    assert radii(far, 1).tolist() == pytest.approx([1, 1, 4])
    assert radii(far, 2).tolist() == pytest.approx([9, 4, 9])
    twins = line(5, 5, 7)
    assert radii(twins, 1).tolist() == [0, 0, 4]
    assert nearest(line(6), twins, 3).tolist() == [1]


@pytest.mark.parametrize("kind", [PrecisionRecall, DensityCoverage])
def test_a_neighbour_that_there_is_not_is_refused(kind: type[PrecisionRecall] | type[DensityCoverage]):
    with pytest.raises(ValueError, match="k=0: give the number of a neighbour, 1 or more"):
        kind(0)
    assert kind(4).least == 5
    assert kind(3).doubt(100, 1000, 4) == (
        "100 fakes against 1,000 reals: both clouds should be of about the same size"
    )
    assert kind(3).doubt(500, 1000, 4) is None
