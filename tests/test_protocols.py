"""Metrics of distributions from end to end: one pass for all, one protocol each, the same in training."""

import csv
import json
import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from hydra.utils import instantiate
from PIL import Image
from small import SMALL, composed, small, trained
from test_data_sets import offline, write_mnist  # noqa: F401  # a fixture
from test_extractors import weights  # noqa: F401  # a fixture
from torch import Tensor

from gantool import catalogue
from gantool.build import build
from gantool.data.image_set import InMemory
from gantool.data.synthetic import synthetic
from gantool.measure import Request, measure
from gantool.metrics.classifier_features import ClassifierFeatures
from gantool.metrics.distribution import Distribution
from gantool.metrics.extractor import Extractor
from gantool.metrics.frechet import Frechet
from gantool.metrics.inception import Inception
from gantool.metrics.manifold import DensityCoverage, PrecisionRecall
from gantool.metrics.metric import Seen
from gantool.metrics.sight import Shown
from gantool.subject import Subject
from gantool.tasks.generation import Generation

CPU = torch.device("cpu")
TRAINING = ("model=cgan", "prior=gaussian", "images=48", "ema=16")
OURS = ("fd_classifier", "kid_classifier", "precision_recall", "density_coverage")
PRESETS = [
    name
    for name, file in catalogue.groups()["metrics"].items()
    if "metrics.distribution.Distribution" in file.read_text()
]


def cheap(cache: Path, *names: str, count: int = 40) -> list[str]:
    """These metrics of few images, with a classifier that has hardly learnt."""
    each = [f"count={count}", "features.learn=512", f"features.cache={cache}", f"cache={cache}"]
    return [
        f"metrics=[{','.join(names)}]",
        *(f"metrics.{name}.{setting}" for name in names for setting in each),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained with two metrics that share a pass."""
    folder = tmp_path_factory.mktemp("run")
    metrics = cheap(folder / "cache", "fd_classifier", "precision_recall")
    assert trained(folder, *TRAINING, *metrics, "evaluate_every=16") == 0
    return folder


def write_images(folder: Path, count: int) -> None:
    """Noise of 16 pixels, in colours."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{number}.png")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("metric/fd_classifier")]


