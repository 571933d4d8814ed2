"""What D sees images through: identities, probabilities, linearity, gradients of first and second order."""

from collections.abc import Callable
from itertools import product
from math import comb, cos, pi, sin, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from small import composed, trained
from torch import Tensor

from gantool.augment import antialias
from gantool.augment.antialias import CENTRE, SYMLET, antialiased, resampled
from gantool.augment.augment import Augment, Chain, Chance
from gantool.augment.diffaug import DiffAugment
from gantool.augment.draws import normal, whole
from gantool.augment.instance_noise import InstanceNoise
from gantool.augment.pipeline import STEPS, Pipeline
from gantool.augment.warp import mirrored, warp
from gantool.chance import keys, uniform
from gantool.checkpoint import load
from gantool.schedules import Cosine, Linear

FILES = sorted(path.stem for path in (Path(__file__).parent.parent / "conf" / "augment").glob("*.yaml"))
NAMES = [name for name in FILES if name != "apa"]  # which leaves images as they are: test_ada.py
ADAPTED = {"ada": ["augment.ada.p.start=0.5"]}  # from p = 0
CPU = torch.device("cpu")


def chance_of(key: Tensor, dtype: torch.dtype = torch.float32) -> Chance:
    return lambda purpose, *shape: uniform(key, purpose, *shape, dtype=dtype)


