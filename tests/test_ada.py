"""ADA and APA: the feedback on p, what p < 1 promises, fakes that pose as reals, every family behind both."""

import csv
from itertools import product
from math import prod
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from rich.console import Console
from small import MODELS, TRANSLATORS, composed, trained
from torch import Tensor, nn

from gantool import train as verb
from gantool.augment.adaptive import Adaptive
from gantool.augment.augment import Augment, Chain, Chance
from gantool.augment.pipeline import Pipeline
from gantool.augment.pseudo import Pseudo
from gantool.chance import keys, uniform
from gantool.checkpoint import load, read
from gantool.duel import Duel
from gantool.losses.adversarial import NonSaturating, RelativisticPairing
from gantool.strategy import running_statistics

CPU = torch.device("cpu")


def controlled(**settings: float) -> Pipeline:
    return Pipeline(Adaptive(**{"target": 0.6, **settings}), {"flip": 1.0})  # pyright: ignore


def step(augment: Augment, margins: Tensor) -> float:
    """One step of D."""
    augment.see(margins)
    augment.settle(len(margins))
    return augment.p.item()  # pyright: ignore


def signs(positive: int, of: int) -> Tensor:
    return torch.cat([torch.rand(positive) + 0.1, -torch.rand(of - positive) - 0.1])


# The controller.


def test_a_sure_discriminator_raises_p_by_one_in_the_given_number_of_images():
    augment = controlled(images=500_000)
    for k in range(1, 41):
        p = step(augment, signs(64, of=64))
        assert p == pytest.approx(k // 4 * 4 * 64 / 500_000, rel=1e-5)


def test_an_unsure_one_lowers_it_but_never_below_0():
    augment = controlled(images=1000, every=1, start=0.25)
    heights = [step(augment, signs(0, of=100)) for _ in range(5)]
    assert heights == pytest.approx([0.15, 0.05, 0.0, 0.0, 0.0], abs=1e-6)
    assert step(augment, signs(100, of=100)) == pytest.approx(0.1)  # at once


def test_nor_does_p_rise_above_its_limit():
    augment = controlled(images=1000, every=1, limit=0.8)
    heights = [step(augment, signs(100, of=100)) for _ in range(12)]
    assert max(heights) == heights[-1] == pytest.approx(0.8)
    assert step(augment, signs(0, of=100)) == pytest.approx(0.7)  # at once


def test_at_the_target_p_stays_and_beside_it_p_moves_towards_it():
    for positive, direction in ((80, 0), (81, 1), (79, -1)):  # (80 - 20) / 100 = 0.6
        augment = controlled(images=1000, every=1, start=0.5)
        assert step(augment, signs(positive, of=100)) == pytest.approx(0.5 + direction * 0.1)
        assert augment.remarks()["ada_r"].item() == pytest.approx((2 * positive - 100) / 100)


def test_p_moves_once_in_an_interval_by_what_all_its_steps_saw():
    """Three sure steps and one of the opposite: r = 0.5, below the target."""
    augment = controlled(images=1000, start=0.5)
    heights = [step(augment, signs(positive, of=10)) for positive in (10, 10, 10, 0, 10)]
    assert heights == pytest.approx([0.5, 0.5, 0.5, 0.46, 0.46])


def test_steps_of_different_sizes_count_by_their_images():
    augment = controlled(images=1000, every=2, target=0.0, start=0.5)
    step(augment, signs(30, of=30))
    assert step(augment, signs(0, of=20)) == pytest.approx(0.55)  # r = (30 - 20) / 50
    assert augment.remarks()["ada_r"].item() == pytest.approx(0.2)


def test_an_answer_for_each_patch_counts_as_much_as_one_for_the_image():
    whole, patches = controlled(images=1000, every=1), controlled(images=1000, every=1)
    assert step(whole, torch.ones(10)) == step(patches, torch.ones(10, 1, 4, 4)) == pytest.approx(0.01)


def test_a_step_in_which_d_saw_no_reals_moves_nothing():
    augment = controlled(images=1000, every=1, start=0.5)
    augment.settle(100)
    assert augment.p.item() == 0.5


def test_micro_batches_and_several_processes_change_nothing():
    torch.manual_seed(0)
    margins = [torch.randn(8) + 2 for _ in range(6)]
    alone = controlled(images=100)
    others = [controlled(images=100) for _ in range(2)]
    for batch in margins:
        step(alone, batch)
        for rank, other in enumerate(others):
            for micro_batch in batch[rank::2].split(3):
                other.see(micro_batch)
        for travelling in zip(*map(running_statistics, others), strict=True):  # what the strategy averages
            mean = sum(travelling[1:], travelling[0]) / 2
            for tensor in travelling:
                tensor.copy_(mean)
        for other in others:
            other.settle(8)
    assert alone.p > 0
    for other in others:
        for name, value in alone.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


def test_a_controller_that_comes_back_in_the_middle_of_an_interval_goes_on_as_if_nothing_had_happened():
    torch.manual_seed(0)
    margins = [torch.randn(7) + 0.5 for _ in range(13)]
    for moment in range(13):
        whole, first, second = (controlled(images=300, every=5) for _ in range(3))
        for batch in margins:
            step(whole, batch)
        for batch in margins[:moment]:
            step(first, batch)
        second.load_state_dict(first.state_dict())
        for batch in margins[moment:]:
            step(second, batch)
        assert all(torch.equal(a, b) for a, b in zip(whole.buffers(), second.buffers(), strict=True))


def test_a_given_or_scheduled_p_is_not_adapted():
    for p in (0.3, lambda images: images / 100):
        augment = Pipeline(p, {"flip": 1.0})
        augment.advance(30)
        for _ in range(10):
            assert step(augment, signs(10, of=10)) == pytest.approx(0.3)
        assert augment.remarks() == {}


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"target": 1.0}, "target=1.0"),
        ({"images": 0}, "images=0"),
        ({"every": 0}, "every=0"),
        ({"start": -0.1}, "start=-0.1"),
        ({"start": 0.9, "limit": 0.8}, "start=0.9, limit=0.8"),
        ({"limit": 1.5}, "limit=1.5"),
    ],
)
def test_a_wrong_number_is_refused(wrong: dict[str, float], word: str):
    with pytest.raises(ValueError, match=word):
        controlled(**wrong)


