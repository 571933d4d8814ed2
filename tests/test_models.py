"""Networks: the papers' parameter counts, shapes at every size, and what surrounds the last layers."""

from functools import partial

import pytest
import torch
from hydra.utils import instantiate
from small import MODELS, TRANSLATORS, batch_of, composed, data_of
from torch import nn

from gantool.layers.maxout import Maxout
from gantool.layers.norm import norm
from gantool.layers.residual import DownBlock, UpBlock
from gantool.layers.resolution import halvings
from gantool.models import cgan, dcgan, vanilla, wgan_gp
from gantool.summary import parameters


@pytest.mark.parametrize(
    ("overrides", "of_G", "of_D"),
    [
        # pytorch/examples, dcgan/main.py
        (["model=dcgan", "data.resolution=64", "data.channels=3"], 3_576_704, 2_765_568),
        (["model=dcgan", "data.resolution=64", "data.channels=1"], 3_574_656, 2_763_520),
        (["model=lsgan", "data.resolution=64", "data.channels=3"], 3_576_704, 2_765_568),
        # martinarjovsky/WassersteinGAN, models/dcgan.py
        (["model=wgan", "data.resolution=64", "data.channels=3"], 3_576_704, 2_765_568),
        # igul222/improved_wgan_training, gan_cifar_resnet.py
        (["model=wgan_gp", "data.resolution=32", "data.channels=3"], 1_204_483, 1_053_825),
        # goodfeli/adversarial, mnist.yaml
        (["model=vanilla", "data.resolution=28", "data.channels=1"], 2_503_984, 1_231_441),
        # Mirza & Osindero (2014), section 4.1
        (["model=cgan", "data.resolution=28", "data.channels=1"], 972_784, 1_224_351),
    ],
    ids=lambda value: value[0] + "-" + value[2] if isinstance(value, list) else "",
)
def test_parameter_counts_are_the_published_ones(overrides: list[str], of_G: int, of_D: int):
    cfg = composed("data=mnist", *overrides)
    task = instantiate(cfg.task, _convert_="all")
    assert parameters(task.G) == of_G
    assert parameters(task.D) == of_D