def chances(count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Chance:
    torch.manual_seed(seed)
    return chance_of(keys(count, CPU), dtype)


def always(value: float) -> Chance:
    """Every draw gives `value`."""
    return lambda purpose, *shape: torch.full((COUNT, *shape), value)


COUNT = 3  # of the images that `always` is for


def built(name: str) -> Augment:
    """Half-way through its schedule."""
    cfg = composed(f"augment={name}", "images=20_000_000", *ADAPTED.get(name, []))
    augment = instantiate(cfg.augment[name], _convert_="all")
    augment.advance(10_000_000)
    return augment


def every_step(p: float) -> Pipeline:
    return Pipeline(p, dict.fromkeys(STEPS, 1.0))


# All of them.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 8, 8), (3, 12, 20), (4, 9, 7), (3, 1, 1)])
def test_images_keep_their_shape_whatever_their_channels_and_size(name: str, shape: tuple[int, ...]):
    image = torch.rand(5, *shape) * 2 - 1
    seen = built(name)(image, chances(5))
    assert seen.shape == image.shape
    assert seen.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_gradient_to_the_image_and_through_it_another(name: str):
    """First and second order, against finite differences."""
    augment = built(name).double()
    image = torch.randn(2, 3, 3, 4, dtype=torch.float64, requires_grad=True)

    def twice(image: Tensor) -> Tensor:
        return augment(image, chances(2, seed=1, dtype=torch.float64)).square()

    assert torch.autograd.gradcheck(twice, image, fast_mode=True)
    assert torch.autograd.gradgradcheck(twice, image, fast_mode=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_samples_fate_hangs_on_its_key_alone(name: str):
    """So neither micro-batches nor several processes change what D sees."""
    augment = built(name)
    torch.manual_seed(0)
    image, key = torch.randn(6, 3, 8, 8), keys(6, CPU)
    whole_batch = augment(image, chance_of(key))
    for part in (slice(0, 2), slice(2, 6), slice(1, 6, 2)):
        torch.testing.assert_close(augment(image[part], chance_of(key[part])), whole_batch[part])


@pytest.mark.parametrize("name", NAMES)
def test_samples_differ_and_other_keys_do_other_things(name: str):
    augment = built(name)
    image = torch.randn(1, 3, 16, 16).expand(8, -1, -1, -1)
    seen = augment(image, chances(8))
    assert len({tuple(sample.flatten().tolist()) for sample in seen}) > 1
    assert not torch.equal(seen, augment(image, chances(8, seed=1)))


@pytest.mark.parametrize("name", NAMES)
def test_a_family_trains_behind_it_and_comes_back_from_its_checkpoint(name: str, tmp_path: Path):
    assert trained(tmp_path, f"augment=[{name}]", "images=16") == 0
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    assert isinstance(gan.augment, Chain)
    assert len(gan.augment.steps) == 1


@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_do_not_change_training_behind_it(name: str, tmp_path: Path):
    weights = []
    for micro_batch in ("null", "2"):
        folder = tmp_path / micro_batch
        assert (
            trained(folder, "model=r3gan", f"augment=[{name}]", "images=16", f"micro_batch={micro_batch}")
            == 0
        )
        gan, _ = load(folder / "checkpoints" / "last.ckpt")
        weights.append(torch.cat([value.flatten() for value in gan.task.D.parameters()]))
    torch.testing.assert_close(*weights, atol=1e-5, rtol=1e-4)


def test_several_are_applied_one_after_another_in_the_order_chosen():
    cfg = composed("augment=[instance_noise,diffaug]")
    assert list(cfg.augment) == ["instance_noise", "diffaug"]
    steps: list[Augment] = [built(name) for name in cfg.augment]
    image = torch.randn(4, 3, 8, 8)
    expected = steps[1](steps[0](image, chances(4)), chances(4))
    assert torch.equal(Chain(steps)(image, chances(4)), expected)


# Draws.


def test_normal_numbers_have_mean_0_variance_1_and_the_tails_of_a_gaussian():
    x = normal(chances(1000), "x", 200)
    assert x.mean().abs() < 4 / sqrt(x.numel())
    assert (x.var() - 1).abs() < 4 * sqrt(2 / x.numel())
    assert abs((x.abs() < 1.96).float().mean().item() - 0.95) < 0.003


def test_whole_numbers_are_equally_likely():
    x = whole(chances(50_000), "x", 5)
    assert x.unique().tolist() == [0, 1, 2, 3, 4]
    assert (torch.bincount(x.long()) / len(x) - 0.2).abs().max() < 0.01


# DiffAugment.


def test_diffaugment_in_the_middle_of_its_range_changes_nothing_but_the_square():
    image = torch.randn(COUNT, 3, 8, 8)
    middle = always(0.5)
    torch.testing.assert_close(DiffAugment(["color"])(image, middle), image)
    assert torch.equal(DiffAugment(["translation"])(image, middle), image)
    seen = DiffAugment(["cutout"])(image, middle)
    expected = image.clone()
    expected[:, :, 2:6, 2:6] = 0  # half of each side
    assert torch.equal(seen, expected)


def test_diffaugments_colours_are_moved_by_the_published_amounts():
    colour = DiffAugment(["color"])
    image = torch.randn(COUNT, 3, 8, 8)

    def only(purpose: str, value: float) -> Chance:
        return lambda asked, *shape: torch.full((COUNT, *shape), value if purpose in asked else 0.5)

    torch.testing.assert_close(colour(image, only("brightness", 0.0)), image - 0.5)
    torch.testing.assert_close(colour(image, only("brightness", 1.0)), image + 0.5)
    grey = image.mean(1, keepdim=True).expand_as(image)
    torch.testing.assert_close(colour(image, only("saturation", 0.0)), grey)
    mean = image.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(colour(image, only("contrast", 0.0)), mean + (image - mean) / 2)
    torch.testing.assert_close(colour(image, only("contrast", 1.0)), mean + (image - mean) * 1.5)


def test_saturation_is_the_identity_for_grey_images_and_opacity_is_not_recoloured():
    grey, rgba = torch.randn(COUNT, 1, 8, 8), torch.randn(COUNT, 4, 8, 8)

    def full(asked: str, *shape: int) -> Tensor:
        return torch.full((COUNT, *shape), 1.0 if "saturation" in asked else 0.5)

    torch.testing.assert_close(DiffAugment(["color"])(grey, full), grey)
    seen = DiffAugment(["color"])(rgba, chances(COUNT))
    assert torch.equal(seen[:, 3], rgba[:, 3])
    assert not torch.equal(seen[:, :3], rgba[:, :3])
    grey_alpha = torch.randn(COUNT, 2, 8, 8)
    assert torch.equal(DiffAugment(["color"])(grey_alpha, chances(COUNT))[:, 1], grey_alpha[:, 1])


def test_translation_moves_by_up_to_an_eighth_over_zeros():
    image = torch.zeros(2000, 1, 16, 24)
    image[:, :, 8, 12] = 1
    seen = DiffAugment(["translation"])(image, chances(2000))
    rows, columns = seen[:, 0].nonzero()[:, 1:].unbind(1)
    assert len(rows) == 2000
    assert rows.unique().tolist() == [6, 7, 8, 9, 10]
    assert columns.unique().tolist() == [9, 10, 11, 12, 13, 14, 15]
    assert torch.equal(seen.sum((1, 2, 3)), torch.ones(2000))
    edge = DiffAugment(["translation"])(torch.ones(500, 1, 16, 16), chances(500))
    assert set(edge.unique().tolist()) == {0.0, 1.0}


def test_cutout_takes_at_most_a_quarter_of_the_image_and_of_each_channel_the_same():
    seen = DiffAugment(["cutout"])(torch.ones(500, 3, 16, 16), chances(500))
    gone = (seen == 0).float().mean((2, 3))
    assert gone.max() == 0.25
    assert gone.min() > 0
    assert torch.equal(gone[:, 0], gone[:, 2])


def test_cutout_reaches_every_pixel():
    for side in (7, 8):
        seen = DiffAugment(["cutout"])(torch.ones(3000, 1, side, side), chances(3000))
        assert (seen == 0).any(0).all()
        assert (seen == 1).any(0).all()


@pytest.mark.parametrize("policy", [["colour"], ["color", "cut"], [], "color"])
def test_an_unknown_policy_is_refused_with_the_choices(policy: list[str]):
    with pytest.raises(ValueError, match="color, translation, cutout"):
        DiffAugment(policy)


# Instance noise.


def test_instance_noise_has_the_variance_of_its_schedule_and_ends_at_nothing():
    noise = InstanceNoise(Linear(0.4, 0.0, 1000))
    image = torch.zeros(500, 1, 16, 16)
    for images, std in ((0, 0.4), (500, 0.2), (1000, 0.0)):
        noise.advance(images)
        assert abs(noise(image, chances(500)).std().item() - std) < 0.003
    picture = torch.randn(2, 3, 4, 4)
    assert torch.equal(noise(picture, chances(2)), picture)


def test_a_negative_deviation_is_refused():
    with pytest.raises(ValueError, match="std=-0.1"):
        InstanceNoise(-0.1)


# The pipeline.


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(16, 16), (7, 12), (32, 24)])
@pytest.mark.parametrize("antialias", [False, True])
def test_at_p_0_the_pipeline_is_exactly_the_identity(channels: int, size: tuple[int, int], antialias: bool):
    image = torch.randn(8, channels, *size)
    pipeline = Pipeline(0.0, dict.fromkeys(STEPS, 1.0), antialias)
    assert torch.equal(pipeline(image, chances(8)), image)