def test_the_published_settings_are_the_defaults():
    for name in ("ada", "apa"):
        augment = instantiate(composed(f"augment={name}").augment[name], _convert_="all")
        controller = augment.controller
        assert (controller.target, controller.images, controller.every) == (0.6, 500_000, 4)
        assert augment.p.item() == 0


# What p < 1 promises: the distribution of plain images follows from that of augmented ones (section 2.2).


def every(**levels: int) -> tuple[Chance, int]:
    """All combinations of equally likely draws, so many for each purpose; other purposes draw 1/2."""
    grid = torch.tensor(
        list(product(*([(k + 0.5) / count for k in range(count)] for count in levels.values())))
    )
    columns = {name.replace("_", " "): grid[:, i] for i, name in enumerate(levels)}
    half = torch.full((len(grid),), 0.5)
    return (
        lambda purpose, *shape: columns.get(purpose, half).view(-1, *[1] * len(shape)).expand(-1, *shape),
        prod(levels.values()),
    )


FLIPS = {"flip_happens": 5, "flip": 2}
TURNS = {"rotate90_happens": 5, "rotate90": 4}


def transitions(p: float, levels: dict[str, int]) -> Tensor:
    """How often the image of each column becomes that of each row: the eight orientations of one image."""
    chance, count = every(**levels)
    pipeline = Pipeline(p, {name: 1.0 for name in levels if "happens" not in name})
    image = torch.arange(25.0).view(1, 5, 5)
    images = [side.rot90(quarters, (1, 2)) for side in (image, image.flip(2)) for quarters in range(4)]
    columns = []
    for start in images:
        seen = pipeline(start.expand(count, 1, 5, 5), chance)
        columns.append(torch.stack([(seen == other).flatten(1).all(1).double().mean() for other in images]))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.6, 0.8, 1.0])
