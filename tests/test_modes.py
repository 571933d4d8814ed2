"""Mode coverage: closed forms, what real data score, and the floor below which no sampler gets."""

import importlib.util
import shlex
from math import exp, log
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hydra.utils import instantiate
from small import composed

from gantool.build import build
from gantool.data.points import Points, grid, ring
from gantool.metrics.classifier import Classifier
from gantool.metrics.modes import Modes, coverage, floor, nearest, number, reverse_kl, triples
from gantool.metrics.sight import Shown


@pytest.mark.parametrize("m", [1, 99, 100, 1000])
def test_uniform_over_m_of_1000_modes_has_a_reverse_kl_of_ln_1000_over_m(m: int):
    histogram = torch.zeros(1000, dtype=torch.long)
    histogram[:m] = 7
    assert reverse_kl(histogram) == pytest.approx(log(1000 / m), abs=1e-12)


def test_the_published_closed_forms_hold():
    assert log(1000 / 100) == pytest.approx(2.302585, abs=1e-6)
    assert log(1000 / 99) == pytest.approx(2.3126, abs=1e-4)
    assert log(1000) == pytest.approx(6.9078, abs=1e-4)
    assert 1 - exp(-4.5) == pytest.approx(0.98889, abs=1e-5)
    assert floor(25, 2500) == pytest.approx(0.0048)
    assert floor(8, 2500) == pytest.approx(0.0014)
    assert floor(1000, 26_000) == pytest.approx(0.0192, abs=1e-4)


@pytest.mark.parametrize(("modes", "samples"), [(1000, 26_000), (25, 2500), (8, 2500)])
def test_a_perfect_sampler_meets_the_floor_and_not_zero(modes: int, samples: int):
    """2 N KL is about chi-square with K - 1 degrees of freedom: standard deviation sqrt(2 (K - 1)) / 2N."""
    torch.manual_seed(0)
    tries = 20
    drawn = [torch.randint(modes, (samples,)) for _ in range(tries)]
    values = [coverage(modes_of, modes)["reverse_kl"] for modes_of in drawn]
    mean = sum(value for value in values if value is not None) / tries
    error = (2 * (modes - 1)) ** 0.5 / (2 * samples) / tries**0.5
    assert abs(mean - floor(modes, samples)) < 4 * error + 0.02 * floor(modes, samples)


def test_the_order_of_modes_and_the_number_of_samples_do_not_matter():
    histogram = torch.tensor([5, 0, 1, 9])
    assert reverse_kl(histogram) == pytest.approx(reverse_kl(histogram.flip(0)))
    assert reverse_kl(histogram) == pytest.approx(reverse_kl(3 * histogram))


def test_without_a_sample_near_a_mode_the_divergence_is_undefined():
    numbers = coverage(torch.full((5,), -1), of=8)
    assert (numbers["modes"], numbers["high_quality"], numbers["reverse_kl"]) == (0, 0.0, None)


def test_samples_of_no_mode_lower_the_quality_and_leave_the_divergence_alone():
    good = torch.tensor([0, 1, 2, 3])
    both = coverage(torch.cat([good, torch.full((4,), -1)]), of=8)
    assert both["high_quality"] == 0.5
    assert both["reverse_kl"] == pytest.approx(log(8 / 4))
    assert both["modes"] == 4


def test_a_single_mode_is_one_mode_of_the_largest_divergence():
    numbers = coverage(torch.full((50,), 3), of=25)
    assert numbers["modes"] == 1
    assert numbers["reverse_kl"] == pytest.approx(log(25))


@pytest.mark.parametrize("images", [ring(), grid()], ids=["ring", "grid"])
def test_real_points_score_what_three_deviations_of_a_gaussian_hold(images: Points):
    """In the plane P(r < 3 std) = 1 - exp(-4.5)."""
    points = images[range(len(images))]["image"].flatten(1).double() * images.scale
    numbers = coverage(nearest(points, images.modes, images.std), len(images.modes))
    ideal = 1 - exp(-4.5)
    error = (ideal * (1 - ideal) / len(points)) ** 0.5
    assert numbers["high_quality"] == pytest.approx(ideal, abs=4 * error)
    assert numbers["modes"] == len(images.modes)


