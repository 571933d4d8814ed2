"""DiscoGAN: its networks, its curriculum, its feature maps, its loop."""

from functools import partial
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from pytorch_lightning import Trainer
from small import composed
from torch import Tensor, nn
from torch.nn.functional import softplus

from gantool.data.module import ImageData, in_range
from gantool.data.synthetic import synthetic_piles
from gantool.duel import Duel
from gantool.fit import quiet
from gantool.gan import GAN
from gantool.losses.adversarial import NonSaturating
from gantool.losses.feature_matching import FeatureMaps
from gantool.losses.objective import Objective
from gantool.losses.reconstruction import Cycle
from gantool.models.discogan import Discriminator, Generator
from gantool.optim import Recipe
from gantool.schedules import at
from gantool.summary import parameters
from gantool.tasks.unpaired import Unpaired

BATCH = 4
ITERATIONS = 10_000  # of the authors' curriculum; every third is D's
SMALL = ["data=synthetic_piles", "model=discogan", "data.width=4"]


def of_G(iterations: int) -> int:
    """The updates of G among the first iterations of the authors' loop."""
    return sum(iteration % 3 != 0 for iteration in range(iterations))


@pytest.mark.parametrize(("source_channels", "channels"), [(3, 3), (1, 4)])
def test_the_networks_have_the_parameters_of_the_authors_layers(source_channels: int, channels: int):
    inner = 16 * (64 * 128 + 128 * 256 + 256 * 512)  # 4x4 weights without biases
    down, up = 2 * (128 + 256 + 512), 2 * (256 + 128 + 64)  # gains and biases of batch norm
    with torch.device("meta"):
        G = Generator(64, source_channels, channels, resolution=64)
        D = Discriminator(64, channels, resolution=64)
    assert parameters(G) == 16 * 64 * (source_channels + channels) + 2 * inner + down + up
    assert parameters(D) == 16 * 64 * channels + inner + down + 16 * 512
    if channels == source_channels == 3:
        assert (parameters(G), parameters(D)) == (5_513_856, 2_765_568)  # the latter DCGAN's


def test_d_shows_three_rectified_maps_at_64_pixels():
    torch.manual_seed(0)
    verdict = Discriminator(2, 3, resolution=64)(torch.rand(5, 3, 64, 64) * 2 - 1)
    assert {name: tuple(value.shape) for name, value in verdict.items()} == {
        "logits": (5,),
        "features_2": (5, 4, 16, 16),
        "features_3": (5, 8, 8, 8),
        "features_4": (5, 16, 4, 4),
    }
    for name in verdict.keys() - {"logits"}:
        assert -verdict[name].min() < verdict[name].max() / 2  # a fifth of what is below 0 comes through


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (33, 19), (3, 5)])
def test_a_generator_answers_in_the_size_of_its_source_whatever_it_was_trained_on(size: tuple[int, int]):
    fake = Generator(1, 1, 3, resolution=16).eval()(torch.rand(1, 1, *size) * 2 - 1)
    assert fake.shape == (1, 3, *size)
    assert fake.abs().max() <= 1


def test_images_between_minus_one_and_one_go_in_and_out_as_the_authors_between_zero_and_one():
    torch.manual_seed(0)
    G = Generator(2, 3, 1, resolution=16).double()
    D = Discriminator(2, 3, resolution=16).double()
    image = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close((G(2 * image - 1) + 1) / 2, G.layers(image).sigmoid())
    torch.testing.assert_close(D(2 * image - 1)["features_2"], D.stages[0](D.first(image)))


def test_images_too_small_for_a_second_layer_are_refused():
    with pytest.raises(ValueError, match=r"data\.resolution=8.*16 pixels or more"):
        Discriminator(2, 3, resolution=8)


class Linear(nn.Module):
    """A D whose maps are linear in the image."""

    def __init__(self, weights: dict[str, Tensor]):
        super().__init__()
        self.weights = weights

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = {name: x.flatten(1) @ weight for name, weight in self.weights.items()}
        return {"logits": x.flatten(1).sum(1), "code": x.flatten(1), **maps}


def against(D: nn.Module, real: Tensor, fake: Tensor) -> Duel:
    return Duel(nn.Identity(), D, fake, real, fake)


