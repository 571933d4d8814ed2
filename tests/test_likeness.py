"""Likeness of images that should be equal: closed forms, symmetries, means over images, what is refused."""

import logging
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import composed
from torch import Tensor, nn

from gantool.data.image_set import InMemory
from gantool.images import to_uint8
from gantool.measure import joined
from gantool.metrics import lpips
from gantool.metrics.extractor import rgb
from gantool.metrics.likeness import WINDOW, Likeness, brightness, eight_bit, psnr, ssim
from gantool.metrics.lpips import FILES, LPIPS
from gantool.metrics.sight import Shown
from gantool.tasks.paired import Paired
from gantool.tasks.unpaired import Unpaired

CPU = torch.device("cpu")
SIDE = 16


def conv(source_channels: int = 3, channels: int = 3) -> nn.Module:
    return nn.Conv2d(source_channels, channels, 3, padding=1)


def patches(channels: int = 3) -> nn.Module:
    return nn.Conv2d(channels, 1, 3)


def images(count: int, channels: int = 3, seed: int = 0, side: int = SIDE) -> Tensor:
    """Images of all 256 values, in [-1, 1]."""
    numbers = torch.randint(256, (count, channels, side, side), generator=torch.manual_seed(seed))
    return numbers / 127.5 - 1


def ready(side: int = SIDE, **settings: Any) -> Likeness:
    metric = Likeness(**settings)
    pixels = torch.zeros(1, 3, side, side, dtype=torch.uint8).numpy()
    metric.prepare(composed("data=synthetic_pairs").data, InMemory(pixels), CPU, pytest.fail)
    return metric


def numbers(metric: Likeness, fake: Tensor, real: Tensor) -> dict[str, float]:
    return metric.judge(metric.look(Shown({"": (fake, real)}))).values


def test_a_mean_squared_difference_of_a_hundredth_is_20_decibels():
    x = torch.full((3, 3, 8, 8), 0.5, dtype=torch.float64)
    assert psnr(x, x + 0.1).tolist() == pytest.approx([20.0] * 3)
    assert psnr(x, x - 0.01).tolist() == pytest.approx([40.0] * 3)


def test_of_equal_images_psnr_is_100_decibels_ssim_1_and_l1_0():
    found = numbers(ready(), images(4), images(4))
    assert found == pytest.approx({"psnr": 100.0, "ssim": 1.0, "l1": 0.0})


def test_steps_of_a_file_have_closed_forms():
    """51 of 255 apart: L1 = 1/5, PSNR = 20 log10 5; of flat images SSIM is a ratio of means alone."""
    dark, light = torch.full((2, 3, SIDE, SIDE), 102 / 127.5 - 1), torch.full((2, 3, SIDE, SIDE), 0.2)
    found = numbers(ready(), dark, light)
    x, y, c = 102 / 255, 153 / 255, 0.01**2
    expected = (2 * x * y + c) / (x * x + y * y + c)
    assert found == pytest.approx({"psnr": 20 * log10(5), "l1": 0.2, "ssim": expected})


def test_the_order_of_two_images_does_not_matter():
    one, other = images(3), images(3, seed=1)
    assert numbers(ready(), one, other) == pytest.approx(numbers(ready(), other, one))


def test_what_a_file_cannot_keep_does_not_count():
    real = images(3)
    assert numbers(ready(), real + 0.4 / 127.5, real)["l1"] == 0
    assert torch.equal(eight_bit(torch.tensor([-3.0, 3.0])), torch.tensor([0.0, 1.0]))
    noise = torch.randn(2, 3, 5, 7)
    as_file = torch.from_numpy(to_uint8(noise).copy()).permute(0, 3, 1, 2)
    assert torch.equal((eight_bit(noise) * 255).round().to(torch.uint8), as_file)


def test_ssim_is_the_mean_of_its_papers_formula_over_all_windows_within_the_image():
    for channels, side in ((1, WINDOW), (3, WINDOW + 3)):
        x, y = (eight_bit(images(2, channels, seed, side)).double() for seed in (0, 1))
        fits = range(side - WINDOW + 1)
        windows = [np.s_[..., top : top + WINDOW, left : left + WINDOW] for top in fits for left in fits]
        expected = [
            torch.stack([of_window(a[it], b[it]) for it in windows]).mean() for a, b in zip(x, y, strict=True)
        ]
        torch.testing.assert_close(ssim(x, y), torch.stack(expected))


def of_window(x: Tensor, y: Tensor) -> Tensor:
    """SSIM, a mean over channels: Wang et al. (2004), equation 13."""
    place = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    bell = (-place.square() / (2 * 1.5**2)).exp()
    w = bell[:, None] * bell / (bell[:, None] * bell).sum()

    def mean(values: Tensor) -> Tensor:
        return (w * values).sum((-1, -2), keepdim=True)

    a, b, c1, c2 = mean(x), mean(y), 0.01**2, 0.03**2
    deviations = mean((x - a) ** 2) + mean((y - b) ** 2)
    covariance = mean((x - a) * (y - b))
    return ((2 * a * b + c1) * (2 * covariance + c2) / ((a**2 + b**2 + c1) * (deviations + c2))).mean()


