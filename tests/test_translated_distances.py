"""Distances of translated sets from what they should look like: of pairs, and both ways between piles."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from hydra.utils import instantiate
from small import TRANSLATORS, composed, small, trained
from test_extractors import weights  # noqa: F401  # a fixture
from torch import Tensor, nn

from gantool.build import build
from gantool.data.digits import digits
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.pairs import Pairs
from gantool.data.piles import Piles
from gantool.measure import Request, by_sight, measure
from gantool.metrics.distribution import Distribution
from gantool.metrics.extractor import Extractor, extracted
from gantool.metrics.frechet import Frechet
from gantool.metrics.likeness import Likeness
from gantool.metrics.metric import Found, Seen
from gantool.metrics.random_features import RandomFeatures
from gantool.metrics.sight import Compared, Fakes
from gantool.metrics.translations import Translations, sides
from gantool.subject import Subject

CPU = torch.device("cpu")
MODEL = {"pairs": "model=pix2pix", "piles": "model=cyclegan"}


class Means(Extractor):
    """The mean of each channel."""

    name = "means"

    def check(self, metric: str, data: Any) -> None: ...

    def prepare(self, metric: str, images: Any, device: Any, tell: Any) -> None: ...

    def __call__(self, images: Tensor) -> Seen:
        return {"features": images.float().mean((2, 3))}

    @property
    def identity(self) -> str:
        return "means"

    @property
    def protocol(self) -> str:
        return "means"


def pile(count: int, brightness: float, seed: int) -> InMemory:
    chance = np.random.default_rng(seed)
    noise = chance.normal(brightness, 12, (count, 3, 16, 16)) + chance.normal(0, 9, (count, 3, 1, 1))
    return InMemory(noise.round().clip(0, 255).astype(np.uint8))


def subject_of(images: ImageSet, together: int = 16) -> Subject:
    """Of a model whose generators leave every image as it is."""
    cfg = composed(*small(MODEL["piles" if isinstance(images, Piles) else "pairs"]))
    gan = build(cfg)
    left = {"ab": Left(), "ba": Left()} if isinstance(images, Piles) else None
    gan.task.G = nn.ModuleDict(left) if left else Left()
    return Subject(gan, cfg, images, 0, together)


class Left(nn.Module):
    """The identity, somewhere."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def forward(self, image: Tensor) -> Tensor:
        return image


def metric_of(cache: Path, count: int = 1000, **settings: Any) -> Distribution:
    return Distribution("fd", Frechet(), Means(), count, cache=str(cache), **settings)


def found(metric: Distribution, subject: Subject, count: int | None = None) -> Found:
    metric.check(subject.gan.task, subject.config.data)
    asked = metric.prepare(subject.config.data, subject.images, CPU, lambda _: None, count)
    [one] = measure([Request(metric, asked)], subject)
    return one


def distance(images: ImageSet, others: ImageSet) -> float:
    one, other = (extracted(Means(), it[range(len(it))]["image"])["features"] for it in (images, others))
    return Frechet().against(other)(one)[""]


# Truths.


def test_what_is_left_as_it_is_is_as_far_from_the_targets_as_the_sources_are(tmp_path: Path):
    a, b = pile(40, 90, 0), pile(40, 160, 1)
    of_pairs = found(metric_of(tmp_path), subject_of(Pairs(a, b)))
    assert distance(a, b) > 1000
    assert of_pairs.values == pytest.approx({"fd": distance(a, b)}, rel=1e-4)
    assert of_pairs.record["source_fd"] == pytest.approx(distance(a, b), rel=1e-4)
    of_piles = found(metric_of(tmp_path), subject_of(Piles(a, b)))
    assert of_piles.values == pytest.approx({"ab_fd": distance(a, b), "ba_fd": distance(b, a)}, rel=1e-4)


def test_equal_piles_left_as_they_are_are_0_apart(tmp_path: Path):
    a = pile(30, 90, 0)
    same = found(metric_of(tmp_path), subject_of(Piles(a, a)))
    assert list(same.values.values()) == pytest.approx([0, 0], abs=1e-6)
    assert same.record["real_ab_fd"] > 0


def test_every_image_of_piles_of_unequal_lengths_counts_once(tmp_path: Path):
    a, b = pile(13, 90, 0), pile(37, 160, 1)
    unequal = found(metric_of(tmp_path), subject_of(Piles(a, b), together=8))
    assert unequal.values == pytest.approx({"ab_fd": distance(a, b), "ba_fd": distance(b, a)}, rel=1e-4)
    sizes = ("ab_fakes", "ab_reals", "ba_fakes", "ba_reals")
    assert [unequal.record[name] for name in sizes] == [13, 37, 37, 13]


def test_passes_of_any_size_find_the_same(tmp_path: Path):
    images = Piles(pile(13, 90, 0), pile(37, 160, 1))
    values = [found(metric_of(tmp_path), subject_of(images, size)).values for size in (1, 10, 37)]
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    assert values[2] == pytest.approx(values[0], rel=1e-5)


