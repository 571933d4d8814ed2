"""Networks that grow: the plan, the fades, what moves with the size, and that none of it gets lost."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from duels import of_logits
from hydra.utils import instantiate
from rich.console import Console
from small import composed
from test_resume import Killed, assert_same_run, kill_at, last
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from gantool.batches import schedule_of, sizes
from gantool.growth import Growth, PerLevel
from gantool.layers.equalized_resize import DownConv, UpConv
from gantool.layers.progressive import Level, reduced
from gantool.losses.drift import Drift, MeanDrift
from gantool.models import dcgan, progan, stylegan1
from gantool.optim import Recipe
from gantool.priors import Gaussian
from gantool.summary import parameters
from gantool.tasks.growing import Growing
from gantool.train import train

GROWING = ("progan", "stylegan1")


def growth(resolution: int = 32, stable: int = 600, fade: int = 400, start: float = 0.0) -> Growth:
    return Growth(resolution, stable, fade, start)


# The plan


def test_a_level_is_stable_first_and_then_the_next_one_fades_in():
    plan = growth()  # 4, 8, 16, 32 pixels
    assert [plan(images) for images in (0, 599, 600, 700, 800, 1000, 1599, 1600)] == [
        *(0, 0, 0, 0.25, 0.5, 1, 1, 1)
    ]
    assert plan(2900) == pytest.approx(2.75)
    assert plan(3000) == plan(10**9) == 3


@pytest.mark.parametrize("start", [0, 0.5, 1, 2.25, 3])
def test_growth_may_start_at_any_level(start: float):
    plan = growth(start=start)
    assert plan(0) == start
    assert plan(10_000) == 3
    later = [plan(images) for images in range(0, 5000, 50)]
    assert later == sorted(later)


def test_growth_that_starts_beyond_the_last_level_is_none():
    assert growth(start=99)(0) == growth(start=99)(5000) == 3


def test_without_stable_phases_the_level_rises_in_a_straight_line():
    plan = growth(stable=0, fade=100, start=0.5)
    assert [plan(images) for images in (0, 50, 75, 100, 175, 250, 900)] == [0.5, 1, 1.25, 1.5, 2.25, 3, 3]


def test_without_fades_the_level_jumps():
    plan = growth(stable=100, fade=0)
    assert [plan(images) for images in (0, 99, 100, 250)] == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stable": 0, "fade": 0}, r"task.growth.stable=0, task.growth.fade=0: give numbers of images"),
        ({"stable": -1}, r"task.growth.stable=-1"),
        ({"start": -1}, r"task.growth.start=-1: the first level is 0"),
        ({"resolution": 30}, r"data.resolution=30.*multiple"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        growth(**settings)


def test_what_belongs_to_a_size_counts_from_the_moment_that_it_fades_in():
    sizes = PerLevel(growth(), [64, 32, 16])
    assert [sizes(images) for images in (0, 600, 601, 1600, 1601)] == [64, 64, 32, 32, 16]
    assert sizes(10_000) == 16, "the last value holds for all further levels"
    assert PerLevel(0, [1e-3, 2e-3])(10**9) == 1e-3
    with pytest.raises(ValueError, match="give a value for each level"):
        PerLevel(0, [])


def test_the_published_numbers_are_the_defaults():
    ours = {model: composed(f"model={model}", "data=cifar10", "data.resolution=1024") for model in GROWING}
    plans = {model: instantiate(cfg.task.growth) for model, cfg in ours.items()}
    assert {model: plan(0) for model, plan in plans.items()} == {"progan": 0, "stylegan1": 1}
    # 600,000 images at each size and for each fade: 4x4 to 1024x1024 in 9.6 million
    assert [plans["progan"](n * 600_000) for n in (1, 2, 3, 16)] == [0, 1, 1, 8]
    batches = {model: schedule_of(cfg, "batch_size") for model, cfg in ours.items()}
    rates = {model: instantiate(cfg.optimizer.lr) for model, cfg in ours.items()}
    moments = [n * 1_200_000 for n in range(9)]
    assert [batches["progan"](m) for m in moments] == [128, 128, 128, 64, 32, 16, 8, 4, 4]  # pyright: ignore
    assert [rates["progan"](m) for m in moments] == [1e-3] * 8 + [1.5e-3]
    assert [batches["stylegan1"](m) for m in moments] == [256, 128, 64] + [32] * 6  # pyright: ignore
    assert [rates["stylegan1"](m) for m in moments] == [1e-3] * 4 + [1.5e-3, 2e-3, 3e-3, 3e-3, 3e-3]


def test_gs_batch_is_as_large_as_ds():
    quick = ("images=200", "task.growth.stable=40", "task.growth.fade=40", "batch_size.values=[8,6,4]")
    cfg = composed("model=progan", "data=synthetic", *quick)
    assert sizes(cfg, "batch_size") == sizes(cfg, "generator_batch_size") == [8, 6, 4]


# The networks


def small(channels: int = 3, resolution: Any = 32) -> tuple[progan.Generator, progan.Discriminator]:
    torch.manual_seed(0)
    G = progan.Generator(latent=6, width=4, channels=channels, resolution=resolution)
    return G, progan.Discriminator(width=4, channels=channels, resolution=resolution)


def styled(resolution: Any = 32) -> stylegan1.Generator:
    torch.manual_seed(0)
    G = stylegan1.Generator(6, 5, 2, width=4, channels=3, resolution=resolution, mixing=0.0)
    return G.eval()


def grown(network: Any, level: float) -> Any:
    network.grow(level)
    return network


@pytest.mark.parametrize("G", [small()[0], styled()], ids=GROWING)
@pytest.mark.parametrize("resolution", [16, 28, [24, 40]])
def test_an_image_has_its_whole_size_at_every_level_and_is_coarse_below(G: Any, resolution: Any):
    G = small(resolution=resolution)[0] if isinstance(G, progan.Generator) else styled(resolution)
    z = torch.randn(2, 6)
    for stage in range(3):
        image = grown(G, stage)(z)
        assert image.shape[2:] == torch.Size([resolution] * 2 if isinstance(resolution, int) else resolution)
        step = 2 ** (2 - stage)
        assert torch.equal(image, interpolate(image[:, :, ::step, ::step], scale_factor=step))
        assert stage == 2 or not torch.equal(image, grown(G, stage + 1)(z))


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_stage_of_g_with_no_share_changes_nothing_and_with_all_of_it_is_the_whole(stage: int):
    G, z = small()[0], torch.randn(2, 6)
    before, after = grown(G, stage - 1)(z), grown(G, stage)(z)
    assert torch.equal(G.partly(z, stage, torch.tensor(0.0)), before)
    assert torch.equal(G.partly(z, stage, torch.tensor(1.0)), after)
    torch.testing.assert_close(grown(G, stage - 0.75)(z), 0.75 * before + 0.25 * after)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_stage_of_stylegans_g_fades_in_alike(stage: int):
    G = styled()
    styles = torch.randn(2, 8, 5)
    before, after = grown(G, stage - 1).paint(styles), grown(G, stage).paint(styles)
    assert torch.equal(G.partly(styles, stage, torch.tensor(0.0)), before)
    assert torch.equal(G.partly(styles, stage, torch.tensor(1.0)), after)
    torch.testing.assert_close(grown(G, stage - 0.75).paint(styles), 0.75 * before + 0.25 * after)


@pytest.mark.parametrize("blur", [False, True])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_stage_of_d_with_no_share_changes_nothing_and_with_all_of_it_is_the_whole(stage: int, blur: bool):
    D = progan.Discriminator(width=4, channels=3, resolution=32, blur=blur)
    image = torch.randn(4, 3, 32, 32)  # of any kind, not only coarse ones
    before, after = grown(D, stage - 1)(image), grown(D, stage)(image)
    assert torch.equal(D.partly(image, stage, torch.tensor(0.0)).squeeze(1), before)
    assert torch.equal(D.partly(image, stage, torch.tensor(1.0)).squeeze(1), after)
    assert not torch.equal(before, after)
    fading = grown(D, stage - 0.5)(image)
    assert not torch.equal(fading, before)
    assert not torch.equal(fading, after)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_d_sees_of_an_image_what_its_level_shows(level: int):
    D, image = small()[1], torch.randn(4, 3, 32, 32)
    D.grow(level)
    coarse = reduced(image, 3, level)
    torch.testing.assert_close(D(image), D(coarse))
    finer = image + torch.tensor([1.0, -1.0]).repeat(16)  # of mean 0 in each square
    torch.testing.assert_close(D(image), D(finer))


def learning(module: Any) -> set[bool]:
    """Whether its parameters have gradients."""
    return {parameter.grad is not None for parameter in module.parameters()}


def test_parameters_beyond_the_level_have_no_gradient():
    G, D = small()
    for level, beyond in ((0, 1), (0.5, 2), (1, 2)):
        for network in (G, D):
            network.zero_grad()
            network.grow(level)
        D(G(torch.randn(4, 6))).sum().backward()
        for stage, (paints, shows, judges) in enumerate(
            zip(G.stages, G.to_image, reversed(D.stages), strict=True)
        ):
            assert learning(paints) == {stage < beyond}
            assert learning(shows) == learning(judges.look) == {abs(stage - level) < 1}
            assert learning(judges.conv) == {stage < beyond}


def test_reals_fade_as_fakes_do():
    image = torch.randn(2, 3, 16, 16)
    half = interpolate(avg_pool2d(image, 2), scale_factor=2)
    quarter = interpolate(avg_pool2d(image, 4), scale_factor=4)
    assert reduced(image, 2, 2) is image
    torch.testing.assert_close(reduced(image, 2, 1), half)
    torch.testing.assert_close(reduced(image, 2, 0), quarter)
    torch.testing.assert_close(reduced(image, 2, 1.25), 0.75 * half + 0.25 * image)
    torch.testing.assert_close(reduced(image, 2, 0.25), 0.75 * quarter + 0.25 * half)


def test_a_convolution_that_doubles_is_upsampling_and_a_convolution():
    layer, x = UpConv(3, 5).double(), torch.randn(2, 3, 4, 6).double()
    nn.init.normal_(layer.bias)  # pyright: ignore
    plain = conv2d(interpolate(x, scale_factor=2), layer.weight * layer.scale, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), plain)


def test_a_convolution_that_halves_is_a_convolution_and_pooling():
    layer, x = DownConv(3, 5).double(), torch.randn(2, 3, 4, 6).double()
    nn.init.normal_(layer.bias)
    plain = avg_pool2d(conv2d(x, layer.weight * layer.scale, layer.bias, padding=1), 2)
    torch.testing.assert_close(layer(x), plain)


def test_convolutions_that_resize_have_hes_constant():
    """He's constant, for a rectifier that halves the mean square: 2; of flat images, which resizing keeps."""
    torch.manual_seed(0)
    flat = torch.randn(64, 128, 1, 1).expand(-1, -1, 8, 8)
    for layer in (UpConv(128, 128), DownConv(128, 128)):
        inside = layer(flat)[:, :, 1:-1, 1:-1]  # beyond the border are zeros
        assert inside.square().mean().item() == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize(
    ("model", "resolution", "of_G", "of_D"),
    [
        ("progan", 1024, 23_079_115, 23_087_249),
        # with the layer of the last size alone, tkarras/progressive_growing_of_gans, networks.py
        ("progan", 32, 20_715_011 + 3 * 1539, 20_720_641 + 3 * 2048),
        ("progan", 64, 22_484_227 + 4 * 1539, 22_489_857 + 4 * 2048),
        ("progan", 128, 22_926_467 + 4 * 1539 + 771, 22_932_097 + 4 * 2048 + 1024),
        ("progan", 256, 23_036_995 + 4 * 1539 + 771 + 387, 23_042_625 + 4 * 2048 + 1024 + 512),
        # NVlabs/stylegan
        ("stylegan1", 1024, 26_219_627, 23_087_249),
        ("stylegan1", 128, 25_843_858, 22_941_313),
        ("stylegan1", 256, 26_086_229, 23_052_353),
    ],
)
def test_parameter_counts_are_the_published_ones(model: str, resolution: int, of_G: int, of_D: int):
    cfg = composed(f"model={model}", "data=cifar10", f"data.resolution={resolution}")
    with torch.device("meta"):
        task = instantiate(cfg.task, _convert_="all")
    assert parameters(task.G) == of_G
    assert parameters(task.D) == of_D