PATCHES = ("cyclegan", "pix2pix", "recyclegan")  # an answer for each
UNBOUNDED = (
    "began",
    "esrgan",
    "lapgan",
    "progan",
    "r3gan",
    "srgan",
    "srresnet",
    "stylegan1",
    "stylegan2",
    "stylegan2_text",
    "transgan",
)  # the papers have no tanh


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("resolution", ["16", "28", "32", "64", "[24,40]"])
def test_networks_make_and_judge_images_of_any_size_that_halves(model: str, resolution: str):
    cfg = composed(f"model={model}", data_of(model), "data.width=2", f"data.resolution={resolution}")
    task = instantiate(cfg.task, _convert_="all")
    batch = task.draw(batch_of(cfg, 3))
    height, width = cfg.data.resolution if resolution.startswith("[") else [int(resolution)] * 2
    for fake in task.generate(task.G, batch).values():
        assert fake.shape == (3, 3, height, width)
        assert model in UNBOUNDED or fake.abs().max() <= 1
    for duel in task.duels(batch):
        assert duel.real_logits.shape == duel.fake_logits.shape
        assert len(duel.real_logits) == len(duel.real)
        assert len(duel.real) == 3 * (3 if model == "recyclegan" else 1)  # whose windows have three frames
        assert duel.real_logits.ndim == (4 if model in PATCHES else 1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("model", MODELS)
def test_networks_take_any_number_of_channels(model: str, channels: int):
    cfg = composed(f"model={model}", data_of(model), "data.width=2", f"data.channels={channels}")
    task = instantiate(cfg.task, _convert_="all")
    for fake in task.generate(task.G, task.draw(batch_of(cfg, 2))).values():
        assert fake.shape == (2, channels, 16, 16)


@pytest.mark.parametrize("model", [model for model in TRANSLATORS if "superres" not in data_of(model)])
def test_the_two_sides_of_a_translation_may_have_different_channels(model: str):
    given = ["data.width=2", "data.channels=1", "data.source_channels=4"]
    cfg = composed(f"model={model}", data_of(model), *given)
    task = instantiate(cfg.task, _convert_="all")
    batch = task.draw(batch_of(cfg, 2))
    made = {name: fake.shape[1] for name, fake in task.generate(task.G, batch).items()}
    assert made in ({"fake": 1}, {"ab": 1, "ba": 4})
    for duel in task.duels(batch):
        assert duel.real_logits.shape == duel.fake_logits.shape


def test_a_128_pixel_dcgan_has_one_stage_more_and_a_28_pixel_one_starts_from_7():
    assert halvings(64) == (4, (4, 4))
    assert halvings(128) == (5, (4, 4))
    assert halvings(28) == (2, (7, 7))
    assert halvings([64, 48]) == (3, (8, 6))
    assert halvings([128, 32]) == (3, (16, 4))


@pytest.mark.parametrize(("resolution", "nearest"), [(30, "28|32"), (100, "96|104"), (6, "8"), (5, "8")])
def test_a_size_that_cannot_be_halved_is_refused_with_the_nearest(resolution: int, nearest: str):
    with pytest.raises(ValueError, match=f"data.resolution={resolution}.*nearest is ({nearest})"):
        halvings(resolution)


@pytest.mark.parametrize("resolution", [[32], [32, 32, 3], 0, [0, 4]])
def test_a_resolution_is_one_side_or_two(resolution: object):
    with pytest.raises(ValueError, match="height, width"):
        halvings(resolution)  # pyright: ignore


def test_dcgans_first_layer_of_d_and_last_of_g_have_no_batch_norm():
    G = dcgan.Generator(latent=4, width=4, channels=3, resolution=32)
    D = dcgan.Discriminator(width=4, channels=3, resolution=32)
    kinds_of_G, kinds_of_D = ([type(layer) for layer in network.layers] for network in (G, D))
    assert kinds_of_G[-2:] == [nn.ConvTranspose2d, nn.Tanh]
    assert kinds_of_D[:2] == [nn.Conv2d, nn.LeakyReLU]
    assert kinds_of_D[-2:] == [nn.Conv2d, nn.Flatten]
    assert all(layer.bias is None for layer in G.layers if isinstance(layer, nn.ConvTranspose2d))


def test_the_wgan_gp_critic_sees_each_sample_alone():
    critic = wgan_gp.Critic(width=8, channels=3, resolution=32)
    images = torch.randn(5, 3, 32, 32)
    torch.testing.assert_close(critic(images), torch.cat([critic(image[None]) for image in images]))


@pytest.mark.parametrize(("resolution", "last"), [(32, 8), (64, 8), (28, 7), (16, 8)])
def test_the_wgan_gp_critic_ends_at_eight_pixels_or_seven(resolution: int, last: int):
    critic = wgan_gp.Critic(width=2, channels=1, resolution=resolution)
    assert critic.blocks(torch.zeros(1, 1, resolution, resolution)).shape[-2:] == (last, last)


def test_changing_the_label_alone_changes_cgans_image_and_verdict():
    G = cgan.Generator(8, 10, 20, 20, channels=1, resolution=8).eval()
    D = cgan.Discriminator(10, 8, 2, 8, 2, 8, 2, channels=1, resolution=8).eval()
    z, image = torch.randn(1, 8), torch.randn(1, 1, 8, 8)
    three, seven = torch.tensor([3]), torch.tensor([7])
    assert not torch.equal(G(z, three), G(z, seven))
    assert not torch.equal(D(image, three), D(image, seven))


def test_maxout_is_the_largest_of_its_linear_pieces():
    layer = Maxout(3, units=2, pieces=5)
    x = torch.randn(4, 3)
    pieces = layer.linear(x)
    expected = torch.stack([pieces[:, :5].max(1).values, pieces[:, 5:].max(1).values], 1)
    torch.testing.assert_close(layer(x), expected)


def test_maxout_is_convex():
    layer = Maxout(3, units=8, pieces=5)
    x, y = torch.randn(50, 3), torch.randn(50, 3)
    assert (layer((x + y) / 2) <= (layer(x) + layer(y)) / 2 + 1e-6).all()


def test_vanilla_looks_at_pixels_between_zero_and_one():
    D = vanilla.Discriminator(4, 2, channels=1, resolution=4).eval()
    seen: list[torch.Tensor] = []
    D.layers.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    D(torch.tensor([-1.0, 1.0])[:, None, None, None].expand(2, 1, 4, 4))
    assert seen[0].unique().tolist() == [0.0, 1.0]


def test_an_up_block_doubles_and_a_down_block_halves():
    x = torch.randn(2, 4, 6, 10)
    assert UpBlock(4, 8, partial(norm, "batch"))(x).shape == (2, 8, 12, 20)
    assert DownBlock(4, 8, "none", halve=True)(x).shape == (2, 8, 3, 5)
    assert DownBlock(4, 4, "none", halve=False)(x).shape == x.shape


def test_the_cheap_order_of_the_shortcuts_gives_the_published_numbers():
    """A 1x1 convolution commutes with nearest upsampling and with mean pooling."""
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    up, down = UpBlock(4, 8, partial(norm, "none")).double(), DownBlock(4, 8, "none", halve=True).double()
    for block in (up, down):
        nn.init.zeros_(block.conv2.weight)
        nn.init.zeros_(block.conv2.bias)  # pyright: ignore
    torch.testing.assert_close(up(x), up.shortcut(nn.functional.interpolate(x, scale_factor=2)))
    torch.testing.assert_close(down(x), nn.functional.avg_pool2d(down.shortcut(x), 2))


@pytest.mark.parametrize(("kind", "axes"), [("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("instance", (2, 3))])
def test_norms_standardise_over_their_axes(kind: str, axes: tuple[int, ...]):
    y = norm(kind, 6)(torch.randn(8, 6, 5, 5, dtype=torch.float32) * 3 + 2)
    torch.testing.assert_close(y.mean(axes), torch.zeros_like(y.mean(axes)), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(axes, unbiased=False), torch.ones_like(y.mean(axes)), atol=1e-3, rtol=0)


def test_an_unknown_norm_is_refused_with_the_choices():
    with pytest.raises(
        ValueError, match="norm=batchnorm: choose one of batch, layer, instance, plain_instance"
    ):
        norm("batchnorm", 3)


def test_no_norm_changes_nothing():
    x = torch.randn(2, 3, 4, 4)
    assert norm("none", 3)(x) is x