def test_at_p_1_flips_alone_mirror_each_image_with_probability_one_half():
    image = torch.randn(1, 3, 8, 9).expand(4000, -1, -1, -1)
    seen = Pipeline(1.0, {"flip": 1.0})(image, chances(4000))
    mirrored_ = (seen == image.flip(3)).flatten(1).all(1)
    same = (seen == image).flatten(1).all(1)
    assert (mirrored_ | same).all()
    assert abs(mirrored_.float().mean().item() - 0.5) < 4 * sqrt(0.25 / 4000)


def test_at_p_a_step_of_weight_w_happens_with_probability_p_w():
    image = torch.randn(1, 3, 8, 8).expand(5000, -1, -1, -1)
    seen = Pipeline(0.5, {"brightness": 0.6})(image, chances(5000))
    changed = (seen != image).flatten(1).any(1)
    assert abs(changed.float().mean().item() - 0.3) < 4 * sqrt(0.21 / 5000)


def test_turns_before_and_after_the_stretch_happen_together_with_probability_p():
    image = torch.randn(1, 1, 8, 8).expand(5000, -1, -1, -1)
    seen = Pipeline(0.5, {"rotate": 1.0})(image, chances(5000))
    changed = (seen != image).flatten(1).any(1)
    assert abs(changed.float().mean().item() - 0.5) < 4 * sqrt(0.25 / 5000)


