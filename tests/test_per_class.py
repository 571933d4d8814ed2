"""Numbers within each class: what a plain distance cannot see, and the same by other ways."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from hydra.utils import instantiate
from small import composed, small, trained
from torch import Tensor

from gantool.build import build
from gantool.data.image_set import InMemory
from gantool.measure import Request, measure
from gantool.metrics.distribution import Distribution
from gantool.metrics.extractor import Extractor
from gantool.metrics.frechet import Frechet
from gantool.metrics.inception import Inception
from gantool.metrics.kernel_distance import KernelDistance
from gantool.metrics.manifold import DensityCoverage, PrecisionRecall
from gantool.metrics.metric import Found, Seen
from gantool.metrics.per_class import MOST_ROWS, PerClass
from gantool.metrics.sight import Shown
from gantool.metrics.statistic import Statistic
from gantool.subject import Subject

CPU = torch.device("cpu")
STATISTICS = [Frechet(), KernelDistance(3, 20), PrecisionRecall(), DensityCoverage()]


class Means(Extractor):
    """The mean of each channel."""

    name = "means"
    shown = 0

    def check(self, metric: str, data: Any) -> None: ...

    def prepare(self, metric: str, images: Any, device: Any, tell: Any) -> None: ...

    def __call__(self, images: Tensor) -> Seen:
        self.shown += len(images)
        return {"features": images.float().mean((2, 3))}

    @property
    def identity(self) -> str:
        return "means"

    @property
    def protocol(self) -> str:
        return "means"


def pile(label: int, count: int, seed: int, brightness: float | None = None) -> Tensor:
    """uint8 images, the brighter the larger their label."""
    chance = torch.Generator().manual_seed(seed)
    centre = 60 + 50 * label if brightness is None else brightness
    noise = 12 * torch.randn(count, 3, 4, 4, generator=chance)
    return (centre + noise).round().clamp(0, 255).to(torch.uint8)


def set_of(*counts: int, seed: int = 0) -> InMemory:
    """So many images of each class."""
    images = torch.cat([pile(label, count, seed + label) for label, count in enumerate(counts)])
    labels = np.repeat(np.arange(len(counts)), counts)
    return InMemory(images.numpy(), labels, [f"kind {label}" for label in range(len(counts))])


def shown(images: Tensor, labels: Tensor) -> Shown:
    return Shown({"": (images / 127.5 - 1,)}, labels)


def found(metric: PerClass | Distribution, reals: InMemory, *those: Shown) -> Found:
    """What a metric finds of fakes, pass by pass."""
    data = composed(*small("model=cgan")).data
    metric.prepare(data, reals, CPU, lambda _: None, sum(len(one.images[""][0]) for one in those))
    looks = [metric.look(one) for one in those]
    return metric.judge({name: torch.cat([look[name] for look in looks]) for name in looks[0]})


def per_class(cache: Path, statistic: Statistic | None = None) -> PerClass:
    return PerClass("intra", statistic or Frechet(), Means(), 100, cache=str(cache))


def plain(cache: Path, statistic: Statistic | None = None) -> Distribution:
    return Distribution("plain", statistic or Frechet(), Means(), 100, cache=str(cache))


# Truths.


def test_fakes_of_the_wrong_class_are_seen_by_it_alone(tmp_path: Path):
    reals = set_of(150, 150)
    images, labels = torch.from_numpy(reals.images), reals.labels
    assert labels is not None
    right, swapped = shown(images, labels), shown(images, 1 - labels)
    assert found(plain(tmp_path), reals, right).values["plain"] == pytest.approx(0, abs=1e-6)
    assert found(plain(tmp_path), reals, swapped).values["plain"] == pytest.approx(0, abs=1e-6)
    assert found(per_class(tmp_path), reals, right).values["intra"] == pytest.approx(0, abs=1e-6)
    means = Means()(images)["features"].double()
    gap = float((means[:150].mean(0) - means[150:].mean(0)).square().sum())
    assert gap > 1000
    assert found(per_class(tmp_path), reals, swapped).values["intra"] == pytest.approx(gap, rel=0.01)


@pytest.mark.parametrize("statistic", STATISTICS, ids=lambda it: type(it).__name__)
def test_each_class_is_what_it_is_alone_and_the_value_is_their_mean(statistic: Statistic, tmp_path: Path):
    counts, fakes = (60, 90, 40), (50, 30, 45)
    reals = set_of(*counts)
    images = torch.cat([pile(label, count, 7 + label) for label, count in enumerate(fakes)])
    labels = torch.repeat_interleave(torch.arange(3), torch.tensor(fakes))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    together = found(per_class(tmp_path, statistic), reals, shown(images[order], labels[order]))
    columns = [name or "intra" for name in statistic.directions]
    columns = [name if name == "intra" else f"{name}_means" for name in columns]
    alone: list[list[float]] = []
    for label, count in enumerate(counts):
        mask = reals.labels == label
        assert reals.labels is not None
        mine = InMemory(reals.images[mask.numpy()], np.zeros(count, int), ["one"])
        of_class = order[labels[order] == label]
        one = found(plain(tmp_path, statistic), mine, shown(images[of_class], labels[of_class]))
        alone.append([one.record[name.replace("intra", "plain")] for name in columns])
    each = list(together.record["classes"].values())
    if not isinstance(statistic, KernelDistance):  # whose subsets are drawn from reals of another order
        for mine, theirs in zip(each, alone, strict=True):
            assert [mine[name] for name in columns] == pytest.approx(theirs, rel=1e-5, abs=1e-6)
    for name in columns:
        assert together.values[name] == pytest.approx(sum(it[name] for it in each) / 3)
        assert f"real_{name}" in together.record
    assert [(it["fakes"], it["reals"]) for it in each] == list(zip(fakes, counts, strict=True))


def test_one_class_alone_is_the_plain_number(tmp_path: Path):
    reals = set_of(80)
    fake = shown(pile(0, 70, 3), torch.zeros(70, dtype=torch.long))
    one, other = found(per_class(tmp_path), reals, fake), found(plain(tmp_path), reals, fake)
    assert one.values["intra"] == pytest.approx(other.values["plain"])
    assert one.record["real_intra"] == pytest.approx(other.record["real_plain"])


def test_passes_of_any_size_find_the_same(tmp_path: Path):
    reals = set_of(50, 50)
    images = torch.cat([pile(0, 30, 4), pile(1, 30, 5)])
    labels = torch.tensor([0] * 30 + [1] * 30)
    whole = found(per_class(tmp_path), reals, shown(images, labels))
    cuts = [0, 7, 29, 31, 60]
    passes = [shown(images[a:b], labels[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
    assert found(per_class(tmp_path), reals, *passes) == whole


def test_a_second_evaluation_finds_the_same(tmp_path: Path):
    reals, metric = set_of(50, 50), per_class(tmp_path)
    fake = shown(torch.cat([pile(0, 30, 4), pile(1, 30, 5)]), torch.tensor([0] * 30 + [1] * 30))
    first = found(metric, reals, fake)
    assert metric.judge(metric.look(fake)) == first


# Fakes.


def requests(subject: Subject, *metrics: PerClass | Distribution) -> list[Request]:
    for metric in metrics:
        metric.check(subject.gan.task, subject.config.data)
    prepare = [it.prepare(subject.config.data, subject.images, CPU, lambda _: None, 60) for it in metrics]
    return [Request(metric, count) for metric, count in zip(metrics, prepare, strict=True)]


@pytest.mark.parametrize("first", ["plain", "intra"])
def test_it_shares_every_look_with_the_plain_distance(first: str, tmp_path: Path):
    cfg = composed(*small("model=cgan"))
    subject = Subject(build(cfg), cfg, instantiate(cfg.data.set), 0, together=16)
    one, other = plain(tmp_path), per_class(tmp_path)
    order = [one, other] if first == "plain" else [other, one]
    measured = measure(requests(subject, *order), subject)
    extractors = [one.features, other.whole.features]
    assert sum(it.shown for it in extractors if isinstance(it, Means)) == 256 + 60
    alone = [measure(requests(subject, it), subject)[0] for it in order]
    assert [it.values for it in measured] == [it.values for it in alone]
    each = measured[order.index(other)].record["classes"]
    assert list(each) == [str(label) for label in range(10)]
    assert sum(it["fakes"] for it in each.values()) == 60


# Few images, and none.


def test_a_class_with_too_few_images_is_left_out_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    reals, metric = set_of(40, 40, 1), per_class(tmp_path)
    fake = shown(torch.cat([pile(0, 30, 4), pile(1, 30, 5)]), torch.tensor([0] * 30 + [1] * 30))
    with caplog.at_level(logging.WARNING):
        first = found(metric, reals, fake)
        metric.judge(metric.look(fake))
    assert caplog.messages == [
        "intra: 1 class is left out of the mean, for want of 2 fakes and reals: kind 2"
    ]
    each = first.record["classes"]
    assert each["kind 2"] == {"intra": None, "fakes": 0, "reals": 1}
    assert first.values["intra"] == pytest.approx((each["kind 0"]["intra"] + each["kind 1"]["intra"]) / 2)
    assert first.rows[0][1].startswith(f"{first.values['intra']:.4g}, mean of 2 classes")
    assert ("  kind 2", "undefined; 0 fakes, 1 reals") in first.rows


def test_doubtful_classes_are_told_together(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    reals = set_of(40, 3, 2)
    labels = torch.tensor([0] * 10 + [1] * 10 + [2] * 10)
    with caplog.at_level(logging.WARNING):
        found(
            per_class(tmp_path), reals, shown(torch.cat([pile(label, 10, 9) for label in range(3)]), labels)
        )
    assert caplog.messages == [
        "intra: 2 of 3 classes are doubtful (kind 1, kind 2), the first because 3 images are too few for a "
        "covariance of 3 features: it is singular, and the distance comes out too large; take more images"
    ]


def test_no_class_with_enough_images_makes_no_number_and_no_crash(tmp_path: Path):
    labels = torch.tensor([0, 1])
    nothing = found(
        per_class(tmp_path), set_of(9, 9), shown(torch.cat([pile(0, 1, 1), pile(1, 1, 1)]), labels)
    )
    assert nothing.values == {}
    assert nothing.record["intra"] is None
    assert nothing.rows[0][1].startswith("undefined")


def test_images_that_are_not_finite_make_no_number(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    fake = shown(pile(0, 30, 4), torch.tensor([0] * 15 + [1] * 15))
    fake.images[""][0][3, 0, 0, 0] = torch.nan
    nothing = found(per_class(tmp_path), set_of(20, 20), fake)
    assert nothing.values == {}
    assert "intra is undefined: the generator makes images that are not finite" in caplog.text


@pytest.mark.parametrize(("statistic", "sign"), [(Frechet(), 1), (PrecisionRecall(1), -1)])
def test_of_many_classes_the_worst_are_told_and_all_are_kept(statistic: Statistic, sign: int, tmp_path: Path):
    count = MOST_ROWS + 6
    counts = [6] * count
    fakes = torch.cat([pile(label, 6, 50, 60 + 50 * label + 2 * label) for label in range(count)])
    labels = torch.arange(count).repeat_interleave(6)
    many = found(per_class(tmp_path, statistic), set_of(*counts), shown(fakes, labels))
    assert len(many.record["classes"]) == count
    rows = [(label, text) for label, text in many.rows if label.startswith("  ")]
    assert len(rows) == MOST_ROWS
    assert many.rows[-1][1] == f"these {MOST_ROWS} are the worst of {count} classes"
    column = "intra" if sign == 1 else "precision_means"
    each = {f"  {name}": sign * it[column] for name, it in many.record["classes"].items()}
    told = [each.pop(label) for label, _ in rows]
    assert told == sorted(told, reverse=True)
    assert min(told) >= max(each.values())


# End to end.


def cheap(cache: Path, *names: str) -> list[str]:
    each = ["count=200", "features.learn=512", f"features.cache={cache}", f"cache={cache}"]
    settings = [f"metrics.{name}.{setting}" for name in names for setting in each]
    return [f"metrics=[{','.join(names)}]", *settings]


def test_training_and_the_verb_find_the_same_and_print_each_class(tmp_path: Path, gantool: Gantool):  # noqa: F811
    metrics = cheap(tmp_path / "cache", "intra_fd_classifier", "fd_classifier")
    assert trained(tmp_path / "run", "model=cgan", "images=16", *metrics) == 0
    best = torch.load(tmp_path / "run" / "checkpoints" / "best.ckpt", weights_only=True)["best"]
    assert best["column"] == "metric/intra_fd_classifier"
    answer = gantool("evaluate", f"run={tmp_path / 'run'}", "device=cpu", f"out={tmp_path}")
    assert answer.code == 0, answer.err
    assert answer.out.count("Features of 256 real images, once") == 0
    numbers = json.loads((tmp_path / "intra_fd_classifier-000000016-seed0.json").read_text())
    assert numbers["intra_fd_classifier"] == pytest.approx(best["value"], rel=1e-4)
    assert "mean over classes, each against its own reals: Fréchet" in numbers["protocol"]
    assert "200 fakes (NOT" not in numbers["protocol"]
    assert "labels as often as in the data" in numbers["protocol"]
    assert re.search(r"^intra_fd_classifier +[\d.e+]+, mean of 10 classes \(halves", answer.out, re.M)
    for label in range(10):
        assert re.search(rf"^  {label} +[\d.e+]+ \([\d.e+]+\); \d+ fakes, 2\d reals$", answer.out, re.M)


def test_intra_fid_is_of_the_inception_that_fid_is_of(tmp_path: Path):
    names = ("intra_fid", "fid50k")
    intra, fid = (instantiate(composed(f"metrics={it}").metrics, _convert_="all")[it] for it in names)
    assert isinstance(intra, PerClass)
    assert isinstance(fid, Distribution)
    assert isinstance(intra.whole.features, Inception)
    assert isinstance(fid.features, Inception)
    assert intra.whole.features.resize == fid.features.resize
    assert (intra.whole.count, intra.whole.reals, intra.whole.split) == (fid.count, fid.reals, fid.split)
    cfg = composed(*small("model=cgan"))
    task = build(cfg).task
    intra.check(task, cfg.data)
    assert intra.columns(task) == {"intra_fid": "minimize"}
    nowhere = PerClass("intra_fid", Frechet(), Inception(weights=str(tmp_path / "none")), 20)
    with pytest.raises(
        ValueError, match=r"is no file of weights; give metrics\.intra_fid\.features\.weights"
    ):
        nowhere.prepare(cfg.data, instantiate(cfg.data.set), CPU, lambda _: None)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model=dcgan",),
            "metrics=intra_fd_classifier measures each class by itself, but this model makes no",
        ),
        (
            ("model=pix2pix",),
            "metrics=intra_fd_classifier measures each class by itself, but this model makes",
        ),
        (
            ("model=cgan", "metrics.intra_fd_classifier.count=1"),
            "metrics.intra_fd_classifier.count=1: give 2 or more",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    overrides: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(Exception, match=re.escape(message)):
        trained(tmp_path, "metrics=intra_fd_classifier", *overrides)
    assert not list(tmp_path.iterdir())