# The task


def task(plan: Growth, **settings: Any) -> Growing:
    G = partial(progan.Generator, latent=6, width=4, channels=3, resolution=16)
    D = partial(progan.Discriminator, width=4, channels=3, resolution=16)
    return Growing(G, D, Gaussian(6), plan, **settings)


def test_both_players_and_the_reals_grow_with_the_images_seen():
    made = task(growth(16, stable=100, fade=100))
    image = torch.randn(4, 3, 16, 16)
    for images, level in ((0, 0), (100, 0), (150, 0.5), (200, 1), (400, 2), (10_000, 2)):
        made.advance(images)
        assert [player.state_dict()["level.value"] for player in (made.G, made.D)] == [level, level]
        assert torch.equal(made.draw({"image": image})["image"], reduced(image, 2, level))


def test_networks_that_cannot_grow_are_refused():
    G = partial(progan.Generator, latent=6, width=4, channels=3, resolution=16)
    D = partial(dcgan.Discriminator, width=4, channels=3, resolution=16)
    with pytest.raises(
        ValueError, match="networks that grow; D, a Discriminator, does not: use model=progan"
    ):
        Growing(G, D, Gaussian(6), growth(16))
    with pytest.raises(ValueError, match="D, a Packed, does not.*task.pack=1"):
        task(growth(16), pack=2)