def test_sources_of_another_shape_are_measured_too(tmp_path: Path):
    cfg = composed(*small("model=srgan"))
    subject = Subject(build(cfg), cfg, instantiate(cfg.data.held_out), 0, 16)
    one = found(metric_of(tmp_path), subject)
    assert one.record["source_fd"] < one.values["fd"]
    source, target = (it[""] for it in sides(subject.images))
    assert (source.shape, target.shape) == ((3, 4, 4), (3, 16, 16))


def test_the_translations_are_those_that_likeness_compares():
    """Dropout makes noise in pix2pix, in evaluation, too."""
    cfg = composed(*small("model=pix2pix"))
    subject = Subject(build(cfg), cfg, instantiate(cfg.data.held_out), 0, 16)
    G = subject.generator()
    [one] = Translations().show(subject, G, range(3, 9)).images[""]
    other, _ = Compared().show(subject, G, range(3, 9)).images[""]
    assert torch.equal(one, other)


def test_metrics_of_translations_share_a_sight_and_no_other(tmp_path: Path):
    task, data = subject_of(Piles(pile(4, 9, 0), pile(4, 9, 0))).gan.task, composed(*small()).data
    one, twin, latents = (metric_of(tmp_path) for _ in range(3))
    for metric in (one, twin):
        metric.check(task, data)
    groups = by_sight({"one": one, "twin": twin, "latents": latents, "likeness": Likeness()}.items())
    assert {sight: list(some) for sight, some in groups.items()} == {
        Translations(): ["one", "twin"],
        Fakes(): ["latents"],
        Compared(): ["likeness"],
    }
    assert Translations().held_out


# What is told.


def test_the_protocol_tells_how_many_are_translated(tmp_path: Path):
    a, b = pile(13, 90, 0), pile(37, 160, 1)
    metric = metric_of(tmp_path)
    one = found(metric, subject_of(Piles(a, b)))
    assert (
        "ab: 13 translations of held-out images (NOT the 1,000 of fd) against 37 held-out targets, ba: 37 "
        "translations of held-out images (NOT the 1,000 of fd) against 13 held-out targets; means"
    ) in metric.protocol
    assert [label for label, _ in one.rows] == ["ab_fd", "ba_fd"]
    assert "half of the reals, 18, against the other" in one.rows[0][1]
    assert f"sources as they are {distance(a, b):.4g}" in one.rows[0][1]
    metric = metric_of(tmp_path, 20)
    one = found(metric, subject_of(Pairs(b, b)))
    assert "20 translations of held-out images against 37 held-out targets" in metric.protocol
    assert (one.record["fakes"], one.record["reals"]) == (20, 37)
    assert found(metric, subject_of(Pairs(b, b)), count=7).record["fakes"] == 7


def test_few_images_are_doubted_in_each_direction_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    metric, subject = metric_of(tmp_path), subject_of(Piles(pile(3, 90, 0), pile(37, 160, 1)))
    found(metric, subject)
    measure([Request(metric, 37)], subject)
    assert [line.split(": ")[0] for line in caplog.messages] == ["ab_fd", "ba_fd"]
    assert all("3 images are too few for a covariance of 3 features" in line for line in caplog.messages)


def test_one_held_out_image_is_too_few(tmp_path: Path):
    with pytest.raises(ValueError, match="metrics=fd needs 2 images or more, not count=1"):
        found(metric_of(tmp_path), subject_of(Piles(pile(1, 90, 0), pile(37, 160, 1))))


# End to end.


@pytest.mark.parametrize("model", TRANSLATORS)
def test_every_translator_can_be_measured(model: str, tmp_path: Path):
    cfg = composed(*small(f"model={model}"))
    subject = Subject(build(cfg), cfg, instantiate(cfg.data.held_out), 0, 16)
    metric = metric_of(tmp_path)
    one = found(metric, subject)
    assert one.values.keys() == metric.columns(subject.gan.task).keys()
    assert len(one.values) == (1 if "target" in subject.gan.task.entries else 2)


def column(folder: Path, name: str) -> list[float]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def test_the_preset_of_kid_measures_pairs(
    tmp_path: Path,
    gantool: Gantool,  # noqa: F811
    weights: Path,  # noqa: F811
):
    run = tmp_path / "run"
    assert trained(run, "model=pix2pix", "data.hold_out=4", "images=8") == 0
    settings = (f"cache={tmp_path}", f"features.weights={weights}", "statistic.subsets=2", "statistic.size=3")
    metrics = ["metrics=kid", *(f"metrics.kid.{it}" for it in settings)]
    answer = gantool("evaluate", f"run={run}", "device=cpu", *metrics, f"out={tmp_path}")
    assert answer.code == 0, answer.err
    numbers = json.loads((tmp_path / "kid-000000008-seed0.json").read_text())
    assert np.isfinite([numbers["kid"], numbers["source_kid"], numbers["real_kid"]]).all()
    assert "4 translations of held-out images (NOT the 50,000 of kid) against 4 held-" in numbers["protocol"]
    assert re.search(
        r"^kid +\S+ (± \S+ )?\(half of the reals, 2, against .*; sources as they are", answer.out, re.M
    )