def test_the_mean_is_over_images_and_not_over_batches():
    metric, fake, real = ready(), images(5), images(5, seed=1)
    fake[4] = real[4]  # alone in its batch, and unlike the others
    parts = [metric.look(Shown({"": (fake[n : n + 2], real[n : n + 2])})) for n in (0, 2, 4)]
    cut, whole = metric.judge(joined(parts)), metric.judge(metric.look(Shown({"": (fake, real)})))
    assert cut.values == pytest.approx(whole.values)
    each = [numbers(metric, fake[n : n + 1], real[n : n + 1])["psnr"] for n in range(5)]
    assert cut.values["psnr"] == pytest.approx(sum(each) / 5)
    assert cut.record["samples"] == 5


def test_brightness_is_what_television_makes_of_colours():
    """Black is 16, white 235; ITU-R BT.601."""
    corners = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])[:, :, None, None]
    assert (brightness(corners).flatten() * 255).tolist() == pytest.approx(
        [16, 235, 81.481, 144.553, 40.966], abs=1e-4
    )


def test_of_grey_images_brightness_has_219_of_255_steps():
    one, other = images(2, channels=1), images(2, channels=1, seed=1)
    plain, television = (numbers(ready(channel=channel), one, other) for channel in ("rgb", "y"))
    assert television["psnr"] - plain["psnr"] == pytest.approx(20 * log10(255 / 219))
    assert television["l1"] == pytest.approx(plain["l1"] * 219 / 255)
    as_rgb = numbers(ready(channel="y"), one.expand(-1, 3, -1, -1), other.expand(-1, 3, -1, -1))
    assert as_rgb == pytest.approx(television)


def test_a_border_is_left_out():
    real = images(2, side=20)
    fake = real.clone()
    for border in (fake[:, :, :4], fake[:, :, -4:], fake[..., :4], fake[..., -4:]):
        border.neg_()
    assert numbers(ready(side=20, crop=4), fake, real)["psnr"] == 100
    assert numbers(ready(side=20, crop=3), fake, real)["psnr"] < 100


def test_alpha_counts_as_a_channel_but_not_for_brightness():
    real = images(2, channels=4)
    fake = torch.cat([real[:, :3], -real[:, 3:]], 1)
    assert numbers(ready(), fake, real)["psnr"] < 100
    assert numbers(ready(channel="y"), fake, real)["psnr"] == 100
    assert rgb(images(1, channels=2)).shape == (1, 3, SIDE, SIDE)


