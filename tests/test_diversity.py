"""Diversity among fakes: MS-SSIM and LPIPS of pairs, which pairs, and what reals score."""

import csv
import json
import os
import re
import subprocess
import sys
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from hydra.utils import instantiate
from small import composed, small, trained
from test_path_length import cheap
from torch import Tensor
from torchmetrics.functional.image.ssim import structural_similarity_index_measure

from gantool.build import build
from gantool.data.image_set import InMemory
from gantool.data.synthetic import synthetic
from gantool.measure import Request, measure
from gantool.metrics.diversity import Diversity, couples
from gantool.metrics.ms_ssim import C1, C2, MSSSIM, WEIGHTS, ms_ssim, window
from gantool.metrics.pairwise import OfFeatures, Pairwise, Perceptual
from gantool.metrics.sight import Couples, Shown
from gantool.subject import Subject

CPU = torch.device("cpu")


def images(count: int, side: int, seed: int = 0, channels: int = 3) -> Tensor:
    """In [0, 1], float64."""
    numbers = torch.Generator().manual_seed(seed)
    return torch.rand(count, channels, side, side, generator=numbers, dtype=torch.float64)


def subject_of(model: str, set_of: Any = None, together: int = 8) -> Subject:
    cfg = composed(*small(f"model={model}", "ema=0"))
    return Subject(build(cfg), cfg, instantiate(cfg.data.set) if set_of is None else set_of, 0, together)


def ready(subject: Subject, measure: Pairwise, count: int) -> Request:
    metric = Diversity("diversity", measure, count)
    metric.check(subject.gan.task, subject.config.data)
    return Request(metric, metric.prepare(subject.config.data, subject.images, CPU, pytest.fail))


# MS-SSIM.


@pytest.mark.parametrize("scales", range(1, 6))
def test_equal_images_score_1_others_less_and_either_may_come_first(scales: int):
    measure = MSSSIM(scales)
    x, y = images(3, 128) * 2 - 1, images(3, 128, seed=1) * 2 - 1
    torch.testing.assert_close(measure(x, x), torch.ones(3).double())
    torch.testing.assert_close(measure(x, y), measure(y, x))
    near = measure(x, 0.9 * x + 0.1 * y)
    assert ((measure(x, y) < near) & (near < 1)).all()


def test_flat_images_differ_by_their_luminance_at_the_coarsest_scale_alone():
    for a, b in ((0.2, 0.7), (0.0, 1.0)):
        x, y = torch.full((1, 1, 176, 176), a).double(), torch.full((1, 1, 176, 176), b).double()
        luminance = (2 * a * b + C1) / (a**2 + b**2 + C1)
        assert float(ms_ssim(x, y, WEIGHTS)) == pytest.approx(luminance ** WEIGHTS[-1])


def test_a_negative_image_has_no_structure_in_common():
    x = images(2, 32)
    assert ms_ssim(x, 1 - x, WEIGHTS[:2]).tolist() == [0, 0]


def test_a_single_scale_is_ssim():
    x, y = images(2, 40), 0.5 * images(2, 40) + 0.5 * images(2, 40, seed=1)
    _, whole = structural_similarity_index_measure(
        x, y, reduction="none", data_range=1.0, return_full_image=True
    )
    expected = whole[:, :, 5:-5, 5:-5].mean((1, 2, 3))
    torch.testing.assert_close(ms_ssim(x, y, (1.0,)), expected, rtol=1e-6, atol=0)