def test_quarter_turns_give_the_four_turned_images_exactly():
    image = torch.randn(1, 2, 6, 6)
    seen = Pipeline(1.0, {"rotate90": 1.0})(image.expand(400, -1, -1, -1), chances(400))
    turned = [image.rot90(quarters, (2, 3)) for quarters in range(4)]
    counts = [sum(torch.equal(sample[None], other) for sample in seen) for other in turned]
    assert sum(counts) == 400
    assert min(counts) > 60


def test_shifts_are_whole_pixels_of_up_to_an_eighth_over_a_mirrored_plane():
    ramp = torch.arange(16.0).expand(2000, 1, 16, 16)
    seen = Pipeline(1.0, {"shift": 1.0})(ramp, chances(2000))
    assert set((seen - ramp)[:, :, :, 8].unique().tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}
    assert set(seen[:, 0, 0, 0].unique().tolist()) == {0.0, 1.0, 2.0}


@pytest.mark.parametrize(
    ("step", "deviation"), [("scale", 0.2), ("stretch", 0.2), ("move", 1 / 8), ("shift", None)]
)
def test_geometric_steps_have_the_published_strength(step: str, deviation: float | None):
    image = torch.zeros(20_000, 1, 64, 64)[:, :, :1, :1].expand(-1, -1, 64, 64)
    inverse = Pipeline(1.0, {step: 1.0}).geometry(image, chances(20_000))
    if step in ("scale", "stretch"):
        assert deviation
        assert abs(inverse[:, 0, 0].log2().std().item() - deviation) < 0.005
        assert abs(inverse[:, 0, 0].log2().mean().item()) < 0.006
        ratio = (
            inverse[:, 0, 0] / inverse[:, 1, 1] if step == "scale" else inverse[:, 0, 0] * inverse[:, 1, 1]
        )
        torch.testing.assert_close(ratio, torch.ones(20_000))
    elif step == "move":
        assert abs(inverse[:, 0, 2].std().item() - 8) < 0.2
    else:
        assert inverse[:, 0, 2].abs().max() == 8


def test_colour_steps_have_the_published_strength():
    white = torch.ones(20_000, 1, 1, 1)
    for step, deviation in (("brightness", 0.2), ("contrast", 0.5)):
        seen = Pipeline(1.0, {step: 1.0})(white, chances(20_000)).flatten()
        measured = (seen - 1) if step == "brightness" else seen.log2()
        assert abs(measured.std().item() / deviation - 1) < 0.03
    red = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(20_000, -1, -1, -1)
    seen = Pipeline(1.0, {"saturation": 1.0})(red, chances(20_000))
    gain = (seen[:, 0] - seen[:, 1]).flatten()
    assert abs(gain.log2().std().item() - 1) < 0.03


