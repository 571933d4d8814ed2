"""What a classifier learns from fakes alone: perfect ones, wrong labels, one class; and for whom."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from omegaconf import DictConfig
from small import composed, small
from test_data_sets import offline, write_mnist  # noqa: F401  # a fixture
from torch import Tensor

from gantool.build import build
from gantool.data.image_set import InMemory
from gantool.metrics import accuracy_score
from gantool.metrics.accuracy_score import AccuracyScore, Small, accuracies, ranks
from gantool.metrics.metric import Found
from gantool.metrics.sight import Shown

CPU = torch.device("cpu")
CLASSES = ("down", "across", "none")


def textures(count: int, seed: int) -> InMemory:
    """Noise, with stripes down, across, or none: learnt in a moment, and the same where images are moved."""
    chance = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    pixels = chance.integers(0, 60, (count, 1, 12, 12)).astype(np.uint8)
    pixels[labels == 0, :, :, ::2] += 160
    pixels[labels == 1, :, ::2, :] += 160
    return InMemory(pixels, labels, CLASSES)


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AccuracyScore:
    """Prepared on textures, of which 120 are tested on."""
    monkeypatch.setattr(accuracy_score, "instantiate", lambda _, split: textures(120, 1))
    metric = AccuracyScore("cas_small", learn=2000, cache=str(tmp_path))
    assert metric.prepare(DictConfig({"set": {}}), textures(150, 0), CPU, lambda _: None) == 150
    return metric


def judged(metric: AccuracyScore, fakes: InMemory, labels: Tensor | None = None) -> Found:
    pixels = torch.from_numpy(fakes.images).float() / 127.5 - 1
    return metric.judge(metric.look(Shown({"": (pixels,)}, fakes.labels if labels is None else labels)))


# What it says.


def test_perfect_fakes_teach_as_much_as_real_images(ready: AccuracyScore):
    found = judged(ready, textures(150, 2))
    assert found.values["cas_small"] > 0.95
    assert found.record["real_cas_small"] > 0.95
    assert found.record["gap"] == pytest.approx(found.record["real_cas_small"] - found.values["cas_small"])


def test_the_training_images_themselves_teach_the_very_same(ready: AccuracyScore):
    """The classifier begins and goes on as that of the reals did."""
    found = judged(ready, textures(150, 0))
    assert found.record["gap"] == 0


def test_fakes_of_wrong_classes_teach_what_is_wrong(ready: AccuracyScore):
    fakes = textures(150, 2)
    assert fakes.labels is not None
    found = judged(ready, fakes, (fakes.labels + 1) % 3)
    assert found.values["cas_small"] < 0.05
    assert set(found.record["of_class"]) == set(CLASSES)


def test_fakes_that_are_all_alike_teach_one_class(ready: AccuracyScore):
    alike = InMemory(np.zeros((150, 1, 12, 12), np.uint8), np.zeros(150, int), CLASSES)
    found = judged(ready, alike)
    assert found.values["cas_small"] == pytest.approx(1 / 3)
    assert found.record["of_class"] == {"down": 1, "across": 0, "none": 0}
    assert found.rows[-1] == ("Worst class", "across: 0.0%")


def test_it_is_the_same_every_time_and_leaves_chance_alone(ready: AccuracyScore):
    state = torch.get_rng_state()
    with torch.no_grad():  # as callers may have it
        one, other = (judged(ready, textures(60, 3)).record for _ in range(2))
    assert one == other
    assert torch.equal(torch.get_rng_state(), state)


def test_images_that_are_not_finite_make_no_number(ready: AccuracyScore, caplog: pytest.LogCaptureFixture):
    pixels = torch.zeros(4, 1, 12, 12)
    pixels[2, 0, 3, 4] = torch.nan
    found = ready.judge(ready.look(Shown({"": (pixels,)}, torch.zeros(4, dtype=torch.long))))
    assert (found.values, found.record) == ({}, {"cas_small": None})
    assert "the generator makes images that are not finite" in caplog.text


def test_a_guess_is_right_only_if_nothing_else_is_as_likely():
    class Fixed:
        def __call__(self, images: Tensor) -> Tensor:
            return torch.tensor([[3.0, 2, 1], [0, 0, 0], [2, torch.nan, 1]])

    images = InMemory(np.zeros((3, 1, 2, 2), np.uint8), np.array([0, 1, 1]), CLASSES)
    assert ranks(Fixed(), images, CPU).tolist() == [0, 2, 2]  # pyright: ignore
    assert accuracies(torch.tensor([0, 4, 5, 1])).tolist() == [0.25, 0.75]


def test_five_guesses_are_told_where_there_are_many_classes(ready: AccuracyScore):
    task = build(composed(*small("model=cgan"))).task
    assert list(ready.columns(task)) == ["cas_small"]
    ready.names = tuple(map(str, range(20)))
    assert list(ready.columns(task)) == ["cas_small", "cas_small_top5"]


def test_large_images_are_kept_as_small_as_the_classifier_sees_them(ready: AccuracyScore):
    seen = ready.look(Shown({"": (torch.zeros(2, 3, 40, 64),)}, torch.zeros(2, dtype=torch.long)))
    assert (seen["image"].shape, seen["image"].dtype) == ((2, 3, 20, 32), torch.uint8)
    large = InMemory(np.full((2, 3, 64, 40), 9, np.uint8))
    assert Small(large).shape == (3, 32, 20)
    assert Small(large)[[0, 1]]["image"].eq(9).all()


# The command.


@pytest.mark.usefixtures("offline")
def test_the_command_tells_the_score_and_that_of_real_images(
    gantool: Gantool,  # noqa: F811
    tmp_path: Path,
):
    write_mnist(tmp_path / "MNIST" / "raw", 60)
    run = tmp_path / "run"
    data = ("data=mnist", f"data.root={tmp_path}", "trainer.accelerator=cpu", "logger=none", "images=16")
    assert gantool("train", "model=cgan", *data, "batch_size=8", f"hydra.run.dir={run}").code == 0
    few = ("metrics.cas_small.learn=256", f"metrics.cas_small.cache={tmp_path}", f"out={tmp_path}")
    answer = gantool("evaluate", f"run={run}", "metrics=cas_small", "device=cpu", *few)
    assert answer.code == 0, answer.err
    assert re.search(r"^cas_small +[\d.]+% \(learnt from as many real images [\d.]+%\)", answer.out, re.M)
    assert "learnt from 60 fakes alone, 256 images shown; not comparable with CAS" in answer.out
    found = json.loads((tmp_path / "cas_small-000000016-seed0.json").read_text())
    assert (found["fakes"], found["test_images"]) == (60, 60)
    again = gantool("evaluate", f"run={run}", "metrics=cas_small", "device=cpu", "count=30", *few)
    assert "30 fakes alone" in again.out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model=dcgan", "data=mnist"],
            "metrics=cas_small learns from labelled fakes, but this model is not",
        ),
        (["model=infogan", "data=mnist"], "this model is not told classes: choose one that is"),
        (["model=cgan", "data=digits"], "tests on real images of a test split, of which training saw none"),
        (["model=cgan", "data=mnist", "data.split=test"], "use data=mnist, fashion_mnist or cifar10 with"),
    ],
)
def test_what_has_no_labels_or_no_test_images_is_refused(overrides: list[str], message: str):
    cfg = composed(*overrides, "trainer.accelerator=cpu")
    with pytest.raises(ValueError, match=message):
        AccuracyScore("cas_small").check(build(cfg).task, cfg.data)


@pytest.mark.parametrize("setting", [{"count": 0}, {"learn": 0}])
def test_a_number_of_images_that_is_none_is_refused(setting: dict[str, Any]):
    [key] = setting
    with pytest.raises(ValueError, match=f"metrics.cas_small.{key}=0: give a number of images, 1 or more"):
        AccuracyScore("cas_small", **setting)