def test_a_point_belongs_to_its_nearest_mode_if_it_is_nearer_than_three_deviations():
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    points = torch.tensor([[0.0, 0.29], [0.31, 0.0], [0.9, 0.1], [0.5, 0.0]], dtype=torch.float64)
    assert nearest(points, centres, std=0.1).tolist() == [0, -1, 1, -1]
    assert nearest(points, centres, std=0.2).tolist() == [0, 0, 1, 0]


def test_the_metric_takes_points_in_units_of_the_images():
    """Fakes that are the centres themselves: all modes, all good, no divergence."""
    images = ring(count=100)
    centres = (images.modes / images.scale).float()[:, :, None, None]
    metric = Modes()
    cfg = composed("model=mlp", "data=ring", "data.width=4")
    metric.check(build(cfg).task, cfg.data)
    assert metric.prepare(cfg.data, images, torch.device("cpu"), pytest.fail) == 2500
    seen = metric.look(Shown({"": (centres,)}))
    found = metric.judge({side: torch.cat([modes, modes]) for side, modes in seen.items()})
    assert found.values.keys() == metric.columns(build(cfg).task).keys()
    fake = found.record["fake"]
    assert (fake["modes"], fake["of"], fake["high_quality"], fake["samples"]) == (8, 8, 1.0, 16)
    assert fake["reverse_kl"] == pytest.approx(0)


def test_other_data_are_refused_by_name():
    task = build(composed("model=mlp", "data=ring", "data.width=4")).task
    message = "metrics=modes needs data=ring, grid or stacked_mnist; this run was trained on cifar10"
    with pytest.raises(ValueError, match=message):
        Modes().check(task, composed("data=cifar10").data)
    with pytest.raises(ValueError, match="trained on swiss_roll"):
        Modes().check(task, composed("data=swiss_roll").data)


def test_three_digits_make_a_number_whatever_surrounds_them():
    class Brightness(Classifier):
        """Reads the digit off the first pixel of the 28 x 28."""

        def forward(self, digit: torch.Tensor) -> torch.Tensor:
            assert digit.shape[1:] == (1, 28, 28)
            return torch.eye(10)[digit[:, 0, 0, 0].round().long()]

    images = torch.full((2, 3, 32, 30), 99.0)
    images[:, :, 2:30, 1:29] = torch.tensor([[3.0, 0.0, 7.0], [0.0, 0.0, 5.0]])[:, :, None, None]
    assert triples(Brightness(1, 10), images).tolist() == [[3, 0, 7], [0, 0, 5]]
    assert number(Brightness(1, 10), images).tolist() == [307, 5]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = Path(__file__).parent.parent / "scripts" / "benchmark_modes.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("data", ["ring", "grid", "stacked_mnist"])
def test_every_recipe_of_the_benchmark_can_be_built(benchmark: ModuleType, data: str):
    for overrides in benchmark.recipes_of(None, data).values():
        cfg = composed(f"data={data}", *shlex.split(overrides), "model.G.width=4")
        build(cfg)
        assert cfg.images == benchmark.LENGTHS[data]
    assert (
        len(instantiate(cfg.data.set).modes if data != "stacked_mnist" else range(1000))
        == (benchmark.MODES[data])
    )


def test_means_come_with_their_standard_errors_and_undefined_numbers_are_counted(benchmark: ModuleType):
    assert benchmark.spread([1.0, 2.0, 3.0], 3) == "2.000 ± 0.577"  # 1 / sqrt 3
    assert benchmark.spread([1.0, None, 3.0], 1) == "2.0 ± 1.0 (2 of 3)"
    assert benchmark.spread([7], 1) == "7.0"
    assert benchmark.spread([None], 1) == "–"


def test_a_folder_of_the_benchmark_holds_one_recipe(benchmark: ModuleType, tmp_path: Path):
    run = benchmark.Run("a", ("data=ring", "loss=hinge"), 0, 8, tmp_path)
    run.refuse_other_recipe()
    run.refuse_other_recipe()
    with pytest.raises(SystemExit, match="holds data=ring loss=hinge seed=0, not data=ring seed=0"):
        run._replace(overrides=("data=ring",)).refuse_other_recipe()
