"""Flicker: what it is of videos whose flicker is known, and where it can be measured."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401, the fixture
from hydra.utils import instantiate
from small import composed, small, trained
from torch import Tensor, nn

from gantool.build import build
from gantool.data.films import Reel, films
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.moving_shapes import moving_shapes
from gantool.measure import Request, measure
from gantool.metrics.flicker import Flicker
from gantool.metrics.metric import Found
from gantool.subject import Subject

STEP = 2 / 255  # one grey level, in [-1, 1]


class Always(nn.Module):
    """Answers what it is told to, one after the other."""

    def __init__(self, *answers: Any):
        super().__init__()
        self.answers, self.calls = answers, 0
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.answers[(self.calls - 1) % len(self.answers)](x)


def found(metric: Flicker, images: ImageSet, G: nn.Module, *overrides: str) -> Found:
    """What a metric says of one network as both ways of translation."""
    cfg = composed(*small("model=recyclegan", *overrides))
    gan = build(cfg)
    gan.task.G["ab"] = gan.task.G["ba"] = G  # pyright: ignore
    subject = Subject(gan, cfg, images, seed=0, together=16)
    metric.check(gan.task, cfg.data)
    count = metric.prepare(cfg.data, images, torch.device("cpu"), print)
    [answer] = measure([Request(metric, count)], subject)
    return answer


def still(frames: int = 5) -> ImageSet:
    """Nothing moves."""
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 16, 16), np.uint8).repeat(frames, 0)
    reels = [Reel(InMemory(picture), np.array([0, frames]), 3) for _ in "ab"]
    return films(reels[0], reels[1], 3)


def same(x: Tensor) -> Tensor:
    return x


def test_what_is_left_as_it_is_does_not_flicker():
    values = found(Flicker(), still(), Always(same)).values
    assert values == {"ab_flicker": 0, "ba_flicker": 0}


def test_flicker_is_the_change_of_what_stands_still_in_parts_of_one():
    flashing = Always(lambda x: torch.zeros_like(x), lambda x: torch.zeros_like(x) + 51 * STEP)
    values = found(Flicker(), still(), flashing).values
    assert values["ab_flicker"] == pytest.approx(51 / 255)


def test_where_nothing_stands_still_nothing_is_said():
    noise = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16), np.uint8)
    reels = [Reel(InMemory(noise), np.array([0, 5]), 3) for _ in "ab"]
    answer = found(Flicker(), films(reels[0], reels[1], 3), Always(same))
    assert answer.values == {}
    assert answer.rows[0] == ("a to b", "nothing stands still")


def test_what_moves_is_not_counted_nor_what_is_close_to_it():
    frames = np.zeros((2, 3, 16, 16), np.uint8)
    frames[1, :, 8, 8] = 200
    reels = [Reel(InMemory(frames), np.array([0, 2]), 2) for _ in "ab"]
    for reach, expected in ((0, 8 / 255 * 51 / 255), (1, 0.0)):  # 8 of the 255 pixels that stand still

        def grown(x: Tensor) -> Tensor:  # the neighbours of what moved change with it
            made = torch.zeros_like(x)
            if (x > 0).any():
                made[:, :, 7:10, 7:10] = 51 * STEP
            return made

        value = found(Flicker(reach=reach), films(reels[0], reels[1], 2), Always(grown)).values["ab_flicker"]
        assert value == pytest.approx(expected)


def test_noise_of_a_camera_counts_as_standing_still():
    frames = np.full((2, 3, 16, 16), 100, np.uint8)
    frames[1] += 2
    reels = [Reel(InMemory(frames), np.array([0, 2]), 2) for _ in "ab"]
    images = films(reels[0], reels[1], 2)
    assert found(Flicker(still=2), images, Always(same)).values["ab_flicker"] == pytest.approx(2 / 255)
    assert found(Flicker(still=1), images, Always(same)).values == {}


def test_the_truth_has_no_error_and_none_of_its_own_flicker():
    images = moving_shapes(32, hold_out=2, held_out=True, frames=3)
    known = {}
    for index in range(len(images)):
        one = images[[index]]
        for frame in "012":
            a, b = (one[f"{side}{frame}"].float() / 127.5 - 1 for side in "ab")
            known[a.numpy().tobytes()], known[b.numpy().tobytes()] = b, a
    truth = Always(lambda x: torch.cat([known[each[None].numpy().tobytes()] for each in x]))
    values = found(Flicker(), images, truth, "data.resolution=32").values
    assert set(values) == {f"{way}_{name}" for way in ("ab", "ba") for name in ("flicker", "motion", "error")}
    assert all(value == pytest.approx(0, abs=1e-9) for value in values.values())


def test_errors_against_the_truth_are_mean_differences():
    images = moving_shapes(16, hold_out=2, held_out=True, frames=3)
    values = found(Flicker(), images, Always(torch.zeros_like)).values
    a = images.piles.a  # pyright: ignore
    pairs = a.lasting(2)[range(len(a.lasting(2)))]["image"].double()
    now, then = pairs.chunk(2, 1)
    grey = 128  # what a file keeps of 0
    assert values["ba_error"] == pytest.approx(((pairs - grey).abs().mean() / 255).item())
    assert values["ba_motion"] == pytest.approx(((then - now).abs().mean() / 255).item())
    assert values["ba_flicker"] == 0


def test_columns_are_known_before_they_are_measured():
    for truth in (False, True):
        metric = Flicker()
        images = moving_shapes(hold_out=2, held_out=True, frames=3) if truth else still()
        answer = found(metric, images, Always(same))
        assert set(metric.columns(None)) >= set(answer.values)  # pyright: ignore
        assert ("ab_error" in metric.columns(None)) == truth  # pyright: ignore
        assert ("truth" in metric.protocol) == truth


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["model=pix2pix"], "watches a translator there and back"),
        (["model=cyclegan"], "does not know what follows what"),
    ],
)
def test_a_model_or_data_without_motion_is_refused(overrides: list[str], sentence: str):
    cfg = composed(*small(*overrides))
    with pytest.raises(ValueError, match=sentence):
        Flicker().check(instantiate(cfg.task, _convert_="all"), cfg.data)


@pytest.mark.parametrize("key", ["still", "reach"])
def test_settings_below_nothing_are_refused(key: str):
    with pytest.raises(ValueError, match=rf"metrics\.flicker\.{key}=-1"):
        Flicker(**{key: -1})


@pytest.mark.parametrize("model", ["recyclegan", "cyclegan"])
def test_both_families_are_measured_in_training_and_afterwards(
    model: str,
    tmp_path: Path,
    gantool: Gantool,  # noqa: F811
):
    run = tmp_path / "run"
    given = ["data=moving_shapes", "data.hold_out=1", "metrics=[flicker]", "images=16"]
    assert trained(run, f"model={model}", *given) == 0
    assert "metric/ba_error" in (run / "metrics.csv").read_text()
    answer = gantool("evaluate", f"run={run}", "metrics=flicker", "device=cpu", f"out={tmp_path}")
    assert answer.code == 0, answer.err
    numbers = json.loads((tmp_path / "flicker-000000016-seed0.json").read_text())
    assert numbers["samples"] == 15  # pairs of the frames of one clip
    assert 0 < numbers["ab_flicker"] < 1
    assert "where the source changes by 2 of 255 at most" in numbers["protocol"]
