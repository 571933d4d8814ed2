"""SRResNet, SRGAN, ESRGAN: sizes, counts, identities, and what happens where the GAN begins."""

import csv
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from duels import of_logits
from hydra.utils import instantiate
from omegaconf import OmegaConf
from small import batch_of, composed, small, trained
from test_resume import Killed, assert_same_run, kill_at, last, same
from torch import nn
from torch.nn.functional import softplus

from gantool.build import build
from gantool.checkpoint import read
from gantool.init_from import begin
from gantool.layers.enlarge import steps
from gantool.losses.relativistic_average import RelativisticAverage
from gantool.models import esrgan, srgan
from gantool.schedules import Phases, Steps, Switch
from gantool.summary import parameters

MODELS = ("srresnet", "srgan", "esrgan")


def generator(model: str, **settings: Any) -> nn.Module:
    given = {"width": 4, "source_channels": 3, "channels": 3, "scale": 4, "blocks": 1, **settings}
    return (esrgan if model == "esrgan" else srgan).Generator(**given).eval()


# Networks


@pytest.mark.parametrize(
    ("model", "resolution", "of_G", "of_D"),
    [
        ("srresnet", 96, 1_547_350, 1),
        ("srgan", 96, 1_547_350, 23_563_649),
        ("esrgan", 128, 16_697_987, 14_499_401),  # XPixelGroup/BasicSR
    ],
)
def test_networks_have_the_published_numbers_of_parameters(model: str, resolution: int, of_G: int, of_D: int):
    chosen = [f"data.resolution={resolution}", "data.scale=4", "data.channels=3"]
    with torch.device("meta"):
        task = instantiate(composed(f"model={model}", "data=superres", *chosen).task, _convert_="all")
    assert (parameters(task.G), parameters(task.D)) == (of_G, of_D)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("model", ["srgan", "esrgan"])
@torch.no_grad()
def test_images_of_any_size_become_exactly_scale_times_larger(model: str, scale: int):
    G = generator(model, scale=scale)
    for height, width in ((1, 1), (5, 7), (6, 4)):
        assert G(torch.zeros(2, 3, height, width)).shape == (2, 3, scale * height, scale * width)


@pytest.mark.parametrize("scale", [0, 5, 6, 2.0])
def test_a_scale_that_no_steps_lead_to_is_refused(scale: Any):
    with pytest.raises(ValueError, match=f"data.scale={scale}.*2, 3, 4 or 8"):
        steps(scale)


@torch.no_grad()
def test_what_is_far_away_does_not_matter_to_a_generator():
    """Large images may be enlarged in tiles: SRResNet of one block sees 4 + 3 + 1 + 2 pixels around each."""
    G = generator("srgan", scale=2)
    image = torch.rand(1, 3, 40, 24)
    alone = G(image[:, :, :32])
    torch.testing.assert_close(G(image)[:, :, :40], alone[:, :, :40])


def test_pixel_shuffle_lays_four_channels_out_row_by_row():
    given = torch.arange(4.0).view(1, 4, 1, 1)
    assert nn.PixelShuffle(2)(given).flatten().tolist() == [0, 1, 2, 3]
    assert nn.PixelShuffle(2)(given).shape == (1, 1, 2, 2)


def test_a_residual_of_residuals_whose_last_convolutions_are_zero_changes_nothing():
    block = esrgan.Block(6, growth=3)
    for dense in block.layers:
        nn.init.zeros_(dense.convolutions[-1].weight)  # pyright: ignore
    x = torch.randn(2, 6, 5, 5)
    torch.testing.assert_close(block(x), x + 0.2 * x, atol=1e-6, rtol=0)
    assert torch.equal(block.layers(x), x)


def test_dense_blocks_begin_with_a_tenth_of_he_and_no_bias():
    block = esrgan.DenseBlock(64, growth=32)
    for convolution in block.convolutions:
        assert isinstance(convolution, nn.Conv2d)
        he = (2 / (convolution.in_channels * 9)) ** 0.5
        assert convolution.weight.std().item() == pytest.approx(he / 10, rel=0.03)
        assert not convolution.bias.any()  # pyright: ignore