def test_the_feature_term_of_a_linear_d_is_the_mean_square_of_what_it_makes_of_the_difference_of_means():
    torch.manual_seed(0)
    real, fake = torch.randn(6, 2, 3, 3).double(), torch.randn(6, 2, 3, 3).double()
    one, other = torch.randn(18, 5).double(), torch.randn(18, 7).double()
    gap = (real.mean(0) - fake.mean(0)).flatten()
    closed = (gap @ one).square().mean() + (gap @ other).square().mean()
    D = Linear({"features_2": one, "features_3": other})
    torch.testing.assert_close(FeatureMaps()(against(D, real, fake)), closed)


def test_the_feature_term_is_nothing_for_identical_batches_and_heeds_no_order():
    torch.manual_seed(0)
    D = Discriminator(2, 1, resolution=16).double()
    real, fake = torch.rand(2, 6, 1, 16, 16).double()
    term = FeatureMaps()
    assert term(against(D, real, real)).item() == 0
    assert term(against(D, real, real.roll(2, 0))).item() == pytest.approx(0, abs=1e-25)
    value = term(against(D, real, fake))
    assert value > 1e-6
    torch.testing.assert_close(term(against(D, real.flip(0), fake.roll(1, 0))), value)


def test_the_feature_term_moves_the_fakes_alone():
    D = Linear({"features_2": torch.eye(4)})
    real, fake = torch.rand(3, 1, 2, 2).requires_grad_(), torch.rand(3, 1, 2, 2).requires_grad_()
    FeatureMaps()(against(D, real, fake)).backward()
    assert real.grad is None
    gap = (fake.mean(0) - real.mean(0)).detach()
    torch.testing.assert_close(fake.grad, (gap * 2 / 4 / 3).expand(3, 1, 2, 2))


def test_a_d_that_shows_no_maps_is_refused_with_the_cure():
    real = torch.rand(2, 1, 2, 2)
    with pytest.raises(ValueError, match="model=discogan"):
        FeatureMaps()(against(nn.Flatten(), real, real))


def objective_of(*overrides: str) -> Objective:
    return instantiate(composed(*SMALL, *overrides).loss, _convert_="all")


def test_the_way_back_begins_to_count_with_the_update_of_g_with_which_it_did_in_the_authors_loop():
    cfg = composed("data=synthetic_piles", "model=discogan")
    objective = objective_of()
    weights = [objective.adversarial.weight, *(term.weight for term in objective.terms_of("G").values())]
    last = (of_G(ITERATIONS) - 1) * cfg.batch_size  # images before the last update of the first phase
    for r, images in ((0.01, 0), (0.01, last), (0.5, last + cfg.batch_size), (0.5, 10**9)):
        expected = [0.1 * (1 - r), 0.9 * (1 - r), r / 4]
        assert [at(weight, images) for weight in weights] == pytest.approx(expected)


def test_one_key_moves_the_whole_curriculum():
    objective = objective_of("loss.adversarial.weight.images=100")
    weights = [objective.adversarial.weight, *(term.weight for term in objective.terms_of("G").values())]
    assert [at(weight, 99) for weight in weights] == [0.099, 0.891, 0.0025]
    assert [at(weight, 100) for weight in weights] == [0.05, 0.45, 0.125]


@pytest.mark.parametrize(("r", "images"), [(0.01, 0), (0.5, 10**9)])
def test_both_objectives_are_the_authors_of_images_between_zero_and_one(r: float, images: int):
    torch.manual_seed(0)
    channels = {"a": 1, "b": 3}
    task = Unpaired(
        partial(Generator, 2, resolution=32), partial(Discriminator, 2, resolution=32), channels, history=0
    ).double()
    batch = {pile: torch.rand(4, count, 32, 32).double() * 2 - 1 for pile, count in channels.items()}

    def G(way: str, image: Tensor) -> Tensor:
        return (task.G[way](2 * image - 1) + 1) / 2  # pyright: ignore

    def D(pile: str, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        verdict = task.D[pile](2 * image - 1)  # pyright: ignore
        return verdict["logits"].sigmoid(), [verdict["features_2"], verdict["features_3"]]

    of_both: dict[str, Tensor | float] = {"D": 0.0, "G": 0.0}
    a, b = ((batch[pile] + 1) / 2 for pile in "ab")
    bce, mse, hinge = nn.BCELoss(), nn.MSELoss(), nn.HingeEmbeddingLoss()
    for way, pile, source, real in (("ab", "b", a, b), ("ba", "a", b, a)):
        fake = G(way, source)
        (of_real, seen_real), (of_fake, seen_fake) = D(pile, real), D(pile, fake)
        true, false = torch.ones_like(of_real), torch.zeros_like(of_real)
        of_both["D"] += bce(of_real, true) * 0.5 + bce(of_fake, false) * 0.5
        gaps = [(x.mean(0) - g.mean(0)) ** 2 for x, g in zip(seen_real, seen_fake, strict=True)]
        features = sum(hinge(gap, torch.ones_like(gap)) for gap in gaps)
        fooled = bce(of_fake, true)
        back = mse(G(way[::-1], fake), source)
        of_both["G"] += (0.1 * fooled + 0.9 * features) * (1 - r) + back * r

    objective = objective_of()
    for player, scale in (("D", 2), ("G", 1)):  # ours is the sum of D's sides, not their mean
        losses = objective(player, task.duels(batch), 0, images)
        torch.testing.assert_close(sum(losses.values()), of_both[player] * scale)


def test_the_decay_of_d_is_the_authors_beside_twice_their_loss():
    cfg = composed(*SMALL)
    assert cfg.optimizer.G.weight_decay == 1e-5
    assert cfg.optimizer.D.weight_decay == 2 * 1e-5
    assert (cfg.optimizer.G.lr, list(cfg.optimizer.D.betas)) == (2e-4, [0.5, 0.999])


def a_task() -> Unpaired:
    torch.manual_seed(0)
    G, D = partial(Generator, 4, resolution=16), partial(Discriminator, 4, resolution=16)
    return Unpaired(G, D, {"a": 3, "b": 3}, history=0)


def adam(network: nn.Module, decay: float) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), 1e-2, (0.5, 0.999), weight_decay=decay)


