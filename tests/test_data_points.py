"""Points of the plane and stacked digits: where their modes lie, and how they travel and are drawn."""

from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from PIL import Image
from small import composed
from test_data_sets import offline, write_mnist  # noqa: F401  # a fixture
from torch import Tensor

from gantool import clouds
from gantool.callbacks.samples import Samples
from gantool.data.module import ImageData, in_range, to_range
from gantool.data.points import Points, grid, ring, swiss_roll
from gantool.data.stacked_mnist import Stacked, stacked_mnist
from gantool.models import mlp
from gantool.summary import parameters

NAMES = ("ring", "grid", "swiss_roll")


def compose(*overrides: str) -> Any:
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        return hydra.compose("data_check", overrides=list(overrides)).data


def everything(images: Any) -> Tensor:
    return images[range(len(images))]["image"]


@pytest.mark.parametrize("name", NAMES)
def test_a_set_of_points_is_what_its_configuration_says(name: str):
    cfg = compose(f"data={name}", "data.count=1000")
    images = hydra.utils.instantiate(cfg.set)
    points = everything(images)
    assert images.shape == (cfg.channels, cfg.resolution, cfg.resolution) == (2, 1, 1)
    assert points.shape == (1000, 2, 1, 1)
    assert points.dtype == torch.float32
    assert points.abs().max() <= 1
    assert (images.classes, images.labels, cfg.classes, cfg.mirror) == (0, None, 0, False)


def test_the_ring_has_eight_different_modes_with_equal_gaps():
    modes = ring(count=10).modes
    assert modes.shape == (8, 2)
    apart = torch.cdist(modes, modes) + torch.eye(8) * 9
    neighbours = apart.min(1).values
    torch.testing.assert_close(neighbours, torch.full_like(neighbours, 2 * np.sin(np.pi / 8)))
    torch.testing.assert_close(modes.norm(dim=1), torch.ones_like(neighbours))
    torch.testing.assert_close(modes.sum(0), torch.zeros_like(modes[0]), atol=1e-12, rtol=0)


def test_the_grid_is_that_of_the_papers():
    modes = {tuple(mode) for mode in grid(count=10).modes.tolist()}
    assert modes == {(x, y) for x in (-4.0, -2.0, 0.0, 2.0, 4.0) for y in (-4.0, -2.0, 0.0, 2.0, 4.0)}


@pytest.mark.parametrize("images", [ring(count=20_000), grid(count=20_000)], ids=["ring", "grid"])
def test_points_spread_around_their_modes_by_std_and_equally(images: Points):
    points = everything(images).flatten(1).double() * images.scale
    distance, mode = torch.cdist(points, images.modes).min(1)
    K = len(images.modes)
    assert (distance.square().mean() / (2 * images.std**2) - 1).abs() < 0.03  # E r^2 = 2 std^2
    shares = torch.bincount(mode, minlength=K) / len(points)
    assert (shares - 1 / K).abs().max() < 5 * (1 / K / len(points)) ** 0.5


def test_without_noise_the_roll_lies_on_the_spiral_of_archimedes():
    roll = everything(swiss_roll(noise=0.0, count=500)).flatten(1).double() * 15.5
    t = roll.norm(dim=1)
    assert t.min() >= 1.5 * np.pi - 1e-5
    assert t.max() <= 4.5 * np.pi + 1e-5
    torch.testing.assert_close(torch.stack([t.cos(), t.sin()], 1) * t[:, None], roll, atol=1e-4, rtol=0)