def test_ssim_is_left_out_where_its_window_does_not_fit(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        metric = ready(side=WINDOW - 1)
    assert numbers(metric, images(1, side=10), images(1, side=10)).keys() == {"psnr", "l1"}
    assert "SSIM is left out: its window of 11 pixels is larger than the images" in caplog.messages
    assert ready(side=19, crop=4).measures == ready(side=WINDOW).measures


# What tasks compare.


def test_a_pair_is_compared_with_its_target():
    task = Paired(nn.Identity, nn.Flatten)
    batch = {"source": images(2), "target": images(2, seed=1)}
    pairs = task.compared(task.G, batch)
    assert pairs.keys() == {*task.compares} == {""}
    assert torch.equal(pairs[""][0], batch["source"])
    assert torch.equal(pairs[""][1], batch["target"])
    assert ready().columns(task) == {"psnr": "maximize", "ssim": "maximize", "l1": "minimize"}


def test_piles_are_compared_with_themselves_there_and_back():
    class Times(nn.Module):
        def __init__(self, factor: float):
            super().__init__()
            self.factor = factor

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * x

    task = Unpaired(conv, patches, {"a": 3, "b": 3})
    G = nn.ModuleDict({"ab": Times(4.0), "ba": Times(0.25)})
    batch = {"a": images(2), "b": images(3, seed=1)}
    pairs = task.compared(G, batch)
    assert pairs.keys() == {*task.compares} == {"cycle_ab", "cycle_ba", "identity_a", "identity_b"}
    for pile, way in (("a", "ab"), ("b", "ba")):
        assert torch.equal(pairs[f"cycle_{way}"][0], batch[pile])
        assert torch.equal(pairs[f"cycle_{way}"][1], batch[pile])
        assert torch.equal(pairs[f"identity_{pile}"][1], batch[pile])
    assert torch.equal(pairs["identity_a"][0], batch["a"] / 4)  # G that makes a of b leaves an a as it is
    assert torch.equal(pairs["identity_b"][0], batch["b"] * 4)
    names = ready().columns(task)
    assert {"cycle_ab_l1", "identity_b_psnr"} <= names.keys()
    assert task.compared(G, {"a": batch["a"]}).keys() == {"cycle_ab", "identity_a"}


def test_between_piles_of_other_channels_no_identity_is_compared():
    task = Unpaired(conv, patches, {"a": 1, "b": 3})
    pairs = task.compared(task.G, {"a": images(1, channels=1), "b": images(1)})
    assert pairs.keys() == {*task.compares} == {"cycle_ab", "cycle_ba"}
    assert all(fake.shape == real.shape for fake, real in pairs.values())


# LPIPS, with weights that have learnt nothing.


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Torch's cache, with random weights of AlexNet in it."""
    import torchvision

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = lpips.cached("alex")
    file.parent.mkdir(parents=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision.models.alexnet(weights=None).state_dict(), file)
    return file


@pytest.mark.usefixtures("weights")
def test_lpips_of_equal_images_is_0_and_grows_with_the_difference():
    state = torch.random.get_rng_state()
    metric = ready(side=32)
    assert torch.equal(state, torch.random.get_rng_state())
    real, other = images(3, side=32), images(3, side=32, seed=1)
    near = 0.9 * real + 0.1 * other
    equal, close, far = (numbers(metric, fake, real)["lpips"] for fake in (real, near, other))
    assert equal == 0 < close < far
    assert numbers(metric, other, real)["lpips"] == pytest.approx(numbers(metric, real, other)["lpips"])
    assert "LPIPS 0.1 by alex" in metric.protocol


@pytest.mark.usefixtures("weights")
def test_lpips_sees_grey_as_colour_and_no_alpha():
    metric, grey, other = ready(side=32), images(2, 1, side=32), images(2, 1, 1, 32)
    plain = numbers(metric, grey, other)["lpips"]
    assert numbers(metric, grey.expand(-1, 3, -1, -1), other.expand(-1, 3, -1, -1))["lpips"] == plain
    assert numbers(metric, torch.cat([grey, other], 1), torch.cat([other, grey], 1))["lpips"] == plain


def test_a_file_of_weights_can_be_named(weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    named = weights.replace(tmp_path / "mine.pth")
    assert "lpips" not in ready(side=32).measures
    assert "lpips" in ready(side=32, weights=str(named)).measures
    torch.save({"features.0.weight": torch.zeros(1)}, named)
    with pytest.raises(ValueError, match="no weights of torchvision's alex; leave it out"):
        ready(side=32, weights=str(named))


def test_without_weights_lpips_is_left_out_or_the_missing_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with caplog.at_level(logging.INFO):
        assert "lpips" not in ready(side=32).measures
    [said] = caplog.messages
    assert "LPIPS is left out: no" in said
    assert FILES["alex"] in said
    assert "lpips" not in ready(side=32, lpips=False).measures

    def offline(*_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("gantool.weights.download", offline)
    with pytest.raises(ValueError, match=r"alexnet.*no route to host.*metrics\.likeness\.lpips=false"):
        ready(side=32, lpips=True)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_the_smallest_images_that_lpips_takes_are_as_small_as_can_be(
    network: Any, monkeypatch: pytest.MonkeyPatch
):
    import torchvision

    name = {"alex": "alexnet", "vgg": "vgg16"}[network]
    with torch.device("meta"):
        plain = vars(torchvision.models)[name](weights=None).features[
            :-1
        ]  # LPIPS takes no part of the last pool
        least = LPIPS.least[network]
        plain(torch.zeros(1, 3, least, least))
        with pytest.raises(RuntimeError, match="too small|greater than"):
            plain(torch.zeros(1, 3, least - 1, least - 1))


def test_images_that_are_too_small_for_lpips_are_refused_or_left_out(weights: Path):
    assert weights.is_file()
    assert "lpips" not in ready(side=16).measures
    with pytest.raises(ValueError, match="alex needs images of 31 pixels or more, not of 16"):
        ready(side=16, lpips=True)


# What is refused.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channel": "g"}, r"metrics\.likeness\.channel=g: give rgb or y"),
        ({"crop": -1}, r"metrics\.likeness\.crop=-1: give a number of pixels"),
        ({"crop": True}, r"metrics\.likeness\.crop=True"),
        ({"lpips": "maybe"}, r"metrics\.likeness\.lpips=maybe: give true, false or auto"),
        ({"network": "squeeze"}, r"metrics\.likeness\.network=squeeze: give alex or vgg"),
    ],
)
def test_choices_that_there_are_not_are_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Likeness(**settings)


def test_a_crop_that_leaves_nothing_is_refused():
    cfg = composed("data=synthetic_pairs")
    task = Paired(conv, patches)
    Likeness(crop=7).check(task, cfg.data)
    with pytest.raises(ValueError, match=r"crop=8 leaves nothing of images of 16 pixels; give 7 or less"):
        Likeness(crop=8).check(task, cfg.data)


def test_the_protocol_says_what_was_measured():
    assert "8-bit RGB;" in ready().protocol
    assert "8-bit Y of BT.601 without 2 pixels at each border" in ready(channel="y", crop=2).protocol