def test_a_level_that_a_network_has_not_is_refused():
    with pytest.raises(ValueError, match="level=2.5: these networks have the levels 0 to 2"):
        Level(2).move(2.5)


# What else changes


def stepped(recipe: Recipe, parameter: nn.Parameter, optimizer: torch.optim.Optimizer, images: int) -> int:
    """How many steps the optimizer remembers after one at `images`."""
    parameter.grad = torch.ones_like(parameter)
    recipe.anneal(optimizer, images)
    optimizer.step()
    return int(optimizer.state[parameter]["step"])


def forgetful(plan: Any) -> Recipe:
    return Recipe(partial(torch.optim.Adam, lr=0.1, forget=plan))  # pyright: ignore


def test_an_optimizer_forgets_when_a_fade_begins_and_when_it_ends():
    recipe, parameter = forgetful(growth(stable=30, fade=20)), nn.Parameter(torch.zeros(3))
    optimizer = recipe.optimizer([parameter])
    steps = {images: stepped(recipe, parameter, optimizer, images) for images in range(0, 110, 10)}
    # levels: 0 0 0 0 | .5 | 1 1 1 1 | 1.5 | 2
    assert list(steps.values()) == [1, 2, 3, 4, 1, 1, 2, 3, 4, 1, 1]


def test_an_optimizer_without_growth_forgets_nothing():
    for recipe in (forgetful(0), Recipe(partial(torch.optim.Adam, lr=0.1))):
        parameter = nn.Parameter(torch.zeros(3))
        optimizer = recipe.optimizer([parameter])
        assert [stepped(recipe, parameter, optimizer, images) for images in range(5)] == [1, 2, 3, 4, 5]


