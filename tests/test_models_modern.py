"""R3GAN and TransGAN: counts and recipes as published, what holds at the first step, their layers."""

from functools import partial
from math import log, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from small import composed, trained
from torch import Tensor, nn

from gantool.checkpoint import load
from gantool.duel import Duel
from gantool.layers.tapered import widths_of
from gantool.losses.adversarial import RelativisticPairing
from gantool.losses.drift import MeanDrift
from gantool.losses.penalties import GradientPenalty
from gantool.models import r3gan, transgan
from gantool.optim import Recipe
from gantool.schedules import at
from gantool.summary import parameters
from gantool.tasks.generation import Generation


def task_of(*overrides: str) -> Any:
    return instantiate(composed(*overrides).task, _convert_="all")


def duel_of(task: Any, reals: Tensor, label: Tensor | None = None) -> Duel:
    batch = task.draw({"image": reals} | ({} if label is None else {"label": label}))
    return task.duels(batch)[0]


# Counts: brownvc/R3GAN, training presets; VITA-Group/TransGAN, ViT_custom_rp and ViT_custom_scale2_rp_noise.


@pytest.mark.parametrize(
    ("overrides", "of_G", "of_D"),
    [
        (["experiment=r3gan_cifar10"], 20_781_952, 21_280_512),
        (["model=r3gan", "data=cifar10"], 20_732_160, 20_683_776),
        (["experiment=r3gan_ffhq64"], 22_429_824, 22_381_440),
        (["experiment=r3gan_ffhq256"], 23_057_952, 23_009_568),
        (["experiment=r3gan_imagenet32", "data.classes=1000"], 82_914_304, 86_548_992),
        (["experiment=r3gan_imagenet64", "data.classes=1000"], 103_570_432, 107_205_120),
        (["experiment=transgan_cifar10"], 83_312_495, 10_210_400),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_parameter_counts_are_the_published_ones(overrides: list[str], of_G: int, of_D: int):
    with torch.device("meta"):
        task = task_of(*overrides)
    assert parameters(task.G) == of_G
    assert parameters(task.D) == of_D


# R3GAN.


def test_every_residual_block_starts_as_the_identity():
    for network in (r3gan.Generator(8, 8, 3, 16), r3gan.Discriminator(8, 3, 16)):
        blocks = [module for module in network.modules() if isinstance(module, r3gan.ResidualBlock)]
        assert len(blocks) == 2 * 3
        for block in blocks:
            x = torch.randn(2, 8, 5, 5)
            assert torch.equal(block(x), x)


def test_with_equal_verdicts_both_players_lose_ln_2():
    loss = RelativisticPairing()
    x = torch.randn(4, 3, 16, 16)
    D = r3gan.Discriminator(4, 3, 16)
    duel = Duel(nn.Identity(), D, x, x, x)
    assert loss.discriminator(duel).item() == pytest.approx(log(2))
    assert loss.generator(duel).item() == pytest.approx(log(2))


def test_pairs_matter_other_fakes_for_the_same_reals_are_another_loss():
    loss = instantiate(composed("model=r3gan").loss.adversarial)
    real, fake = torch.tensor([3.0, -3.0]), torch.tensor([1.0, -1.0])
    one = loss.discriminator(Duel(nn.Identity(), nn.Identity(), fake, real, fake))
    other = loss.discriminator(Duel(nn.Identity(), nn.Identity(), fake, real, fake.flip(0)))
    assert abs(one.item() - other.item()) > 0.1


def test_both_penalties_are_there_and_of_one_weight():
    loss = instantiate(composed("model=r3gan").loss, _convert_="all")
    weights = [at(term.weight, 10_000_000) for term in loss.terms_of("D").values()]
    assert loss.terms_of("D").keys() == {"r1", "r2"}
    assert weights[0] == weights[1] == pytest.approx((0.05 + 0.005) / 2)


ENDPOINTS = {
    "r3gan_cifar10": (512, 20e6, 0.05, 0.005, 5e6, 0.55),
    "r3gan_ffhq64": (256, 20e6, 2.0, 0.2, 5e5, 0.3),
    "r3gan_ffhq256": (256, 20e6, 150.0, 15.0, 5e5, 0.3),
    "r3gan_imagenet32": (4096, 200e6, 0.5, 0.05, 50e6, 0.5),
    "r3gan_imagenet64": (4096, 200e6, 1.0, 0.1, 50e6, 0.4),
}


@pytest.mark.parametrize("experiment", ENDPOINTS)
def test_r3gans_schedules_begin_and_end_as_published(experiment: str):
    batch, length, gamma, last_gamma, half_life, p = ENDPOINTS[experiment]
    cfg = composed(f"experiment={experiment}")
    assert cfg.batch_size == cfg.generator_batch_size == batch
    assert cfg.data.mirror
    length = int(length)
    loss = instantiate(cfg.loss, _convert_="all")
    ema = instantiate(cfg.ema)
    augment = instantiate(cfg.augment.r3gan, _convert_="all")
    recipe = Recipe(instantiate(cfg.optimizer.D, _convert_="all"))
    optimizer = recipe.optimizer([nn.Parameter(torch.zeros(1))])
    for images, lr, beta, expected_gamma, expected_half_life, expected_p in (
        (0, 2e-4, 0.9, gamma, 0.0, 0.0),
        (length // 2, 1.25e-4, 0.945, (gamma + last_gamma) / 2, half_life / 2, p / 2),
        (length, 5e-5, 0.99, last_gamma, half_life, p),
        (5 * length, 5e-5, 0.99, last_gamma, half_life, p),
    ):
        recipe.anneal(optimizer, images)
        augment.advance(images)
        group = optimizer.param_groups[0]
        assert group["lr"] == pytest.approx(lr)
        assert group["betas"] == (0.0, pytest.approx(beta))
        assert [at(term.weight, images) for term in loss.terms_of("D").values()] == [
            pytest.approx(expected_gamma)
        ] * 2
        assert ema(images) == pytest.approx(expected_half_life)
        assert augment.p.item() == pytest.approx(expected_p)


def test_weights_start_with_the_published_deviations():
    torch.manual_seed(0)
    D = r3gan.Discriminator(192, 3, 16, classes=50)
    G = r3gan.Generator(64, 192, 3, 16, classes=50)
    gain = sqrt(2 / 1.04) * 6**-0.25  # 3 stages of 2 blocks
    block: Any = next(module for module in D.modules() if isinstance(module, r3gan.ResidualBlock))
    assert D.embedding
    assert G.embedding
    for weight, deviation in (
        (block.expand.weight, gain / sqrt(192)),
        (block.mix.weight, gain / sqrt(16 * 9)),
        (D.basis.weight, 1 / 4),
        (D.linear.weight, 1 / sqrt(192)),
        (D.embedding.weight, 1 / sqrt(50 * 192)),
        (G.embedding.weight, 1 / sqrt(50)),
        (G.basis, 1.0),
        (G.linear.weight, 1 / sqrt(128)),
    ):
        assert weight.std().item() == pytest.approx(deviation, rel=0.08)
    assert not block.contract.weight.any()
    assert block.mix.groups == 384 // 16


def test_smoothing_keeps_constants_inside_and_is_symmetric():
    image = torch.ones(1, 3, 6, 6)
    up, down = r3gan.Up(), r3gan.Down()
    torch.testing.assert_close(up(image)[:, :, 1:-1, 1:-1], torch.ones(1, 3, 10, 10))
    torch.testing.assert_close(down(image)[:, :, 1:-1, 1:-1], torch.ones(1, 3, 1, 1))
    picture = torch.randn(2, 3, 6, 8)
    for layer in (up, down):
        torch.testing.assert_close(layer(picture.flip(3)), layer(picture).flip(3))
        torch.testing.assert_close(layer(picture.flip(2)), layer(picture).flip(2))


def test_smoothing_up_is_four_times_the_adjoint_of_smoothing_down():
    small, large = torch.randn(1, 2, 4, 5), torch.randn(1, 2, 8, 10)
    torch.testing.assert_close((r3gan.Up()(small) * large).sum(), 4 * (small * r3gan.Down()(large)).sum())


def test_widths_halve_above_32_pixels_unless_given():
    assert widths_of(768, None, (4, 4), 4, full=32) == [768] * 4
    assert widths_of(768, None, (4, 4), 7, full=32) == [768, 768, 768, 768, 384, 192, 96]
    assert widths_of(768, None, (7, 7), 3, full=32) == [768] * 3
    assert widths_of(768, None, (6, 4), 5, full=32) == [768, 768, 768, 384, 192]
    assert widths_of(1, None, (4, 4), 6, full=32) == [1] * 6
    assert widths_of(768, [1, 2, 3], (4, 4), 3, full=32) == [1, 2, 3]
    with pytest.raises(ValueError, match="3 stages, of 4x6, 8x12, 16x24 pixels"):
        widths_of(768, [1, 2], (4, 6), 3, full=32)


def test_the_label_alone_changes_r3gans_image_and_verdict():
    G, D = r3gan.Generator(4, 4, 3, 16, classes=3), r3gan.Discriminator(4, 3, 16, classes=3)
    z, image = torch.randn(1, 4), torch.randn(1, 3, 16, 16)
    zero, two = torch.tensor([0]), torch.tensor([2])
    assert not torch.equal(G(z, zero), G(z, two))
    assert not torch.equal(D(image, zero), D(image, two))


def test_labels_for_a_network_without_and_none_for_one_with_are_refused_with_the_cure():
    with pytest.raises(ValueError, match="knows no labels.*task.conditional=true"):
        r3gan.Generator(4, 4, 3, 16)(torch.randn(1, 4), torch.tensor([0]))
    with pytest.raises(ValueError, match="needs labels.*classes=0"):
        r3gan.Discriminator(4, 3, 16, classes=3)(torch.randn(1, 3, 16, 16))


def test_r3gan_trains_with_labels(tmp_path: Path):
    overrides = ("model=r3gan", "task.conditional=true", "model.G.classes=${data.classes}", "images=16")
    assert trained(tmp_path, *overrides) == 0
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    assert isinstance(gan.task, Generation)
    assert gan.task.G.embedding.num_embeddings == 10  # pyright: ignore


# TransGAN.


def test_tokens_number_64_256_1024_and_shuffling_pixels_quarters_their_channels():
    with torch.device("meta"):
        G = transgan.Generator(256, 64, 3, 32)
    assert [height * width for height, width in G.sizes] == [64, 256, 1024]
    assert G.widths == [1024, 256, 64]
    assert [len(list(stage.children())) for stage in G.stages] == [5, 4, 2]
    h = torch.randn(2, 64, 1024)
    assert G.enlarged(h, 1).shape == (2, 256, 256)


def test_pixels_are_shuffled_not_changed():
    G = transgan.Generator(4, 1, 3, 32)
    h = torch.randn(2, 64, 16)
    enlarged = G.enlarged(h, 1)
    assert torch.equal(enlarged.flatten().sort().values, h.flatten().sort().values)
    assert torch.equal(enlarged[:, 0, 0], h[:, 0, 0])  # of the first token the first channel of four
    assert torch.equal(enlarged[:, 1, 0], h[:, 0, 1])


def test_attention_without_bias_is_the_textbooks():
    layer = transgan.Attention(8, None, noisy=False)
    x = torch.randn(2, 5, 8)
    query, key, value = layer.tokens(x).chunk(3, 2)
    heads = [
        torch.nn.functional.scaled_dot_product_attention(q, k, v)
        for q, k, v in zip(query.split(2, 2), key.split(2, 2), value.split(2, 2), strict=True)
    ]
    torch.testing.assert_close(layer(x), layer.output(torch.cat(heads, 2)))


def test_the_relative_bias_depends_on_the_offset_of_query_and_key_alone():
    height, width = 3, 4
    bias = torch.arange(2.0 * 5 * 7).view(2, 5, 7)
    table = transgan.relative(bias, (height, width))
    assert table.shape == (2, 12, 12)
    for query in range(12):
        for key in range(12):
            down, right = query // width - key // width, query % width - key % width
            assert torch.equal(table[:, query, key], bias[:, down + height - 1, right + width - 1])


def test_large_maps_are_attended_to_in_windows_of_16():
    assert transgan.window_of((32, 32)) == (32, 32)
    assert transgan.window_of((24, 40)) == (24, 40)
    assert transgan.window_of((64, 64)) == (16, 16)
    assert transgan.window_of((48, 80)) == (16, 16)
    assert transgan.window_of((36, 36)) == (12, 12)
    block = transgan.Block(4, (48, 32))
    x = torch.randn(1, 48, 32, 4)
    changed = x.clone()
    changed[:, 20, 5, 0] += 5  # of one channel: layer norm removes what all share
    one, other = (block(tokens.flatten(1, 2)).view(1, 48, 32, 4) for tokens in (x, changed))
    moved = (one != other).any(3)[0]
    assert moved[16:32, :16].all()  # its window
    assert not moved[:16].any()
    assert not moved[:, 16:].any()


def test_without_strength_the_critics_noise_changes_nothing_and_it_sees_each_sample_alone():
    D = transgan.Discriminator(4, 3, 32)
    images = torch.randn(3, 3, 32, 32)
    assert torch.equal(D(images), D(images))
    torch.testing.assert_close(D(images), torch.cat([D(image[None]) for image in images]))
    for module in D.modules():
        if isinstance(module, transgan.Attention):
            assert module.strength is not None
            nn.init.ones_(module.strength)
    assert not torch.equal(D(images), D(images))


def test_the_critic_looks_at_patches_of_2_and_4_pixels():
    with torch.device("meta"):
        D: Any = transgan.Discriminator(64, 3, 32)
    assert (D.fine.kernel_size, D.fine.out_channels) == ((2, 2), 288)
    assert (D.coarse.kernel_size, D.coarse.out_channels) == ((4, 4), 96)
    assert D.fine_positions.shape == (1, 256, 288)
    assert D.positions.shape == (1, 64, 384)


def test_transgans_recipe_is_the_published_one():
    cfg = composed("experiment=transgan_cifar10")
    assert (cfg.n_critic, cfg.batch_size, cfg.generator_batch_size, cfg.clip) == (4, 64, 128, 5.0)
    assert (cfg.optimizer.lr, list(cfg.optimizer.betas)) == (1e-4, [0.0, 0.99])
    assert set(cfg.augment.diffaug.policy) == {"translation", "cutout", "color"}
    assert (cfg.loss.D.penalty.weight, cfg.loss.D.penalty.phi, cfg.loss.D.drift.weight) == (10.0, 1.0, 1e-3)
    ema = instantiate(cfg.ema)
    assert (ema(0), ema(1_000_000), ema(5_000_000), ema(50_000_000)) == (0.0, 100_000, 500_000, 500_000)
    assert cfg.images == 500_000 * cfg.n_critic * cfg.batch_size


class Plane(nn.Module):
    """C(x) = w . x + b."""

    def __init__(self, weight: list[float], bias: float):
        super().__init__()
        self.weight, self.bias = torch.tensor(weight), bias

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight + self.bias


@pytest.mark.parametrize(("phi", "expected"), [(1.0, 16.0), (5.0, 0.0), (2.5, 1.0)])
def test_the_targeted_penalty_of_a_plane_is_its_relative_miss_squared(phi: float, expected: float):
    x = torch.randn(4, 1, 1, 2)
    duel = Duel(nn.Identity(), Plane([3.0, 4.0], 0.0), x, x, torch.randn(4, 1, 1, 2))
    assert GradientPenalty(phi=phi)(duel).item() == pytest.approx(expected, abs=1e-5)


def test_drift_is_the_square_of_the_mean_of_the_logits_of_reals():
    real = torch.tensor([1.0, 3.0, -1.0, 5.0])[:, None]
    duel = Duel(nn.Identity(), Plane([2.0], 1.0), real, real, torch.zeros(4, 1))
    assert MeanDrift()(duel).item() == pytest.approx(5.0**2)


def test_a_slope_of_nothing_is_refused():
    with pytest.raises(ValueError, match="phi=0"):
        GradientPenalty(phi=0.0)


# Both.


@pytest.mark.parametrize("model", ["r3gan", "transgan"])
def test_augmentation_stands_before_d_in_both_players_turns(model: str):
    cfg = composed(f"model={model}", "data=synthetic", "data.width=4")
    assert list(cfg.augment) == ["r3gan" if model == "r3gan" else "diffaug"]
    task = instantiate(cfg.task, _convert_="all")
    duel = duel_of(task, torch.randn(2, 3, 16, 16))
    duel.augment = instantiate(cfg.augment[list(cfg.augment)[0]], _convert_="all")
    duel.augment.advance(20_000_000)
    duel.key = torch.tensor([1, 2])
    assert not torch.equal(duel.real_view, duel.real)
    assert not torch.equal(duel.fake_view, duel.fake)
    assert duel.fake_view.grad_fn is not None


@pytest.mark.parametrize("build", [partial(r3gan.Discriminator, 4, 3), partial(transgan.Discriminator, 4, 3)])
def test_the_penalty_has_a_gradient_to_every_weight_that_acts(build: Any):
    D = build(16)
    for parameter in D.parameters():
        nn.init.normal_(parameter, std=0.3)
    image = torch.randn(2, 3, 16, 16, requires_grad=True)
    (slope,) = torch.autograd.grad(D(image).sum(), image, create_graph=True)
    slope.square().sum().backward()
    for name, parameter in D.named_parameters():
        if parameter.ndim > 1:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name