def test_hue_and_saturation_keep_the_mean_of_the_channels_and_a_luma_flip_negates_it():
    image = torch.randn(50, 3, 4, 4)
    luma = image.mean(1)
    for step in ("hue", "saturation"):
        torch.testing.assert_close(Pipeline(1.0, {step: 1.0})(image, chances(50)).mean(1), luma)
    chroma = image.square().sum(1) - 3 * luma.square()
    turned = Pipeline(1.0, {"hue": 1.0})(image, chances(50))
    torch.testing.assert_close(turned.square().sum(1) - 3 * luma.square(), chroma, atol=1e-4, rtol=1e-4)
    flipped = Pipeline(1.0, {"luma_flip": 1.0})(image, chances(50)).mean(1)
    signs = (flipped * luma).sum((1, 2)).sign()
    assert set(signs.tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(flipped, luma * signs[:, None, None])


def test_hue_and_saturation_leave_grey_alone_in_one_channel_or_three():
    for channels in (1, 3):
        grey = torch.randn(20, 1, 4, 4).expand(-1, channels, -1, -1)
        seen = Pipeline(1.0, {"hue": 1.0, "saturation": 1.0})(grey, chances(20))
        torch.testing.assert_close(seen, grey, atol=1e-5, rtol=1e-5)


def test_a_grey_image_of_one_channel_is_recoloured_as_one_of_three():
    steps = dict.fromkeys(("brightness", "contrast", "luma_flip", "hue", "saturation"), 1.0)
    grey = torch.randn(20, 1, 4, 4)
    one, three = (Pipeline(1.0, steps)(grey.expand(-1, count, -1, -1), chances(20)) for count in (1, 3))
    torch.testing.assert_close(one.expand_as(three), three, atol=1e-5, rtol=1e-5)


def test_opacity_is_moved_with_its_colours_but_not_recoloured():
    image = torch.randn(8, 1, 8, 8).expand(-1, 4, -1, -1)
    seen = every_step(1.0)(image, chances(8))
    geometry = Pipeline(1.0, dict.fromkeys(("flip", "rotate90", "shift", "scale", "rotate"), 1.0))
    moved = geometry(image, chances(8))
    torch.testing.assert_close(moved[:, 3], moved[:, 0])
    assert not torch.allclose(seen[:, 3], seen[:, 0])
    colours = Pipeline(1.0, {"contrast": 1.0, "hue": 1.0})
    assert torch.equal(colours(image, chances(8))[:, 3], image[:, 3])


def test_a_constant_image_stays_constant_under_geometry():
    steps = dict.fromkeys(("flip", "rotate90", "shift", "scale", "rotate", "stretch", "move"), 1.0)
    image = torch.full((200, 3, 16, 10), 0.7)
    torch.testing.assert_close(Pipeline(1.0, steps)(image, chances(200)), image)


def test_cutout_is_zero_in_a_rectangle_of_half_of_each_side():
    seen = Pipeline(1.0, {"cutout": 1.0})(torch.ones(500, 2, 16, 8), chances(500))
    gone = (seen == 0).float().mean((1, 2, 3))
    assert gone.max() == 0.25
    assert gone.min() >= 1 / 16


def test_p_follows_its_schedule_and_a_constant_one_stays_where_it_is_put():
    scheduled = Pipeline(Cosine(0.0, 0.55, 20_000_000), {"flip": 1.0})
    for images, p in ((0, 0.0), (10_000_000, 0.275), (20_000_000, 0.55), (200_000_000, 0.55)):
        scheduled.advance(images)
        assert scheduled.p.item() == pytest.approx(p)
    constant = Pipeline(0.2, {"flip": 1.0})
    constant.p.fill_(0.7)
    constant.advance(1000)
    assert constant.p.item() == pytest.approx(0.7)
    assert list(constant.state_dict()) == ["p"]


def test_a_wrong_probability_or_step_is_refused():
    for p in (-0.1, 1.5):
        with pytest.raises(ValueError, match=f"p={p}"):
            Pipeline(p, {"flip": 1.0})
    with pytest.raises(ValueError, match="weights.mirror: no such step; choose from flip, rotate90"):
        Pipeline(0.5, {"mirror": 1.0})
    with pytest.raises(ValueError, match="weights.flip=2"):
        Pipeline(0.5, {"flip": 2.0})


# The warp.


@pytest.mark.parametrize("side", [1, 2, 5])
def test_places_outside_are_mirrored_at_the_outermost_pixels(side: int):
    places = torch.arange(-3 * side, 4 * side)
    folded = mirrored(places.float(), side)
    assert folded.min() == 0
    assert folded.max() == side - 1
    assert torch.equal(folded[3 * side : 4 * side], torch.arange(side))
    assert torch.equal(folded, mirrored(-places.float(), side))


def translation(x: float, y: float) -> Tensor:
    return torch.tensor([[[1.0, 0.0, x], [0.0, 1.0, y]]])


def test_half_a_pixel_aside_lies_the_mean_of_two_neighbours():
    image = torch.randn(1, 1, 4, 6)
    seen = warp(image, translation(0.5, 0.0))
    torch.testing.assert_close(seen[..., :-1], (image[..., :-1] + image[..., 1:]) / 2)
    torch.testing.assert_close(seen[..., -1], (image[..., -1] + image[..., -2]) / 2)


def test_the_warp_is_that_of_grid_sample_where_that_exists():
    torch.manual_seed(0)
    image, inverse = torch.randn(4, 3, 10, 10), torch.randn(4, 2, 3)
    theta = inverse.clone()
    theta[:, :, 2] /= 9 / 2  # from pixels to sides of 2, corners at the centres of pixels
    grid = torch.nn.functional.affine_grid(theta, [4, 3, 10, 10], align_corners=True)
    expected = torch.nn.functional.grid_sample(image, grid, padding_mode="reflection", align_corners=True)
    torch.testing.assert_close(warp(image, inverse), expected, atol=1e-4, rtol=1e-4)


def test_the_warp_is_linear_in_the_image():
    a, b, inverse = torch.randn(2, 3, 6, 6), torch.randn(2, 3, 6, 6), torch.randn(2, 2, 3)
    torch.testing.assert_close(warp(2 * a - b, inverse), 2 * warp(a, inverse) - warp(b, inverse))


def test_the_slope_of_a_discriminator_behind_a_flip_is_that_of_one_without():
    """R1 is then the same number before and after: whole-pixel geometry is an orthogonal map."""

    def slope(see: Callable[[Tensor], Tensor]) -> Tensor:
        image = torch.ones(2, 1, 4, 4, requires_grad=True)
        weight = torch.arange(16.0).view(1, 1, 4, 4)
        logits = (weight * see(image).square()).sum()
        return torch.autograd.grad(logits, image)[0].square().sum()

    flips = Pipeline(1.0, {"flip": 1.0, "rotate90": 1.0})
    torch.testing.assert_close(slope(lambda image: flips(image, chances(2))), slope(lambda image: image))


# The warp with filters.


def turned(angle: float, x: float = 0.0, y: float = 0.0, scale: float = 1.0) -> Tensor:
    cosine, sine = scale * cos(angle), scale * sin(angle)
    return torch.tensor([[[cosine, -sine, x], [sine, cosine, y]]], dtype=torch.float64)


def test_the_filter_is_the_orthogonal_one_of_six_vanishing_moments_that_is_nearest_to_symmetric():
    """Daubechies' construction: of all factors of the polynomial, those whose phase is nearest to a line."""
    order = len(SYMLET) // 2
    roots = np.roots([comb(order - 1 + power, power) for power in reversed(range(order))])
    pairs = [np.roots([1, 4 * root - 2, 1]) for root in roots]  # y = (2 - z - 1/z) / 4
    frequency = np.linspace(0.01, 0.9 * pi, 100)
    found: list[tuple[float, np.ndarray]] = []
    for factors in product(*pairs):
        taps = np.poly([*factors, *[-1] * order])
        if np.abs(taps.imag).max() > 1e-8:
            continue
        taps = taps.real * sqrt(2) / taps.real.sum()
        phase = np.unwrap(np.angle(np.exp(-1j * np.outer(frequency, np.arange(2 * order))) @ taps))
        slope = np.polyfit(frequency, phase, 1)[0]
        found.append((np.abs(phase - slope * frequency).max(), taps))
    nearest = min(found, key=lambda pair: pair[0])[1]
    assert min(np.abs(nearest - SYMLET).max(), np.abs(nearest[::-1] - SYMLET).max()) < 1e-9


def test_halving_undoes_doubling():
    image = torch.randn(2, 3, 9, 12, dtype=torch.float64)
    nowhere = turned(0.0).expand(2, -1, -1)
    torch.testing.assert_close(resampled(image, nowhere), image, atol=1e-9, rtol=0)
    assert 0 < CENTRE < 1  # between the two halves of a pixel


def test_a_line_of_brightness_stays_one_under_any_map():
    y, x = (torch.arange(40, dtype=torch.float64) - 19.5).expand(40, 40).T, torch.arange(40.0).double() - 19.5
    for slope_x, slope_y in ((1.0, 0.0), (0.0, 1.0), (-0.5, 2.0)):
        line = (slope_x * x + slope_y * y)[None, None]
        inverse = turned(0.7, 1.3, -0.4, 0.9)
        expected = slope_x * (inverse[0, 0, 0] * x + inverse[0, 0, 1] * y + inverse[0, 0, 2])
        expected = expected + slope_y * (inverse[0, 1, 0] * x + inverse[0, 1, 1] * y + inverse[0, 1, 2])
        middle = (slice(None), slice(None), slice(13, 27), slice(13, 27))
        seen = antialiased(line, inverse)
        torch.testing.assert_close(seen[middle], expected[None, None][middle], atol=1e-9, rtol=0)


def test_what_is_turned_there_and_back_has_lost_less_than_bilinear_sampling_loses():
    torch.manual_seed(0)
    image = torch.nn.functional.avg_pool2d(torch.randn(8, 3, 33, 33, dtype=torch.float64), 2, 1)
    for there, back in ((turned(0.5), turned(-0.5)), (turned(0, 0.5, 0.5), turned(0, -0.5, -0.5))):
        errors = []
        for see in (antialiased, warp):
            again = see(see(image, there.expand(8, -1, -1)), back.expand(8, -1, -1))
            errors.append((again - image)[:, :, 8:24, 8:24].square().mean())
        assert errors[0] < errors[1] / 4


def test_the_filters_keep_a_waves_amplitude_half_a_pixel_aside():
    """A wave of four pixels: bilinear sampling makes it cos(pi / 4) of what it was."""
    place = torch.arange(32, dtype=torch.float64)
    wave, moved = ((place * pi / 2 + phase).cos().expand(1, 1, 32, 32) for phase in (0.0, pi / 4))
    middle = (slice(None), slice(None), slice(8, 24), slice(8, 24))
    torch.testing.assert_close(warp(wave, turned(0, 0.5))[middle], cos(pi / 4) * moved[middle])
    assert (antialiased(wave, turned(0, 0.5)) - moved)[middle].abs().max() < 0.15


def test_shrinking_does_not_fold_fine_detail_over():
    """Stripes of two pixels, seen at half their size, have no business in the result: bilinear keeps some."""
    stripes = (1 - 2 * (torch.arange(32, dtype=torch.float64) % 2)).expand(1, 1, 32, 32)
    half = turned(0, 0.5, 0.5, scale=2.0)
    middle = (slice(None), slice(None), slice(12, 20), slice(12, 20))
    assert antialiased(stripes, half)[middle].abs().max() < 0.2
    assert warp(stripes, half)[middle].abs().min() > 0.9


def test_flips_quarter_turns_and_whole_shifts_copy_pixels_with_filters_too():
    image = torch.randn(300, 2, 6, 6)
    copies = dict.fromkeys(("flip", "rotate90", "shift"), 1.0)
    plain, filtered = (Pipeline(1.0, copies, antialias)(image, chances(300)) for antialias in (False, True))
    assert torch.equal(plain, filtered)


def test_an_accelerator_which_filters_everybody_sees_the_same(monkeypatch: pytest.MonkeyPatch):
    image, pipeline = torch.randn(40, 3, 12, 10), Pipeline(0.3, dict.fromkeys(STEPS, 1.0), antialias=True)
    some = pipeline(image, chances(40))
    monkeypatch.setattr(antialias, "concerned", lambda copied: torch.arange(len(copied)))
    torch.testing.assert_close(pipeline(image, chances(40)), some)


def test_the_warp_with_filters_is_linear_in_the_image():
    a, b = torch.randn(2, 2, 3, 6, 7).double()
    inverse = torch.randn(2, 2, 3).double()
    torch.testing.assert_close(
        antialiased(2 * a - b, inverse), 2 * antialiased(a, inverse) - antialiased(b, inverse)
    )