def test_what_an_optimizer_forgets_it_forgets_after_an_interruption_too():
    recipe = forgetful(growth(stable=30, fade=20))
    parameter = nn.Parameter(torch.zeros(3))
    optimizer = recipe.optimizer([parameter])
    stepped(recipe, parameter, optimizer, 30)
    again, copy = recipe.optimizer([parameter]), optimizer.state_dict()
    again.load_state_dict(copy)
    assert stepped(recipe, parameter, again, 40) == 1
    again.load_state_dict(copy)
    assert stepped(recipe, parameter, again, 30) == 2


def test_drift_is_the_mean_square_of_the_logits_of_reals():
    duel = of_logits(torch.tensor([1.0, -3.0]), torch.tensor([7.0, 7.0]))
    assert Drift()(duel) == 5
    assert MeanDrift()(duel) == 1


# A whole training


def run(folder: Path, model: str, *overrides: str) -> None:
    """16-pixel images through two fades, with batches that shrink, in 192 images."""
    given = [
        *(f"model={model}", "data=synthetic", "data.width=4", "images=192", "ema=100", "samples=4"),
        *("task.growth.start=0", "task.growth.stable=40", "task.growth.fade=40", "batch_size.values=[8,8,4]"),
        *("logger=none", "log_every=1", "sample_every=1000", "trainer.accelerator=cpu", *overrides),
    ]
    assert train(composed(*given), folder, given, Console(quiet=True)) == 0