def test_discogan_equals_a_hand_written_loop_in_which_d_takes_every_third_turn_bit_for_bit():
    images, iterations = synthetic_piles(resolution=16, source_channels=3, channels=3, count=40, seed=0), 5
    recipes: dict[Any, Recipe] = {
        player: Recipe(partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.999), weight_decay=decay))
        for player, decay in (("D", 2e-3), ("G", 1e-3))
    }
    terms = {"features": FeatureMaps(0.9), "cycle": Cycle(2.0, distance="l2")}
    objective = Objective(NonSaturating(weight=0.1), G=terms)
    gan = GAN(a_task(), objective, recipes, n_generator=2, share_fakes=True)
    quiet()
    trainer = Trainer(
        max_steps=iterations,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, ImageData(images, BATCH, seed=3))
    steps = [{int(state["step"]) for state in optimizer.state.values()} for optimizer in trainer.optimizers]
    assert steps == [{3}, {5}]  # D G G D G G D G

    plain = a_task()
    ab, ba, judge_a, judge_b = (plain.G["ab"], plain.G["ba"], plain.D["a"], plain.D["b"])  # pyright: ignore
    for_G, for_D = adam(plain.G, 1e-3), adam(plain.D, 2e-3)
    walk = images.walk(3)
    for iteration in range(iterations):
        batch = in_range(images[walk(iteration * BATCH, BATCH)], torch.float32)
        a, b = batch["a"], batch["b"]
        fake_b, fake_a = ab(a), ba(b)
        if iteration % 2 == 0:
            for_D.zero_grad()
            of_b = (
                softplus(-judge_b(b)["logits"]).mean() + softplus(judge_b(fake_b.detach())["logits"]).mean()
            )
            of_a = (
                softplus(-judge_a(a)["logits"]).mean() + softplus(judge_a(fake_a.detach())["logits"]).mean()
            )
            (of_b + of_a).backward()
            for_D.step()
        for_G.zero_grad()
        shown_b, shown_a, true_b, true_a = judge_b(fake_b), judge_a(fake_a), judge_b(b), judge_a(a)
        fool = softplus(-shown_b["logits"]).mean() + softplus(-shown_a["logits"]).mean()
        gaps = [
            (true["features_2"].detach().mean(0) - shown["features_2"].mean(0)).square().mean()
            for true, shown in ((true_b, shown_b), (true_a, shown_a))
        ]
        seen = {name: value.clone() for name, value in plain.G.named_buffers() if "running" in name}
        cycle = (ba(fake_b) - a).square().mean() + (ab(fake_a) - b).square().mean()
        (0.1 * fool + 0.9 * (gaps[0] + gaps[1]) + 2 * cycle).backward()
        for_G.step()
        for name, value in seen.items():  # of sources alone: what a generator is used for
            plain.G.get_buffer(name).copy_(value)

    for name, value in plain.state_dict().items():
        if "num_batches_tracked" in name:
            continue
        assert torch.equal(gan.task.state_dict()[name], value), name