@pytest.mark.parametrize("resolution", [4, 7, 9, 33, [24, 40], [16, 130]])
def test_discriminators_judge_images_of_any_size(resolution: Any):
    height, width = resolution if isinstance(resolution, list) else (resolution, resolution)
    for D in (srgan.Discriminator(2, 3, resolution), esrgan.Discriminator(2, 3, resolution, hidden=5)):
        assert D(torch.zeros(2, 3, height, width)).shape == (2,)


def test_srgans_dense_layer_sees_six_by_six_pixels_of_the_papers_crops():
    dense = [m for m in srgan.Discriminator(64, 3, 96).layers if isinstance(m, nn.Linear)]
    assert [layer.in_features for layer in dense] == [512 * 6 * 6, 1024]


@pytest.mark.parametrize("model", MODELS)
def test_without_a_scale_a_model_restores_pairs_of_one_size(model: str):
    cfg = composed(*small(f"model={model}"), "data=synthetic_pairs", "data.source_channels=1")
    task = instantiate(cfg.task, _convert_="all")
    batch = batch_of(cfg, 2)
    assert batch["source"].shape[1] == 1
    assert task.generate(task.G, batch)["fake"].shape == batch["target"].shape


# The loss of ESRGAN


def test_the_relativistic_average_is_two_log_two_where_all_logits_are_equal():
    equal = torch.full((4,), 3.0)
    for side in (RelativisticAverage().discriminator, RelativisticAverage().generator):
        assert side(of_logits(equal, equal)).item() == pytest.approx(2 * log(2))


def test_the_relativistic_average_knows_no_level():
    real, fake = torch.randn(5), torch.randn(5)
    for side in (RelativisticAverage().discriminator, RelativisticAverage().generator):
        torch.testing.assert_close(side(of_logits(real, fake)), side(of_logits(real + 7, fake + 7)))


def test_g_minimises_what_d_does_with_the_sides_swapped():
    real, fake = torch.randn(5), torch.randn(6)
    loss = RelativisticAverage()
    torch.testing.assert_close(
        loss.generator(of_logits(real, fake)), loss.discriminator(of_logits(fake, real))
    )


def test_d_takes_the_mean_of_the_other_side_for_a_constant_and_g_does_not():
    real, fake = (torch.randn(5, dtype=torch.float64, requires_grad=True) for _ in "xg")
    loss = RelativisticAverage().discriminator(of_logits(real, fake))
    of_real, of_fake = torch.autograd.grad(loss, [real, fake])
    torch.testing.assert_close(of_real, -(fake.mean() - real).sigmoid().detach() / 5)
    torch.testing.assert_close(of_fake, (fake - real.mean()).sigmoid().detach() / 5)

    (whole,) = torch.autograd.grad(RelativisticAverage().generator(of_logits(real, fake)), fake)
    second = softplus(real.mean() - fake).mean()
    (alone,) = torch.autograd.grad(second, fake)
    through_the_mean = -(real - fake.mean()).sigmoid().mean().detach() / 5
    torch.testing.assert_close(whole, alone + through_the_mean)


# Phases