def killed(folder: Path, model: str, at: int, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    with monkeypatch.context() as patched:
        kill_at(at, patched)
        with pytest.raises(Killed):
            run(folder, model, *overrides)


@pytest.mark.parametrize("model", GROWING)
def test_a_run_killed_in_the_middle_of_a_fade_goes_on_bit_for_bit(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    often = "checkpoint_every=8"
    run(tmp_path / "whole", model, often)
    levels = {}
    for at in (9, 21):  # in the first fade; in the second, with its smaller batches
        folder = tmp_path / str(at)
        killed(folder, model, at, monkeypatch, often)
        stopped = last(folder)
        levels[at] = stopped["state_dict"]["task.G.level.value"].item()
        assert stopped["clock"]["iteration"] <= at
        run(folder, model, often, "resume=auto")
        assert_same_run(tmp_path / "whole", folder)
    assert levels == pytest.approx({9: 0.6, 21: 1.5})


@pytest.mark.parametrize("model", GROWING)
def test_levels_batches_and_optimizers_move_as_planned_while_training(model: str, tmp_path: Path):
    run(tmp_path, model)
    rows = table(tmp_path / "metrics.csv")
    sizes = [b - a for a, b in zip([0, *rows["images"]], rows["images"], strict=False)]
    assert sizes == [8] * 16 + [4] * 16
    began = [images - size for images, size in zip(rows["images"], sizes, strict=True)]
    plan = growth(16, 40, 40)
    for player in "DG":
        assert rows[f"optimizer/{player}_forget"] == pytest.approx([plan(int(images)) for images in began])
    final = last(tmp_path)
    assert final["state_dict"]["task.G.level.value"] == final["state_dict"]["G_ema.level.value"] == 2
    # 32 images, in batches of 4, since the last fade ended at 160
    assert {state["step"].item() for state in final["optimizer_states"][0]["state"].values()} == {8}


def table(path: Path) -> dict[str, list[float]]:
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    columns: Sequence[tuple[str, ...]] = list(zip(*rows, strict=True))
    return {name: [float(value) for value in column] for name, column in zip(header, columns, strict=True)}


def test_a_sample_while_growing_is_of_the_whole_size(tmp_path: Path):
    run(tmp_path, "progan", "images=8")
    cfg = composed("model=progan", "data=synthetic", "data.width=4")
    made = instantiate(cfg.task, _convert_="all")
    fake: Tensor = made.generate(made.G, made.draw({"label": torch.arange(4)}))["fake"]
    assert fake.shape == (4, 3, 16, 16)