def slow(x: np.ndarray, y: np.ndarray, weights: tuple[float, ...]) -> float:
    """MS-SSIM of two grey images, window by window."""
    value = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            x, y = (it.reshape(len(it) // 2, 2, -1, 2).mean((1, 3)) for it in (x, y))
        size = min(11, len(x))
        at = np.arange(size) - (size - 1) / 2
        line = np.exp(-(at**2) / (2 * (1.5 * size / 11) ** 2))
        w = np.outer(line, line) / line.sum() ** 2
        found = []
        for i in range(len(x) - size + 1):
            for j in range(len(x) - size + 1):
                p, q = x[i : i + size, j : j + size], y[i : i + size, j : j + size]
                mp, mq = (w * p).sum(), (w * q).sum()
                vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
                cs = (2 * (w * (p - mp) * (q - mq)).sum() + C2) / (vp + vq + C2)
                last = scale == len(weights) - 1
                found.append(cs * ((2 * mp * mq + C1) / (mp**2 + mq**2 + C1) if last else 1))
        value *= max(0.0, float(np.mean(found))) ** weight
    return value


def test_it_is_what_a_loop_over_windows_finds_also_where_they_do_not_fit():
    x = images(1, 32, channels=1)
    y = 0.6 * x + 0.4 * images(1, 32, seed=1, channels=1)
    expected = slow(x[0, 0].numpy(), y[0, 0].numpy(), WEIGHTS[:3])
    assert float(ms_ssim(x, y, WEIGHTS[:3])) == pytest.approx(expected)
    assert float(window(11).sum()) == pytest.approx(1)


def test_fewer_scales_have_another_name_and_too_small_images_are_told_which_fit():
    names = {MSSSIM(scales).name for scales in range(1, 6)}
    assert len(names) == 5
    assert [name for name in names if not name.endswith("scales")] == ["ms_ssim"]
    assert sum(MSSSIM(3).weights) == pytest.approx(1)
    assert "NOT the published 5" in MSSSIM(3).protocol
    data: Any = None
    for side, fits in ((8, 1), (15, 1), (16, 2), (28, 2), (32, 3), (64, 4), (127, 4)):
        message = f"metrics=m: 5 scales need images of 128 pixels or more, not of {side}x200; metrics"
        with pytest.raises(ValueError, match=rf"{message}\.m\.measure\.scales={fits} is another number"):
            MSSSIM().check("m", data, side, 200)
        MSSSIM(fits).check("m", data, side, 200)
    MSSSIM().check("m", data, 128, 128)
    with pytest.raises(
        ValueError, match="1 scales need images of 8 pixels or more, not of 7x9; leave it out"
    ):
        MSSSIM(1).check("m", data, 7, 9)
    with pytest.raises(ValueError, match="scales=6: MS-SSIM has 1 to 5"):
        MSSSIM(6)


# Pairs.


def test_no_image_is_in_two_pairs_and_classes_are_as_frequent_as_in_the_data():
    labels = torch.tensor([0] * 700 + [1] * 251 + [2] * 48 + [3])
    pairs = couples(1000, labels, 10_000)
    assert pairs.shape == (350 + 125 + 24, 2)
    assert len(pairs.unique()) == 2 * len(pairs)
    assert torch.equal(labels[pairs[:, 0]], labels[pairs[:, 1]])
    few = labels[couples(1000, labels, 100)[:, 0]]
    assert 60 <= int((few == 0).sum()) <= 80
    assert couples(7, None, 10).shape == (3, 2)
    assert couples(7, None, 2).shape == (2, 2)
    assert len(couples(3, torch.arange(3), 10)) == 0
    assert len(couples(1, None, 10)) == 0


def test_two_fakes_of_a_couple_are_of_one_class_and_no_fake_is_in_two():
    subject = subject_of("cgan")
    G = subject.generator()
    shown = Couples().show(subject, G, range(5))
    assert shown.labels is not None
    assert torch.equal(shown.labels, subject.labels(range(5)))
    both = torch.stack(shown.images[""], 1).flatten(0, 1)  # (10, C, H, W)
    assert len(both.flatten(1).unique(dim=0)) == 10
    labels = shown.labels.repeat_interleave(2)
    torch.testing.assert_close(both, subject.generated(G, range(10), labels))
    later = Couples().show(subject, G, range(3, 5))
    for part, whole in zip(later.images[""], shown.images[""], strict=True):
        torch.testing.assert_close(part, whole[3:])


# What a generator scores beside reals.


class Replaying(torch.nn.Module):
    """The images that it was given, one after the other."""

    def __init__(self, pixels: Tensor):
        super().__init__()
        self.pixels, self.at = torch.nn.Parameter(pixels), 0

    def forward(self, latent: Tensor) -> Tensor:
        self.at += len(latent)
        return self.pixels[self.at - len(latent) : self.at]


def test_a_generator_of_one_image_scores_1_and_one_that_draws_from_the_data_what_reals_score():
    reals = synthetic(count=400, resolution=16)
    subject = subject_of("dcgan", reals)
    request = ready(subject, MSSSIM(2), 150)
    task: Any = subject.gan.task
    order = torch.randperm(400, generator=torch.Generator().manual_seed(7)).tolist()
    pixels = reals[order]["image"] / 127.5 - 1
    scores: list[Any] = []
    for shown in (pixels[:1].expand(400, -1, -1, -1), pixels, torch.rand(400, 3, 16, 16) * 2 - 1):
        task.G = Replaying(shown.clone())
        scores.append(measure([request], subject)[0])
    one, same, noise = (it.values["pair_ms_ssim_2scales"] for it in scores)
    record = scores[1].record
    assert one == pytest.approx(1)
    assert same == pytest.approx(record["real_pair_ms_ssim_2scales"], abs=4 * record["real_error"])
    assert noise < same
    assert (record["pairs"], record["real_pairs"]) == (150, 150)
    assert re.fullmatch(r"[\d.]+ ± [\d.]+ \(pairs of reals [\d.]+ ± [\d.]+\)", scores[1].rows[0][1])


def test_reals_are_paired_within_classes_only_for_a_model_that_knows_classes(tmp_path: Path):
    reals = synthetic(count=200, resolution=16)
    protocols: dict[str, str] = {}
    values: dict[str, float] = {}
    for model in ("cgan", "dcgan"):
        metric = ready(subject_of(model, reals), MSSSIM(2), 100).metric
        assert isinstance(metric, Diversity)
        protocols[model], values[model] = metric.protocol, float(metric.real.mean())
    assert "100 disjoint pairs of fakes and 100 of reals of train, of one class each" in protocols["cgan"]
    assert "of any classes; 8-bit images" in protocols["dcgan"]
    assert values["cgan"] > values["dcgan"]


def test_the_size_of_a_pass_changes_nothing():
    found = [
        measure([ready(subject, MSSSIM(2), 21)], subject)[0].values["pair_ms_ssim_2scales"]
        for subject in (subject_of("dcgan", together=size) for size in (1, 8, 21))
    ]
    assert found == pytest.approx([found[0]] * 3, abs=1e-3)  # a rounding of 8 bits may fall otherwise


def test_images_that_are_not_finite_make_no_number(caplog: pytest.LogCaptureFixture):
    request = ready(subject_of("dcgan"), MSSSIM(2), 3)
    broken = torch.zeros(3, 3, 16, 16)
    broken[1, 0, 2, 2] = nan
    found = request.metric.judge(request.metric.look(Shown({"": (torch.zeros_like(broken), broken)})))
    assert found.values == {}
    assert found.record["pair_ms_ssim_2scales"] is None
    assert found.rows[0][1].startswith("undefined (pairs of reals ")
    assert "pair_ms_ssim_2scales is undefined: the generator makes images that are not" in caplog.text


def test_where_no_class_has_two_reals_the_fakes_stand_alone():
    reals = InMemory(synthetic(count=10, resolution=16).images, np.arange(10), tuple("abcdefghij"))
    subject = subject_of("cgan", reals)
    [found] = measure([ready(subject, MSSSIM(2), 6)], subject)
    assert found.record["real_pairs"] == 0
    assert "reals" not in found.rows[0][1]


# LPIPS, with weights that have learnt nothing.


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torchvision

    file = tmp_path_factory.mktemp("alex") / "alex.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        features = torchvision.models.alexnet(weights=None).features
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, file)
    return file


def test_lpips_of_equal_fakes_is_0_and_of_others_more(weights: Path):
    reals = synthetic(count=40, resolution=32)
    subject = subject_of("dcgan", reals)
    metric = Diversity("lpips_diversity", Perceptual("alex", str(weights)), 10)
    metric.prepare(subject.config.data, reals, CPU, pytest.fail)
    one = torch.rand(4, 3, 32, 32) * 2 - 1
    assert metric.look(Shown({"": (one, one)}))["pairs"].tolist() == [0] * 4
    assert metric.look(Shown({"": (one, one.roll(1, 0))}))["pairs"].min() > 0
    assert metric.columns(subject.gan.task) == {"pair_lpips_alex": "maximize"}
    assert metric.real.min() > 0


def test_presets_are_five_scales_of_10000_pairs_and_alexnet():
    metric = instantiate(composed("metrics=ms_ssim").metrics)["ms_ssim"]
    assert (metric.name, metric.measure.scales, metric.count) == ("ms_ssim", 5, 10_000)
    metric = instantiate(composed("metrics=lpips_diversity").metrics)["lpips_diversity"]
    assert (metric.name, metric.measure.network) == ("lpips_diversity", "alex")


def test_no_two_measures_write_into_the_same_column():
    measures = [*map(MSSSIM, range(1, 6)), Perceptual("alex"), Perceptual("vgg"), OfFeatures()]
    assert len({Diversity("m", measure, 1).column for measure in measures}) == len(measures)


# The verb, training, and several processes.

SCALES = "metrics.ms_ssim.measure.scales=2"


def test_the_verb_tells_the_number_beside_that_of_reals(tmp_path: Path, gantool: Gantool):  # noqa: F811
    run = tmp_path / "run"
    assert trained(run, "model=cgan", "images=16", "metrics=ms_ssim", SCALES, "metrics.ms_ssim.count=30") == 0
    answer = gantool("evaluate", f"run={run}", "device=cpu", "count=20", f"out={tmp_path}")
    assert answer.code == 0, answer.err
    assert re.search(
        r"^pair_ms_ssim_2scales +[\d.]+ ± [\d.]+ \(pairs of reals [\d.]+ ± [\d.]+\)$", answer.out, re.M
    )
    assert "20 disjoint pairs of fakes (NOT the 30 of ms_ssim) and 20 of reals of train, of one" in answer.out
    found = json.loads((tmp_path / "ms_ssim-000000016-seed0.json").read_text())
    assert found["real_pair_ms_ssim_2scales"] > 0
    answer = gantool("evaluate", f"run={run}", "device=cpu", "metrics=ms_ssim")
    assert answer.code == 2
    assert answer.err.strip() == (
        "gantool: metrics=ms_ssim: 5 scales need images of 128 pixels or more, not of 16x16; "
        "metrics.ms_ssim.measure.scales=2 is another number."
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model=pix2pix", "metrics=ms_ssim"), "metrics=ms_ssim measures models that make images of noise"),
        (("model=mlp", "data=ring", "metrics=ms_ssim"), "measures images, not points; use metrics=modes"),
        (
            ("model=dcgan", "metrics=lpips_diversity"),
            "metrics=lpips_diversity: LPIPS by alex needs images of 31 pixels or more, not of 16x16; give "
            "metrics.lpips_diversity.measure.network=vgg, which needs 16",
        ),
        (
            ("model=dcgan", "metrics=ms_ssim", "metrics.ms_ssim.count=0"),
            "metrics.ms_ssim.count=0: give a number of pairs",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(
    overrides: tuple[str, ...], message: str, tmp_path: Path
):
    with pytest.raises(Exception, match=re.escape(message)):
        trained(tmp_path, *overrides)
    assert not list(tmp_path.iterdir())


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("metric/pair_ms_ssim_2scales")]


def test_two_processes_find_the_numbers_of_one(tmp_path: Path):
    """Of both kinds of pairs; with rates of 0 the weights are the same to the bit."""
    fixed = ("model=cgan", "optimizer.D.lr=0", "optimizer.G.lr=0", "images=16", "evaluate_every=8")
    for world in ("1", "2"):
        ours = cheap(tmp_path / f"cache{world}", count=21)
        ours[0] = "metrics=[path_length_classifier,ms_ssim]"
        overrides = [*fixed, *ours, SCALES, "metrics.ms_ssim.count=19"]
        folder = tmp_path / world
        if world == "1":
            assert trained(folder, *overrides) == 0
            continue
        shared = ["trainer=ddp", "trainer.devices=2", f"hydra.run.dir={folder}"]
        done = subprocess.run(
            [sys.executable, "-m", "gantool", "train", *small(*overrides), *shared],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert rows(tmp_path / "1") == rows(tmp_path / "2")
    assert len(rows(tmp_path / "1")) == 2
    assert "metric/path_length_classifier_z" in rows(tmp_path / "1")[0]