def test_flips_and_turns_are_invertible_on_distributions_if_and_only_if_p_is_below_1(p: float):
    """The smallest singular value is 1 - p for flips or turns, and (1 - p)^2 for both."""
    for levels, steps in ((FLIPS, 1), (TURNS, 1), (FLIPS | TURNS, 2)):
        matrix = transitions(p, levels)
        torch.testing.assert_close(matrix.sum(0), torch.ones(8, dtype=torch.float64))
        smallest = torch.linalg.svdvals(matrix)[-1].item()
        assert smallest == pytest.approx((1 - p) ** steps, abs=1e-9)


def test_at_p_1_images_that_stand_upright_and_images_that_lie_look_the_same_to_d():
    upright = torch.eye(8, dtype=torch.float64)[:, 0]
    mixed = torch.tensor([0.1, 0.4, 0.2, 0.3, 0, 0, 0, 0], dtype=torch.float64)
    certain, likely = transitions(1.0, TURNS), transitions(0.8, TURNS)
    torch.testing.assert_close(certain @ upright, certain @ mixed)
    assert not torch.allclose(likely @ upright, likely @ mixed)


def test_how_images_were_turned_is_recovered_from_augmented_ones():
    """30,000 of them at p = 0.6: sampling error 0.5 * 30,000^-1/2, at most 2.5 times that after inversion."""
    torch.manual_seed(0)
    plain = torch.tensor([0.7, 0.05, 0.2, 0.05])
    image = torch.arange(25.0).view(1, 5, 5)
    turned = torch.stack([image.rot90(quarters, (1, 2)) for quarters in range(4)])
    which = torch.multinomial(plain, 30_000, replacement=True)
    key = keys(30_000, CPU)
    seen = Pipeline(0.6, {"rotate90": 1.0})(
        turned[which], lambda purpose, *shape: uniform(key, purpose, *shape)
    )
    frequencies = torch.stack([(seen == other).flatten(1).all(1).double().mean() for other in turned])
    recovered = torch.linalg.solve(transitions(0.6, TURNS)[:4, :4], frequencies)
    assert (frequencies - plain).abs().max() > 0.2  # what D sees is another distribution
    assert (recovered - plain).abs().max() < 4 * 2.5 * 0.5 / 30_000**0.5


# Fakes that pose as reals.


def chances(count: int) -> Chance:
    torch.manual_seed(0)
    key = keys(count, CPU)
    return lambda purpose, *shape: uniform(key, purpose, *shape)


@pytest.mark.parametrize("shape", [(3, 4, 6), (2,)])
def test_fakes_pose_as_reals_with_probability_p(shape: tuple[int, ...]):
    real, fake = torch.zeros(4000, *shape), torch.ones(4000, *shape)
    for p in (0.0, 0.3, 1.0):
        shown = Pseudo(p).substitute(real, fake, chances(4000)).flatten(1)
        assert torch.equal(shown.amin(1), shown.amax(1))  # all of an image, or nothing
        assert abs(shown.mean().item() - p) < 4 * (p * (1 - p) / 4000) ** 0.5 + 1e-9


def test_at_p_0_the_reals_are_shown_exactly_and_at_p_1_each_the_fake_of_its_place():
    real, fake = torch.randn(2, 16, 3, 4, 4)
    assert torch.equal(Pseudo(0.0).substitute(real, fake, chances(16)), real)
    assert torch.equal(Pseudo(1.0).substitute(real, fake, chances(16)), fake)


def test_images_themselves_are_left_as_they_are():
    image = torch.randn(2, 3, 4, 4)
    assert Pseudo(1.0)(image, chances(2)) is image


def against(augment: Augment, fake: Tensor) -> Duel:
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(12, 1), nn.Flatten(0))
    return Duel(nn.Identity(), discriminator, fake, torch.randn(8, 3, 2, 2), fake, augment=augment)