def numbers(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


# Presets.


def built(name: str) -> Distribution:
    metric = instantiate(composed(f"metrics={name}").metrics, _convert_="all")[name]
    assert isinstance(metric, Distribution)
    return metric


@pytest.mark.parametrize("name", PRESETS)
def test_only_the_published_inception_makes_what_is_called_fid_or_kid(name: str):
    metric = built(name)
    assert metric.name == name
    task = build(composed(*SMALL)).task
    for column in metric.columns(task):
        called = re.search(r"fid|kid$|inception", column) is not None
        assert called == isinstance(metric.features, Inception), column


def test_no_two_presets_write_into_the_same_column():
    task = build(composed(*SMALL)).task
    columns = [column for name in PRESETS for column in built(name).columns(task)]
    assert len(columns) == len(set(columns))


def test_presets_are_the_published_protocols():
    for name in ("fid50k", "clean_fid", "kid", "inception_score", "fd_dinov2"):
        assert (built(name).count, built(name).reals, built(name).split) == (50_000, None, "train")
    assert (built("fid10k_test").count, built("fid10k_test").split) == (10_000, "test")
    assert "100 subsets of 1,000" in built("kid").statistic.protocol
    for name, k in (("precision_recall", 3), ("density_coverage", 5)):
        statistic = built(name).statistic
        assert isinstance(statistic, PrecisionRecall | DensityCoverage)
        assert statistic.k == k
    assert built("clean_fid").features.__dict__["resize"] == "clean"
    assert built("fid50k").features.__dict__["resize"] == "tf1"


# The verb.


def test_several_metrics_in_one_command_each_with_its_protocol(
    run: Path,
    gantool: Gantool,  # noqa: F811
    tmp_path: Path,
):
    request = ["evaluate", f"run={run}", "device=cpu", *cheap(tmp_path / "cache", *OURS), f"out={tmp_path}"]
    answer = gantool(*request)
    assert answer.code == 0, answer.err
    assert answer.out.count("Learning a classifier") == 1
    assert answer.out.count("Features of 256 real images, once") == 1
    assert answer.out.count("Checkpoint ") == 1
    lines = [line for line in answer.out.splitlines() if line.startswith("Protocol")]
    assert len(lines) == 4
    for line in lines:
        assert "against 256 reals of train" in line
        assert "weights " in line
        assert "not comparable with FID" in line
        assert "fakes of the averaged G, seed 0, labels as often as in the data" in line
    for name in ("fd_classifier", "kid_classifier", "precision_classifier", "coverage_classifier"):
        assert re.search(rf"^{name} +[-\d.e+]+ .*half of the reals, 128, against the other", answer.out, re.M)
    found = numbers(tmp_path / "precision_recall-000000048-seed0.json")
    assert (found["fakes"], found["reals"], found["images"]) == (40, 256, 48)
    assert 0 <= found["precision_classifier"] <= 1
    assert found["real_precision_classifier"] > 0.5
    assert found["protocol"] in answer.out
    again = gantool(*request)
    assert "once" not in again.out
    assert numbers(tmp_path / "precision_recall-000000048-seed0.json") == found


def test_another_number_of_fakes_is_not_passed_off_as_the_protocol(
    run: Path,
    gantool: Gantool,  # noqa: F811
):
    request = ["evaluate", f"run={run}", "device=cpu", "count=20"]
    answer = gantool(*request)
    assert answer.code == 0, answer.err
    assert "20 fakes (NOT the 40 of fd_classifier) against" in answer.out
    answer = gantool(*request, "count=3")
    assert answer.code == 2
    assert "metrics=precision_recall needs 4 images or more, not count=3" in answer.err


def test_truncated_latents_are_told_and_change_the_numbers(run: Path, gantool: Gantool, tmp_path: Path):  # noqa: F811
    for more in ([], ["truncation=0.3"]):
        answer = gantool("evaluate", f"run={run}", "device=cpu", *more, f"out={tmp_path}")
        assert answer.code == 0, answer.err
        assert ("truncation 0.3" in answer.out) == bool(more)
    plain, narrow = (
        numbers(tmp_path / f"fd_classifier-000000048-seed0{end}.json") for end in ("", "-truncation0.3")
    )
    assert (plain["truncation"], narrow["truncation"]) == (None, 0.3)
    assert plain["fd_classifier"] != narrow["fd_classifier"]


def test_fids_protocol_with_weights_that_have_learnt_nothing(
    run: Path,
    gantool: Gantool,  # noqa: F811
    tmp_path: Path,
    weights: Path,  # noqa: F811
):
    names = ("fid50k", "kid", "inception_score", "density_coverage_inception")
    few = ("count=12", "reals=13", f"cache={tmp_path}", f"features.weights={weights}")
    settings = [f"metrics.{name}.{setting}" for name in names for setting in few]
    chosen = [f"metrics=[{','.join(names)}]", *settings]
    answer = gantool("evaluate", f"run={run}", "device=cpu", *chosen, f"out={tmp_path}")
    assert answer.code == 0, answer.err
    assert answer.out.count("Features of 13 real images, once") == 1
    assert answer.out.count("NOT the published ones: compare with nothing published") == 4
    assert numbers(tmp_path / "fid50k-000000048-seed0.json")["fid50k"] > 0
    assert 1 <= numbers(tmp_path / "inception_score-000000048-seed0.json")["inception_score"] <= 1008
    assert "kid_std" in numbers(tmp_path / "kid-000000048-seed0.json")


# Training.


def test_training_logs_what_the_verb_finds_and_keeps_the_best(run: Path, tmp_path: Path, gantool: Gantool):  # noqa: F811
    found = rows(run)
    assert [row["images"] for row in found] == ["16", "32", "48"]
    columns = {name for name in found[0] if name.startswith("metric/")}
    assert columns == {
        f"metric/{it}" for it in ("fd_classifier", "precision_classifier", "recall_classifier")
    }
    assert gantool("evaluate", f"run={run}", "device=cpu", f"out={tmp_path}", "batch_size=8").code == 0
    again = numbers(tmp_path / "fd_classifier-000000048-seed0.json")
    assert again["fd_classifier"] == pytest.approx(float(found[-1]["metric/fd_classifier"]), rel=1e-4)
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["best"]
    values = [float(row["metric/fd_classifier"]) for row in found]
    assert (best["column"], best["value"]) == ("metric/fd_classifier", min(values))


def test_evaluation_leaves_training_as_it_is(run: Path, tmp_path: Path):
    trained(tmp_path, *TRAINING)
    one, other = (
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (run, tmp_path)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_two_processes_find_the_numbers_of_one(tmp_path: Path):
    """They begin with an empty cache, at once; with rates of 0 their weights are the same to the bit."""
    fixed = ("model=cgan", "optimizer.D.lr=0", "optimizer.G.lr=0", "images=16", "evaluate_every=8")
    for world in ("1", "2"):
        metrics = cheap(tmp_path / f"cache{world}", "fd_classifier", "density_coverage", count=70)
        folder = tmp_path / world
        if world == "1":
            assert trained(folder, *fixed, *metrics) == 0
            continue
        overrides = [*small(*fixed, *metrics), "trainer=ddp", "trainer.devices=2", f"hydra.run.dir={folder}"]
        done = subprocess.run(
            [sys.executable, "-m", "gantool", "train", *overrides],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert done.stdout.count("Learning a classifier") <= 1
    assert rows(tmp_path / "1") == rows(tmp_path / "2")
    assert len(rows(tmp_path / "1")) == 2


# One pass for all.


class Counting(Extractor):
    """The mean of each channel; counts the images it was shown."""

    name = "counting"

    def __init__(self, identity: str = "means"):
        self.shown = 0
        self._identity = identity

    def check(self, metric: str, data: Any) -> None: ...

    def prepare(self, metric: str, images: Any, device: Any, tell: Any) -> None: ...

    def __call__(self, images: Tensor) -> Seen:
        self.shown += len(images)
        return {"features": images.float().mean((2, 3))}

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def protocol(self) -> str:
        return "means"


def prepared(subject: Subject, cache: Path, *metrics: tuple[Extractor, int]) -> list[Request]:
    requests: list[Request] = []
    for place, (extractor, count) in enumerate(metrics):
        metric = Distribution(f"m{place}", Frechet(), extractor, count, cache=str(cache))
        metric.check(subject.gan.task, subject.config.data)
        number = metric.prepare(subject.config.data, subject.images, CPU, lambda _: None)
        requests.append(Request(metric, number))
    return requests


def subject_of(*overrides: str, together: int = 16) -> Subject:
    cfg = composed(*small("model=dcgan", *overrides))
    return Subject(build(cfg), cfg, instantiate(cfg.data.set), 0, together)


def test_every_image_is_made_and_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    subject = subject_of()
    made: list[int] = []
    generate = Generation.generate

    def counted(self: Any, G: Any, batch: Any) -> Any:
        made.append(len(batch["latent"]))
        return generate(self, G, batch)

    monkeypatch.setattr(Generation, "generate", counted)
    one, twin, other = Counting(), Counting(), Counting("other")
    requests = prepared(subject, tmp_path, (one, 30), (twin, 50), (other, 10))
    assert (one.shown, twin.shown, other.shown) == (
        256,
        0,
        256,
    )  # reals, of which the twin knows the features
    found = measure(requests, subject)
    assert sum(made) == 50
    assert (one.shown + twin.shown, other.shown) == (256 + 50, 256 + 16)
    alone = [
        measure(prepared(subject, tmp_path, (Counting(), count)), subject)[0].values["m0"]
        for count in (30, 50, 10)
    ]
    assert [it.values[f"m{place}"] for place, it in enumerate(found)] == pytest.approx(alone, rel=1e-6)
    assert [it.record["fakes"] for it in found] == [30, 50, 10]


def test_the_size_of_a_pass_changes_nothing(tmp_path: Path):
    found = [
        measure(prepared(subject, tmp_path, (Counting(), 21)), subject)[0].values["m0"]
        for subject in (subject_of(together=size) for size in (1, 8, 21))
    ]
    assert found == pytest.approx([found[0]] * 3, rel=1e-4)


def test_labels_of_fakes_are_as_frequent_as_those_of_the_data():
    images = synthetic(count=100, resolution=8)
    labels = np.array([0] * 70 + [1] * 25 + [2] * 5)
    cfg = composed(*small("model=cgan"))
    subject = Subject(build(cfg), cfg, InMemory(images.images, labels, images.names), 0, 16)
    assert torch.bincount(subject.labels(range(0, 100))).tolist() == [70, 25, 5]
    assert torch.equal(
        torch.cat([subject.labels(range(0, 30)), subject.labels(range(30, 50))]), subject.labels(range(50))
    )


def test_the_protocol_tells_whose_fakes_they_are():
    plain, averaged = subject_of(), subject_of("ema=8")
    assert plain.protocol == "fakes of G, running statistics of batch norm, seed 0"
    assert averaged.protocol == "fakes of the averaged G, standing statistics of batch norm, seed 0"
    narrow = replace(averaged, standing=False, truncation=0.7)
    assert (
        narrow.protocol == "fakes of the averaged G, running statistics of batch norm, seed 0, truncation 0.7"
    )


# Reals.


def test_features_of_reals_are_known_by_the_content_of_the_data(tmp_path: Path):
    subject = subject_of()
    images = subject.images
    assert isinstance(images, InMemory)

    def looked_at(pixels: np.ndarray, **settings: Any) -> int:
        extractor = Counting(settings.pop("identity", "means"))
        metric = Distribution("m", Frechet(), extractor, 10, cache=str(tmp_path), **settings)
        mine = InMemory(pixels, np.asarray(images.labels), images.names)
        metric.prepare(subject.config.data, mine, CPU, lambda _: None)
        return extractor.shown

    assert looked_at(images.images) == 256
    assert looked_at(images.images.copy()) == 0
    other = images.images.copy()
    other[3, 0, 0, 0] ^= 1
    assert looked_at(other) == 256
    assert looked_at(images.images, reals=100) == 100
    assert looked_at(images.images, identity="other weights") == 256
    assert looked_at(images.images, reals=100) == 0


def test_real_images_as_fakes_score_what_reals_score_among_themselves(tmp_path: Path):
    """The floor is that of two halves; all reals against themselves are 0 apart."""
    subject = subject_of("data.count=400")
    [request] = prepared(subject, tmp_path, (Counting(), 400))
    pixels = subject.images[range(400)]["image"]
    found = request.metric.judge(request.metric.look(Shown({"": (pixels / 127.5 - 1,)})))
    assert found.values["m0"] == pytest.approx(0, abs=1e-6)
    assert found.record["real_m0"] > 0
    assert "half of the reals, 200, against the other" in found.rows[0][1]


@pytest.mark.usefixtures("offline")
def test_reals_of_the_test_split_are_others_than_those_learnt_from(tmp_path: Path):
    write_mnist(tmp_path / "MNIST" / "raw", 30)
    data = composed("data=mnist", f"data.root={tmp_path}").data
    extractor = Counting()
    metric = Distribution("m", Frechet(), extractor, 10, split="test", cache=str(tmp_path))
    metric.prepare(data, synthetic(count=12, resolution=28, channels=1), CPU, lambda _: None)
    assert extractor.shown == 30
    assert "against 30 reals of test" in metric.protocol


def test_reals_that_are_held_out_of_a_folder_are_others_than_those_learnt_from(tmp_path: Path):
    write_images(tmp_path / "images", 30)
    folder = ("data=folder", f"data.path={tmp_path / 'images'}", "data.resolution=16", "data.channels=3")
    data = composed(*folder, "data.hold_out=12").data
    extractor, training = Counting(), instantiate(data.set)
    metric = Distribution("m", Frechet(), extractor, 10, split="test", cache=str(tmp_path / "cache"))
    metric.check(subject_of().gan.task, data)
    metric.prepare(data, training, CPU, lambda _: None)
    assert (len(training), extractor.shown) == (18, 12)
    assert "against 12 reals of test" in metric.protocol
    with pytest.raises(ValueError, match="nothing is held out of it; data.hold_out=200 keeps 200 images"):
        metric.check(subject_of().gan.task, composed(*folder).data)


# What cannot be measured.


def test_images_that_are_not_finite_make_no_number_and_no_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    subject = subject_of()
    [request] = prepared(subject, tmp_path, (Counting(), 20))
    fake = torch.zeros(20, 3, 16, 16)
    fake[7, 1, 2, 3] = nan
    found = request.metric.judge(request.metric.look(Shown({"": (fake,)})))
    assert found.values == {}
    assert found.record["m0"] is None
    assert found.rows[0][1].startswith("undefined")
    assert "m0 is undefined: the generator makes images that are not finite" in caplog.text


def test_too_few_images_for_a_covariance_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    subject = subject_of()
    metric = Distribution("fd", Frechet(), ClassifierFeatures(256, str(tmp_path)), 40, cache=str(tmp_path))
    metric.prepare(subject.config.data, subject.images, CPU, lambda _: None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            [found] = measure([Request(metric, 40)], subject)
    assert np.isfinite(found.values["fd"])
    assert caplog.messages == [
        "fd: 40 images are too few for a covariance of 64 features: it is singular, and the distance comes "
        "out too large; take more images"
    ]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("model=pix2pix", "metrics=fd_classifier"),
            "metrics=fd_classifier learns a classifier of the labels of the data",
        ),
        (
            ("model=pix2pix", "metrics=memorisation"),
            "metrics=memorisation compares with the images that were learnt from",
        ),
        (
            ("model=dcgan", "data.classes=0", "metrics=precision_recall"),
            "there are no classes; use metrics=fid50k",
        ),
        (
            ("model=mlp", "data=ring", "metrics=kid_classifier"),
            "measures images, not points; use metrics=modes",
        ),
        (("model=dcgan", "metrics=fid10k_test"), "metrics=fid10k_test: this data set has no test split"),
        (
            ("model=dcgan", "metrics=fd_classifier", "metrics.fd_classifier.count=1"),
            "metrics.fd_classifier.count=1: give 2 or more",
        ),
        (
            ("model=dcgan", "metrics=fd_classifier", "metrics.fd_classifier.split=val"),
            "metrics.fd_classifier.split=val: give train or test",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    overrides: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(Exception, match=re.escape(message)):
        trained(tmp_path, *overrides)
    assert not list(tmp_path.iterdir())