@pytest.mark.parametrize(
    ("model", "names"), [("pix2pix", ["kid_random"]), ("cyclegan", ["ab_kid_random", "ba_kid_random"])]
)
def test_training_logs_what_the_verb_finds(
    model: str,
    names: list[str],
    tmp_path: Path,
    gantool: Gantool,  # noqa: F811
):
    run = tmp_path / "run"
    few = [f"metrics.kid_random.{it}" for it in (f"cache={tmp_path}", "statistic.subsets=3")]
    length = ("data.hold_out=6", "images=16", "evaluate_every=8")
    assert trained(run, f"model={model}", *length, "metrics=[kid_random,likeness]", *few) == 0
    answer = gantool("evaluate", f"run={run}", "device=cpu", f"out={tmp_path}")
    assert answer.code == 0, answer.err
    numbers = json.loads((tmp_path / "kid_random-000000016-seed0.json").read_text())
    for name in names:
        assert numbers[name] == pytest.approx(column(run, f"metric/{name}")[-1], rel=1e-4)
        assert len(column(run, f"metric/{name}")) == 2
        assert f"source_{name}" in numbers
    assert "translations of G, seed 0" in numbers["protocol"]
    kept = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True).get("best", {"column": None})
    assert kept["column"] == ("metric/kid_random" if len(names) == 1 else None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("metrics=fd_classifier",),
            "metrics=fd_classifier learns a classifier of the labels of the data, but",
        ),
        (("metrics=fid10k_test",), "metrics=fid10k_test: this data set has no test split"),
        (("metrics=kid_random", "data.hold_out=0"), "metrics=kid_random: nothing is held out of the data"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    overrides: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(Exception, match=re.escape(message)):
        trained(tmp_path, "model=cyclegan", *overrides)
    assert not list(tmp_path.iterdir())


# Features that need no labels and no weights.


def ready(images: ImageSet, seed: int = 0) -> RandomFeatures:
    extractor = RandomFeatures(seed)
    extractor.prepare("kid_random", images, CPU, lambda _: None)
    return extractor


def test_random_features_are_the_same_for_everybody_and_leave_chance_alone():
    images = pile(5, 100, 0)
    before = torch.random.get_rng_state()
    one, twin, other, elsewhere = ready(images), ready(images), ready(images, 1), ready(pile(5, 100, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert one.identity == twin.identity
    assert len({one.identity, other.identity, elsewhere.identity}) == 3
    some = images[range(5)]["image"]
    assert torch.equal(one(some)["features"], twin(some)["features"])
    assert not torch.equal(one(some)["features"], other(some)["features"])


def test_random_features_vary_by_1_over_both_sides_of_the_data_together():
    a, b = pile(20, 60, 0), pile(20, 190, 1)
    extractor = ready(Pairs(a, b))
    seen = [extracted(extractor, it[range(20)]["image"])["features"] for it in (a, b)]
    deviation, mean = torch.std_mean(torch.cat(seen), 0, correction=0)
    torch.testing.assert_close(mean, torch.zeros(64), atol=1e-4, rtol=0)
    assert sum(deviation == 0) < 16  # of which no place of any image makes a positive number
    torch.testing.assert_close(deviation[deviation > 0], torch.ones(int(sum(deviation > 0))))


def test_random_features_of_data_that_are_all_alike_are_finite():
    images = InMemory(np.full((6, 1, 8, 8), 77, np.uint8))
    assert ready(images)(images[range(6)]["image"])["features"].abs().max() < 1


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 24, 40), (3, 64, 64), (4, 100, 7)])
def test_random_features_are_of_images_of_any_shape(shape: tuple[int, int, int]):
    images = InMemory(np.random.default_rng(0).integers(256, size=(4, *shape), dtype=np.uint8))
    assert ready(images)(images[range(4)]["image"])["features"].shape == (4, 64)


def test_random_features_are_further_from_worse_images():
    """Of digits: the more noise, the further."""
    every = digits(resolution=16)
    real, rest = every[range(250)]["image"], every[range(250, 500)]["image"]
    extractor, chance = ready(every), torch.Generator().manual_seed(0)
    noise = torch.randn(rest.shape, generator=chance)
    worse = [(rest + level * noise).clamp(0, 255).to(torch.uint8) for level in (0, 10, 30, 90)]
    against = Frechet().against(extracted(extractor, real)["features"])
    far = [against(extracted(extractor, some)["features"])[""] for some in worse]
    assert far == sorted(far)
    assert far[-1] > 5 * far[0]