def test_steps_multiply_at_each_of_their_images():
    rate = Steps(1.0, 0.5, [10, 30])
    assert [rate(images) for images in (0, 9, 10, 29, 30, 1000)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_in_the_second_phase_time_begins_anew():
    plan = Phases(first=3.0, second=Steps(1.0, 0.5, [10]), images=100)
    assert [plan(images) for images in (0, 99, 100, 109, 110)] == [3, 3, 1, 1, 0.5]
    assert [Phases(3.0, Switch(1, 2, 5), images=0)(images) for images in (0, 4, 5)] == [1, 1, 2]


def test_the_published_rates_are_the_defaults():
    of_srgan = instantiate(composed("experiment=srgan_x4").optimizer.lr)
    assert [of_srgan(millions * 1_000_000) for millions in (0, 15, 16, 17, 18)] == pytest.approx(
        [1e-4, 1e-4, 1e-4, 1e-4, 1e-5]
    )
    of_esrgan = instantiate(composed("experiment=esrgan_x4").optimizer.lr)
    assert [of_esrgan(int(millions * 1e6)) for millions in (0, 4, 15, 16, 17, 18, 20, 22)] == pytest.approx(
        [2e-4, 1e-4, 1.25e-5, 1e-4, 5e-5, 2.5e-5, 1.25e-5, 6.25e-6]
    )


def weights(checkpoint: dict[str, Any], player: str) -> dict[str, Any]:
    named = checkpoint["state_dict"].items()
    return {name: value for name, value in named if name.startswith(f"task.{player}.")}


@pytest.mark.parametrize("model", ["srgan", "esrgan"])
def test_d_begins_to_move_where_the_gan_begins_and_adam_forgets(model: str, tmp_path: Path):
    """8 images are an iteration: after the third one, the GAN has played once."""
    plan = [f"model={model}", "pretrain=16", "images=24", "milestone_every=8", "log_every=1", "ema=0"]
    plan += ["data.hold_out=0"]  # nor rows of evaluations
    assert trained(tmp_path, *plan) == 0
    before, after = (read(tmp_path / "checkpoints" / name) for name in ("000000016.ckpt", "last.ckpt"))
    first = build(OmegaConf.create(before["gantool"]["config"])).state_dict()  # pyright: ignore
    for name, value in weights(before, "D").items():
        assert torch.equal(value, first[name]), name
    assert not same(weights(before, "D"), weights(after, "D"))

    of_D, of_G = (
        [checkpoint["optimizer_states"][player] for checkpoint in (before, after)] for player in (0, 1)
    )
    assert not of_D[0]["state"]
    assert {int(state["step"]) for state in of_D[1]["state"].values()} == {1}
    assert {int(state["step"]) for state in of_G[0]["state"].values()} == {2}
    assert {int(state["step"]) for state in of_G[1]["state"].values()} == {1}

    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    played = [bool(row["D/adversarial"]) for row in rows]
    assert played == [False, False, True]


@pytest.mark.parametrize("killed_before", [2, 3])
def test_a_run_killed_around_its_second_phase_resumes_bit_for_bit(
    killed_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plan = ["model=srgan", "pretrain=16", "images=40", "checkpoint_every=8"]
    trained(tmp_path / "whole", *plan)
    with monkeypatch.context() as patched:
        kill_at(killed_before, patched)
        with pytest.raises(Killed):
            trained(tmp_path / "killed", *plan)
    trained(tmp_path / "killed", *plan, "resume=auto")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def test_srgan_starts_from_srresnet_with_a_d_of_its_own(tmp_path: Path):
    trained(tmp_path, "model=srresnet", "images=8")
    cfg = composed(*small("model=srgan", "pretrain=0"))
    OmegaConf.resolve(cfg)
    gan = build(cfg)
    fresh = {name: value.clone() for name, value in gan.task.D.state_dict().items()}
    begin(gan, tmp_path / "checkpoints" / "last.ckpt", OmegaConf.to_container(cfg))  # pyright: ignore
    assert same(dict(gan.task.D.state_dict()), fresh)
    stored = last(tmp_path)["state_dict"]
    for name, value in gan.task.G.state_dict().items():
        assert torch.equal(value, stored[f"task.G.{name}"])


def test_srresnet_refuses_a_loss_that_asks_its_d():
    cfg = composed(*small("model=srresnet", "loss=srgan", "+perceptual.weights=random"))
    OmegaConf.resolve(cfg)
    with pytest.raises(ValueError, match="tells no image from another.*loss=mean_squared_error"):
        build(cfg)