def test_points_depend_on_nothing_but_the_seed():
    first, again, other = (everything(ring(count=50, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_scale_that_leaves_points_outside_is_refused_with_one_that_does_not():
    with pytest.raises(ValueError, match=r"data\.scale=1.0: points lie up to 1\.\d+ .* use 1\.\d or more"):
        ring(scale=1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ring(modes=0), r"data\.modes=0"),
        (lambda: grid(side=0), r"data\.side=0"),
        (lambda: grid(std=-1.0), r"data\.std=-1"),
        (lambda: swiss_roll(noise=-1.0), r"data\.noise=-1"),
        (lambda: ring(count=0), r"data\.count=0"),
    ],
)
def test_impossible_numbers_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_points_pass_the_data_module_unchanged():
    images = grid(count=3000)
    data = ImageData(images, batch_size=4, seed=0)
    assert torch.equal(in_range(images[[3, 1]], torch.float32)["image"], images[[3, 1]]["image"])
    assert torch.equal(to_range(images[[5]]["image"], torch.float64), images[[5]]["image"].double())
    assert len(data.preview(64)["image"]) == clouds.COUNT
    assert len(data.preview(2500)["image"]) == 2500


def test_the_toy_networks_of_wgan_gp_have_their_parameters():
    """512 x 3, 2-d latents: igul222/improved_wgan_training, gan_toy.py."""
    cfg = composed("model=mlp", "data=ring", "data.width=512", "model.G.slope=0")
    task = hydra.utils.instantiate(cfg.task, _convert_="all")
    assert (parameters(task.G), parameters(task.D)) == (527_874, 527_361)


def test_batch_norm_adds_a_gain_and_a_bias_to_each_hidden_unit_of_g():
    plain, normed = (mlp.Generator(2, 3, 7, 2, 1, norm=norm) for norm in ("none", "batch"))
    assert parameters(normed) - parameters(plain) == 2 * 3 * 7


def test_a_generator_of_points_may_leave_the_square_and_one_of_images_may_not():
    for data, most in (("ring", torch.inf), ("synthetic", 1.0)):
        cfg = composed("model=mlp", f"data={data}")
        G = hydra.utils.instantiate(cfg.task, _convert_="all").G
        with torch.no_grad():
            fake = G(1e4 * torch.randn(64, 2))
        assert (fake.abs().max() > 1) == (most > 1)


def test_networks_without_layers_or_with_an_unknown_norm_are_refused():
    with pytest.raises(ValueError, match="layers=0"):
        mlp.Discriminator(0, 4, 2, 1)
    with pytest.raises(ValueError, match="norm=layer: choose one of none, batch"):
        mlp.Generator(2, 3, 4, 2, 1, norm="layer")


def test_a_cloud_shows_a_point_where_it_lies_with_y_upwards():
    point = torch.tensor([0.5, 0.9]).view(1, 2, 1, 1)
    picture = clouds.cloud(point, point).astype(int)
    [rows, columns] = (picture != 255).any(2).nonzero()
    middle = lambda share: (share / clouds.EDGE + 1) / 2 * clouds.SIDE  # noqa: E731
    assert abs(columns.mean() - middle(0.5)) < 2
    assert abs(rows.mean() - middle(-0.9)) < 2


def test_points_far_outside_are_drawn_on_the_edge():
    lost = torch.tensor([[50.0, 0.0], [-torch.inf, 0.0]]).view(2, 2, 1, 1)
    [_, columns] = (clouds.cloud(lost, lost) != 255).any(2).nonzero()
    assert {columns.min(), columns.max()} == {0, clouds.SIDE - 1}


def test_the_dark_line_is_where_d_is_undecided():
    x = clouds.places()[:, 0].view(clouds.PLACES, clouds.PLACES)
    picture = clouds.cloud(None, torch.full((1, 2, 1, 1), 2.0), x)  # the logit is x
    rows, columns = (picture == clouds.ZERO.astype(np.uint8)).all(2).nonzero()
    assert len(rows) >= clouds.SIDE - 4
    assert abs(columns - clouds.SIDE / 2).max() <= 2


def test_level_lines_do_not_cross_a_d_that_says_the_same_of_all():
    nothing = torch.full((1, 2, 1, 1), 2.0)
    flat = clouds.cloud(None, nothing, torch.zeros(clouds.PLACES, clouds.PLACES))
    assert np.array_equal(flat, clouds.cloud(None, nothing))


@pytest.mark.parametrize("pack", [1, 3])
def test_the_landscape_of_a_discriminator_is_its_logit_at_each_place(pack: int, tmp_path: Path):
    from gantool.build import build

    cfg = composed("model=mlp", "data=ring", f"task.pack={pack}", "batch_size=6", "data.width=4")
    gan = build(cfg)
    logits = clouds.landscape(gan)
    places = clouds.places()[[0, 5, 300, -1]]
    expected = gan.task.D(torch.cat([places] * pack))
    assert logits is not None
    torch.testing.assert_close(logits.flatten()[[0, 5, 300, -1]], expected)


def test_pictures_of_points_are_clouds_over_the_reals(tmp_path: Path):
    from gantool.build import build

    gan = build(composed("model=mlp", "data=ring", "data.width=4"))
    preview = ImageData(ring(count=100), 4, 0).preview(64)
    samples = Samples(tmp_path, preview, 0, None, 0)
    samples.on_train_start(None, gan)  # pyright: ignore
    samples.write(gan)
    for name in ("real", "000000000"):
        with Image.open(tmp_path / "samples" / f"{name}.png") as picture:
            assert (picture.size, picture.mode) == ((clouds.SIDE, clouds.SIDE), "RGB")


@pytest.mark.usefixtures("offline")
def test_each_channel_of_stacked_mnist_is_a_digit_with_black_around(tmp_path: Path):
    pixels, _ = write_mnist(tmp_path / "MNIST" / "raw", 12)
    images = stacked_mnist(str(tmp_path), resolution=[32, 31], count=9)
    assert images.shape == (3, 32, 31)
    found = images[[0, 8]]["image"].numpy()
    for image, triple in zip(found, images.triples[[0, 8]], strict=True):
        for channel, place in zip(image, triple, strict=True):
            assert np.array_equal(channel[2:30, 1:29], pixels[place % 12])
            assert channel.sum() == pixels[place % 12].sum()


@pytest.mark.usefixtures("offline")
def test_stacked_mnist_holds_digits_and_triples_not_images(tmp_path: Path):
    write_mnist(tmp_path / "MNIST" / "raw", 12)
    images = stacked_mnist(str(tmp_path), resolution=28, count=5000)
    assert len(images) == 5000
    assert images.digits.nbytes == 24 * 28 * 28  # both parts of MNIST
    assert images.triples.max() == 23
    assert np.array_equal(images.triples, stacked_mnist(str(tmp_path), count=5000).triples)
    assert (images.triples != stacked_mnist(str(tmp_path), count=5000, seed=1).triples).any()
    assert len(stacked_mnist(str(tmp_path), split="test", count=5).digits) == 12
    assert (images.classes, images.labels) == (0, None)


@pytest.mark.usefixtures("offline")
def test_stacked_mnist_without_mnist_says_which_folder_to_fill(tmp_path: Path):
    cfg = compose("data=stacked_mnist", f"data.root={tmp_path}")
    with pytest.raises(Exception, match="no complete MNIST.*no network") as error:
        hydra.utils.instantiate(cfg.set)
    assert str(tmp_path / "MNIST" / "raw") in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 27}, r"data\.resolution=27: digits have 28 pixels"),
        ({"split": "valid"}, r"data\.split=valid; use all, train, test"),
        ({"count": 0}, r"data\.count=0"),
    ],
)
def test_impossible_stacks_are_refused(settings: dict[str, Any], message: str, tmp_path: Path):
    with pytest.raises(ValueError, match=message):
        stacked_mnist(str(tmp_path), **settings)


def test_stacked_mnist_is_what_its_configuration_says():
    cfg = compose("data=stacked_mnist")
    images = Stacked(np.zeros((4, 32, 32), np.uint8), np.zeros((2, 3), int))
    assert images.shape == (cfg.channels, cfg.resolution, cfg.resolution)
    assert images.classes == cfg.classes
