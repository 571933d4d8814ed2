"""Schedules, priors, first weights and seeds."""

from functools import partial

import pytest
import torch
from torch import nn

from gantool.inits import Normal, Residual, Uniform
from gantool.models.dcgan import Discriminator
from gantool.models.wgan_gp import Generator
from gantool.optim import Recipe
from gantool.priors import Gaussian
from gantool.priors import Uniform as UniformPrior
from gantool.schedules import Cosine, Exponential, Linear, Switch, at, moves
from gantool.seeds import mix, reseed


def test_schedules_start_at_their_start_and_end_at_their_end():
    for schedule in (Linear(2.0, 0.5, 100), Cosine(2.0, 0.5, 100), Switch(2.0, 0.5, 100)):
        assert schedule(0) == pytest.approx(2.0)
        assert schedule(100) == pytest.approx(0.5)
        assert schedule(10**9) == pytest.approx(0.5)


def test_linear_and_cosine_are_halfway_at_half_time():
    assert Linear(2.0, 0.5, 100)(50) == pytest.approx(1.25)
    held = Linear(2.0, 0.5, 100, hold=0.8)
    assert [held(images) for images in (0, 80, 90, 100, 200)] == pytest.approx([2.0, 2.0, 1.25, 0.5, 0.5])
    with pytest.raises(ValueError, match=r"hold=1\.0"):
        Linear(2.0, 0.5, 100, hold=1.0)
    assert Cosine(2.0, 0.5, 100)(50) == pytest.approx(1.25)


def test_an_exponential_halves_every_half_life_and_stops_at_its_floor():
    schedule = Exponential(0.1, half_life=1000, floor=0.01)
    assert schedule(1000) == pytest.approx(0.05)
    assert schedule(3000) == pytest.approx(0.0125)
    assert schedule(10**7) == 0.01


def test_the_first_gans_learning_rate_falls_by_its_factor_per_hundred_images():
    """goodfeli/adversarial divides by 1.000004 after each batch of 100."""
    schedule = Exponential(0.1, half_life=17_328_714)
    assert schedule(100) / schedule(0) == pytest.approx(1 / 1.000004, rel=1e-12)


def test_a_list_is_scheduled_element_by_element():
    betas = [0.0, Linear(0.9, 0.99, 100)]
    assert moves(betas)
    assert at(betas, 100) == [0.0, 0.99]
    assert not moves([0.0, 0.9])


def test_an_optimizers_settings_follow_their_schedules():
    recipe = Recipe(partial(torch.optim.Adam, lr=Linear(1.0, 0.0, 100), betas=[0, Linear(0.9, 0.99, 100)]))
    optimizer = recipe.optimizer([nn.Parameter(torch.zeros(1))])
    assert optimizer.param_groups[0]["lr"] == 1.0
    recipe.anneal(optimizer, 50)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["betas"] == pytest.approx((0.0, 0.945))


def test_gaussian_latents_are_standard_normal():
    torch.manual_seed(0)
    z = Gaussian(100)(5000, torch.device("cpu"))
    assert z.shape == (5000, 100)
    assert z.mean().abs() < 0.01
    assert (z.var() - 1).abs() < 0.01


def test_uniform_latents_fill_their_interval():
    torch.manual_seed(0)
    z = UniformPrior(100)(5000, torch.device("cpu"))
    assert -1 <= z.min() < -0.999
    assert 0.999 < z.max() <= 1
    assert (z.var() - 1 / 3).abs() < 0.01  # of U(-1, 1)


def test_normal_init_has_dcgans_statistics():
    torch.manual_seed(0)
    D = Discriminator(width=64, channels=3, resolution=64)
    Normal(0.02)(D)
    weights = torch.cat([m.weight.flatten() for m in D.modules() if isinstance(m, nn.Conv2d)])
    gains = torch.cat([m.weight for m in D.modules() if isinstance(m, nn.BatchNorm2d)])
    assert weights.mean().abs() < 1e-4
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert gains.mean().item() == pytest.approx(1.0, abs=0.005)
    assert gains.std().item() == pytest.approx(0.02, rel=0.1)
    assert all((m.bias == 0).all() for m in D.modules() if isinstance(m, nn.BatchNorm2d))


def test_uniform_init_stays_within_its_bound():
    layer = nn.Linear(100, 100)
    Uniform(0.05)(layer)
    assert 0.049 < layer.weight.abs().max() <= 0.05
    assert (layer.bias == 0).all()


def test_residual_init_has_gain_root_two_inside_blocks_only():
    """Glorot's variance is 2 / (fan in + fan out), times 2 inside blocks."""
    torch.manual_seed(0)
    G = Generator(latent=128, width=128, channels=3, resolution=32)
    Residual()(G)
    block = G.blocks[0]
    assert block.conv1.weight.var().item() == pytest.approx(2 * 2 / (2 * 128 * 9), rel=0.03)  # pyright: ignore
    assert block.shortcut.weight.var().item() == pytest.approx(2 / (2 * 128), rel=0.03)  # pyright: ignore
    assert G.output.weight.var().item() == pytest.approx(2 / ((128 + 3) * 9), rel=0.06)
    assert G.linear.weight.var().item() == pytest.approx(2 / (128 + 2048), rel=0.03)


def test_seeds_differ_by_every_part_and_by_their_order():
    seeds = {mix(a, b, word) for a in range(20) for b in range(20) for word in ("order", "samples")}
    assert len(seeds) == 800
    assert mix(1, 2) != mix(2, 1)
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_reseeding_repeats_the_same_numbers_whatever_was_drawn_before():
    device = torch.device("cpu")
    reseed(device, 1, 2)
    first = torch.randn(5)
    torch.randn(1000)
    reseed(device, 1, 2)
    assert torch.equal(torch.randn(5), first)
