"""LAPGAN: a Laplacian pyramid is exact, its levels learn apart, and their networks are the published ones."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image
from small import composed, trained
from torch import Tensor, nn
from torch.nn.functional import softplus

from gantool.freeze import lowest
from gantool.models.lapgan import Discriminator, Generator, discriminators, generators, sizes
from gantool.priors import Uniform
from gantool.sample import main
from gantool.shares import Share
from gantool.summary import kinds, parameters
from gantool.tasks.pyramid import Pyramid, doubled, halved, source

SIZES = {"width": 4, "channels": 3, "resolution": 32}


def pyramid(classes: int = 0) -> Pyramid:
    """Levels of 8, 16 and 32 pixels."""
    torch.manual_seed(0)
    G = partial(generators, latent=8, units=16, classes=classes, **SIZES)
    D = partial(discriminators, units=16, classes=classes, **SIZES)
    return Pyramid(G, D, Uniform(8), conditional=bool(classes)).eval()


class Remembered(nn.Module):
    """A generator that knows what to add to what it is given."""

    def __init__(self, level: Tensor):
        super().__init__()
        self.level = nn.Parameter(level)

    def forward(self, given: Tensor) -> Tensor:
        return self.level if given.ndim == 2 else given[:, :3] + self.level


def test_a_pyramid_that_is_built_and_collapsed_is_the_image():
    fine = torch.rand(5, 3, 24, 40) * 2 - 1
    middle = halved(fine)
    coarse = halved(middle)
    levels = [coarse, middle - doubled(coarse), fine - doubled(middle)]
    task = Pyramid(
        lambda: nn.ModuleList(map(Remembered, levels)),
        lambda: nn.ModuleList(nn.Identity() for _ in levels),
        Uniform(8),
    )
    drawn = task.draw({"image": fine})
    assert (task.generate(task.G, drawn)["fake"] - fine).abs().max() < 1e-6
    for duel, image in zip(task.duels(drawn), (coarse, middle, fine), strict=True):
        assert torch.equal(duel.real, image)
        assert (duel.fake - image).abs().max() < 1e-6


def test_blurring_weighs_four_pixels_by_1_3_3_1_and_enlarging_is_its_transpose():
    x, y = torch.zeros(1, 1, 12, 16).double(), torch.zeros(1, 1, 6, 8).double()
    x[:, :, 2:-2, 2:-2], y[:, :, 1:-1, 1:-1] = torch.randn(8, 12), torch.randn(4, 6)  # away from the border
    row = torch.tensor([1.0, 3.0, 3.0, 1.0]).double() / 8
    expected = nn.functional.conv2d(x, (row[:, None] * row)[None, None], stride=2, padding=1)
    torch.testing.assert_close(halved(x)[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1])
    torch.testing.assert_close((halved(x) * y).sum() * 4, (x * doubled(y)).sum())


def test_neither_changes_a_constant_nor_minds_a_mirror():
    image = torch.randn(2, 3, 12, 8)
    for changed in (halved, doubled):
        torch.testing.assert_close(changed(torch.ones(1, 1, 8, 8)).unique(), torch.ones(1))
        torch.testing.assert_close(changed(image.flip(3)), changed(image).flip(3))


@pytest.mark.parametrize(
    ("resolution", "levels"),
    [
        (16, [(8, 8), (16, 16)]),
        (28, [(7, 7), (14, 14), (28, 28)]),
        (32, [(8, 8), (16, 16), (32, 32)]),
        (64, [(8, 8), (16, 16), (32, 32), (64, 64)]),
        ([24, 40], [(12, 20), (24, 40)]),
    ],
)
def test_the_coarsest_level_has_about_eight_pixels(resolution: int, levels: list[tuple[int, int]]):
    assert sizes(resolution, smallest=7) == levels


def test_parameter_counts_are_those_of_the_authors_code():
    """facebook/eyescream, train_cifar_coarse_to_fine.lua and its class-conditional twin, from 16 to 32 px."""
    cfg = composed("experiment=lapgan_cifar10")
    told = composed("experiment=lapgan_cifar10_conditional")
    with torch.device("meta"):
        task, with_labels = (instantiate(one.task, _convert_="all") for one in (cfg, told))
    assert parameters(task.G[-1]) == 218_179
    assert parameters(task.D[-1]) == 116_545
    label = (10 + 1) * 32 * 32  # a linear layer from the label to a plane
    assert parameters(with_labels.G[-1]) == 218_179 + label + 64 * 7 * 7
    assert parameters(with_labels.D[-1]) == 116_545 + label + 64 * 5 * 5


def test_the_coarsest_pair_are_perceptrons_with_two_hidden_layers_of_1200_and_600():
    cfg = composed("experiment=lapgan_cifar10")
    with torch.device("meta"):
        task = instantiate(cfg.task, _convert_="all")
    pixels = 3 * 8 * 8
    assert parameters(task.G[0]) == 101 * 1200 + 1201 * 1200 + 1201 * pixels
    assert parameters(task.D[0]) == (pixels + 1) * 600 + 601 * 600 + 601


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("classes", [0, 10])
def test_what_a_level_loses_reaches_its_own_players_alone(level: int, classes: int):
    task = pyramid(classes)
    batch = {"image": torch.randn(4, 3, 32, 32), "label": torch.arange(4)}
    duel = task.duels(task.draw(batch))[level]
    (softplus(-duel.fake_logits) + softplus(-duel.real_logits)).mean().backward()
    for player in (task.G, task.D):
        for number, network in enumerate(player.children()):
            touched = [parameter.grad is not None for parameter in network.parameters()]
            assert all(touched) if number == level else not any(touched)


def test_a_level_without_detail_gives_back_the_blurred_image():
    task = pyramid()
    for network in list(task.G.children())[1:]:
        for parameter in network.get_submodule("detail.4").parameters():
            nn.init.zeros_(parameter)
    image = torch.randn(4, 3, 32, 32)
    drawn = task.draw({"image": image})
    first, second, third = task.duels(drawn)
    assert torch.equal(third.fake, doubled(halved(image)))
    assert torch.equal(second.fake, doubled(halved(halved(image))))
    made = task.generate(task.G, drawn)["fake"]  # from G's own coarsest image, not from the real one
    torch.testing.assert_close(made, doubled(doubled(first.fake)))


def test_a_fake_is_what_the_generator_makes_of_its_source():
    task = pyramid(classes=10)
    batch = {"image": torch.randn(4, 3, 32, 32), "label": torch.arange(4)}
    for duel in task.duels(task.draw(batch)):
        assert duel.fake.shape == duel.real.shape
        torch.testing.assert_close(duel.generator(duel.source, duel.condition), duel.fake)


def test_the_noise_is_a_plane_from_minus_one_to_one_another_for_each_level_and_sample():
    keys = torch.tensor([3, 4, 5])
    image = torch.zeros(3, 2, 40, 40)
    planes = [source(image, keys, level)[:, 2:] for level in (1, 2)]  # each (N, 1, 2H, 2W)
    every = torch.cat(planes)
    assert every.shape == (6, 1, 80, 80)
    assert every.min() >= -1
    assert every.max() < 1
    spread = torch.corrcoef(every.flatten(1)) - torch.eye(6)
    assert spread.abs().max() < 0.1
    torch.testing.assert_close(every.square().mean(), torch.tensor(1 / 3), atol=0.02, rtol=0)


def test_neither_micro_batches_nor_processes_change_a_fake():
    task = pyramid()
    batch = {"image": torch.randn(8, 3, 32, 32)}

    def fakes(share: Share) -> list[Tensor]:
        torch.manual_seed(7)
        drawn = task.draw({"image": share.of(batch["image"])}, share)
        halves = [{name: value[i::2] for name, value in drawn.items()} for i in (0, 1)]
        parts = [[duel.fake for duel in task.duels(half)] for half in halves]
        return [torch.stack(pair, 1).flatten(0, 1) for pair in zip(*parts, strict=True)]

    torch.manual_seed(7)
    whole = [duel.fake for duel in task.duels(task.draw(batch))]
    for share in (Share(), Share(0, 2), Share(1, 2)):
        for expected, made in zip(whole, fakes(share), strict=True):
            torch.testing.assert_close(made, share.of(expected))


def test_the_label_alone_changes_every_levels_fake_and_verdict():
    task = pyramid(classes=10)
    drawn = task.draw({"image": torch.randn(4, 3, 32, 32), "label": torch.arange(4)})
    other = {**drawn, "label": drawn["label"] + 4}
    for one, two in zip(task.duels(drawn), task.duels(other), strict=True):
        assert not torch.equal(one.fake, two.fake)
        assert not torch.equal(one.real_logits, two.real_logits)


def test_dropout_is_for_training_only():
    image = torch.randn(4, 3, 16, 16)
    for network in (Discriminator(4, 3, (16, 16)), pyramid().train().D.get_submodule("1")):
        assert not torch.equal(network(image), network(image))
        network.eval()
        assert torch.equal(network(image), network(image))


def test_labels_that_are_missing_or_not_expected_are_refused():
    z, label = torch.randn(2, 8), torch.tensor([0, 1])
    for classes, given, word in ((0, label, "knows no labels"), (10, None, "needs labels")):
        for network, x in zip(pyramid(classes).G.children(), (z, torch.randn(2, 4, 16, 16)), strict=False):
            with pytest.raises(ValueError, match=word):
                network(x, given)


def test_players_that_are_no_teams_of_one_size_are_refused():
    G, D = partial(generators, latent=8, units=16, **SIZES), partial(discriminators, units=16, **SIZES)
    with pytest.raises(ValueError, match="model.G makes one Generator: choose model=lapgan"):
        Pyramid(partial(Generator, 4, 3, (16, 16)), D, Uniform(8))
    with pytest.raises(ValueError, match="model.G has 2 levels and model.D 3"):
        Pyramid(partial(G, smallest=16), D, Uniform(8))
    with pytest.raises(ValueError, match="smallest=4: .* use 5 or more"):
        generators(8, 16, smallest=4, **SIZES)


def test_freezing_takes_the_first_layers_of_every_level():
    task = pyramid(classes=10)
    frozen = lowest(task.D, 1)
    firsts = [network.get_submodule("layers.0") for network in task.D.children()]
    assert [id(p) for p in frozen] == [id(p) for layer in firsts for p in layer.parameters()]


def test_a_team_is_named_by_its_networks():
    assert kinds(pyramid().G) == "lapgan.CoarsestGenerator + 2 lapgan.Generator"


@pytest.mark.parametrize(
    "settings",
    [
        ["loss=non_saturating_r1", "augment=[diffaug]", "micro_batch=3"],
        ["loss=wasserstein_gp", "share_fakes=true"],
        ["trick=[latent_consistency,balanced_consistency]"],
        ["trick=[feature_matching,lecam,unrolled]", "optimizer=adam"],
        ["loss=relativistic", "trainer.precision=64-true", "clip=1", "freeze.D=1"],
    ],
    ids=" ".join,
)
def test_losses_tricks_and_settings_work_for_a_team(settings: list[str], tmp_path: Path):
    assert trained(tmp_path, "model=lapgan", "images=16", *settings) == 0


def test_every_class_is_sampled_from_a_checkpoint_whatever_the_batch_size(tmp_path: Path):
    conditional = ["experiment=lapgan_cifar10_conditional", "data=synthetic", "images=16", "ema=50"]
    assert trained(tmp_path, *conditional) == 0

    def grid(size: int, label: str) -> np.ndarray:
        ask = [
            f"run={tmp_path}",
            f"batch_size={size}",
            "count=10",
            f"out={tmp_path / label}",
            f"label={label}",
        ]
        main(composed(*ask, "singles=false", "device=cpu", name="sample"))
        with Image.open(tmp_path / label / "grid.png") as picture:
            return np.array(picture).astype(int)

    assert abs(grid(3, "null") - grid(10, "null")).max() <= 1  # rounding may differ by batch
    assert abs(grid(10, "7") - grid(10, "null")).max() > 1