def test_a_fake_that_poses_as_real_teaches_g_nothing():
    fake = torch.randn(8, 3, 2, 2, requires_grad=True)
    duel = against(Chain([Pseudo(1.0)]), fake)
    assert torch.equal(duel.real_view, fake)
    RelativisticPairing().generator(duel).backward()
    pretended = fake.grad
    fake.grad = None
    real = Duel(duel.generator, duel.discriminator, fake, fake.detach(), fake)
    RelativisticPairing().generator(real).backward()
    assert pretended is not None
    assert fake.grad is not None
    torch.testing.assert_close(pretended, fake.grad)


def test_where_all_reals_are_fakes_d_cannot_do_better_than_chance():
    """Its loss sp(-C) + sp(C) of the same images is least, 2 log 2, where C = 0."""
    duel = against(Chain([Pseudo(1.0)]), torch.randn(8, 3, 2, 2))
    assert NonSaturating().discriminator(duel) > 2 * torch.tensor(2.0).log()
    for parameter in duel.discriminator.parameters():
        nn.init.zeros_(parameter)
    blind = Duel(duel.generator, duel.discriminator, duel.source, duel.real, duel.fake)
    torch.testing.assert_close(NonSaturating().discriminator(blind), 2 * torch.tensor(2.0).log())


def test_each_of_several_augmentations_follows_the_same_answers_and_tells_its_own_p():
    chain = Chain([controlled(images=1000, every=1), Pseudo(Adaptive(0.6, images=2000, every=1))])
    chain.see(torch.ones(100))
    chain.settle(100)
    told = {name: value.item() for name, value in chain.remarks().items()}
    assert told == pytest.approx({"ada_p": 0.1, "ada_r": 1.0, "apa_p": 0.05, "apa_r": 1.0})


# Trainings.

NOISE_TO_IMAGE = [  # not the translations, whose D would compare a moved image with an unmoved source
    model for model in MODELS if model not in TRANSLATORS
]
HALF = ("augment=[apa,ada]", *(f"augment.{name}.p.start=0.5" for name in ("ada", "apa")), "images=16")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("model", NOISE_TO_IMAGE)
def test_every_family_trains_behind_both(model: str, tmp_path: Path):
    moving = [f"augment.{name}.p.{key}" for name in ("ada", "apa") for key in ("every=1", "images=1000")]
    assert trained(tmp_path, f"model={model}", "n_critic=1", "log_every=1", *HALF, *moving) == 0
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    assert all(value.isfinite().all() for value in gan.state_dict().values())
    for row in rows(tmp_path):
        for name in ("ada", "apa"):
            assert -1 <= float(row[f"health/{name}_r"]) <= 1
            assert abs(float(row[f"health/{name}_p"]) - 0.5) in (
                pytest.approx(0.008, abs=1e-6),  # one step of 8 images, up or down
                pytest.approx(0.016, abs=1e-6),
                pytest.approx(0.0, abs=1e-6),
            )


@pytest.mark.parametrize(
    "kind", [("data.channels=1",), ("data.channels=4",), ("data.channels=2", "data.resolution=[16,24]")]
)
def test_any_kind_of_image_is_augmented(kind: tuple[str, ...], tmp_path: Path):
    assert trained(tmp_path, *kind, *HALF) == 0


def test_a_run_that_is_resumed_in_the_middle_of_an_interval_equals_one_that_was_not(tmp_path: Path):
    quick = [f"augment.{name}.p.images=200" for name in ("ada", "apa")]
    settings = (*HALF, "n_critic=2", "batch_size=4", "generator_batch_size=4", *quick)
    trained(tmp_path / "whole", *settings, "images=56")
    trained(tmp_path / "parts", *settings, "images=24")  # six steps of D: an interval and a half
    again = [f"resume={tmp_path / 'parts'}", "images=56"]
    verb.train(composed(*again), tmp_path / "parts", again, Console(quiet=True))
    one, other = (
        read(tmp_path / folder / "checkpoints" / "last.ckpt")["state_dict"] for folder in ("whole", "parts")
    )
    assert one["augment.steps.1.controller.steps"] == 2
    assert one["augment.steps.1.p"] != 0.5
    assert all(torch.equal(value, other[name]) for name, value in one.items())
