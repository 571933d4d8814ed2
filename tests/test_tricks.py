"""The cures for collapse and overfitting: each in closed form, and each on a trained family."""

from dataclasses import replace
from functools import partial
from math import erf, exp, pi, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from small import composed, trained
from torch import Tensor, nn

from gantool.augment.augment import Augment, Chance
from gantool.chance import keys, normal, uniform
from gantool.checkpoint import load, read
from gantool.duel import Duel
from gantool.layers.packed import Packed
from gantool.layers.spectral import normalise
from gantool.losses.adversarial import Hinge, Minimax, NonSaturating, RelativisticPairing
from gantool.losses.consistency import (
    Consistency,
    LatentConsistency,
    LatentDiversity,
    moved_and_mirrored,
)
from gantool.losses.equilibrium import Equilibrium
from gantool.losses.feature_matching import FeatureMatching
from gantool.losses.lecam import LeCam
from gantool.losses.objective import Objective
from gantool.losses.orthogonality import Orthogonality
from gantool.losses.penalties import R1
from gantool.losses.top_k import TopK
from gantool.losses.unrolled import Unrolled
from gantool.models import dcgan
from gantool.optim import Recipe
from gantool.priors import truncated
from gantool.schedules import Exponential

TRICKS = sorted(path.stem for path in (Path(__file__).parent.parent / "conf" / "trick").glob("*.yaml"))
CPU = torch.device("cpu")


class Sum(nn.Module):
    """C(x) = the sum of x."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).sum(1)


def of_logits(real: Tensor, fake: Tensor) -> Duel:
    """A duel whose logits are given."""
    return Duel(nn.Identity(), nn.Identity(), fake, real, fake)


def everywhere(generator: nn.Module, discriminator: nn.Module, x: Tensor) -> Duel:
    """A duel whose source, reals and fakes are one and the same."""
    return Duel(generator, discriminator, x, x, x)


# Random numbers of samples.


def test_numbers_of_a_sample_do_not_depend_on_its_batch():
    key = keys(6, CPU)
    for draw in (uniform, normal):
        assert torch.equal(draw(key, "here", 3, 4)[2:4], draw(key[2:4], "here", 3, 4))
        assert not torch.equal(draw(key, "here", 3), draw(key, "there", 3))


def test_numbers_of_a_sample_are_uniform_and_normal_and_independent():
    key = keys(200, CPU)
    flat, bell = uniform(key, "u", 100, dtype=torch.float64), normal(key, "n", 100, dtype=torch.float64)
    error = 1 / sqrt(flat.numel())
    assert flat.min() >= 0
    assert flat.max() < 1
    assert flat.mean().item() == pytest.approx(1 / 2, abs=4 * error * sqrt(1 / 12))
    assert flat.var().item() == pytest.approx(1 / 12, abs=4 * error * sqrt(1 / 180))
    assert bell.mean().item() == pytest.approx(0, abs=4 * error)
    assert bell.var().item() == pytest.approx(1, abs=4 * error * sqrt(2))
    assert (bell**4).mean().item() == pytest.approx(3, abs=4 * error * sqrt(96))
    for numbers in (flat, bell):
        neighbours = torch.corrcoef(torch.stack([numbers[:, :-1].flatten(), numbers[:, 1:].flatten()]))
        samples = torch.corrcoef(torch.stack([numbers[:-1].flatten(), numbers[1:].flatten()]))
        assert abs(neighbours[0, 1].item()) < 4 * error
        assert abs(samples[0, 1].item()) < 4 * error


# PacGAN.


def plain_dcgan(channels: int = 3) -> partial[nn.Module]:
    return partial(dcgan.Discriminator, width=4, channels=channels, resolution=16, norm="none")


def test_packs_of_one_are_the_baseline():
    torch.manual_seed(0)
    packed = Packed(plain_dcgan(), 1)
    torch.manual_seed(0)
    images = torch.randn(4, 3, 16, 16)
    torch.manual_seed(0)
    assert torch.equal(packed(images), plain_dcgan()()(images))


@pytest.mark.parametrize(("pack", "published"), [(2, 2), (3, 3), (4, 4)])
def test_packs_widen_the_first_layer_of_d_and_nothing_else(pack: int, published: int):
    one, many = plain_dcgan()(), Packed(plain_dcgan(), pack)
    shapes = {name: tuple(p.shape) for name, p in one.named_parameters()}
    for name, parameter in many.network.named_parameters():
        expected = shapes[name] if name != "layers.0.weight" else (4, 3 * published, 4, 4)
        assert tuple(parameter.shape) == expected


def test_a_pack_holds_samples_a_whole_number_of_packs_apart():
    seen: list[Tensor] = []

    class Spy(Sum):
        def __init__(self, channels: int):
            super().__init__()
            self.channels = channels

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().forward(x)

    verdicts = Packed(partial(Spy, channels=1), 2)(torch.arange(6.0)[:, None, None, None])
    assert seen[0].flatten(1).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert verdicts.tolist() == [3, 5, 7]


def test_processes_that_take_every_second_sample_build_the_packs_of_one():
    images = torch.randn(8, 3, 16, 16)
    packed = Packed(plain_dcgan(), 2)
    whole = packed(images)
    torch.testing.assert_close(packed(images[0::2]), whole[0::2])
    torch.testing.assert_close(packed(images[1::2]), whole[1::2])


def test_a_penalty_is_that_of_a_pack():
    """C(a, b) = w.a + v.b has the squared slope |w|^2 + |v|^2, however many packs there are."""

    class Linear(nn.Module):
        def __init__(self, channels: int):
            super().__init__()
            self.w = torch.arange(1.0, channels * 4 + 1)

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) @ self.w

    packed = Packed(partial(Linear, channels=1), 2)
    reals = torch.randn(6, 1, 2, 2)
    duel = Duel(nn.Identity(), packed, reals, reals, reals, differentiated=frozenset({"real"}))
    assert R1()(duel).item() == pytest.approx(sum(i * i for i in range(1, 9)) / 2)


def test_what_makes_no_packs_is_refused_before_training(tmp_path: Path):
    with pytest.raises(ValueError, match="make no packs of 3"):
        trained(tmp_path, "model=dcgan", "task.pack=3")
    with pytest.raises(Exception, match="pack holds several classes"):
        trained(tmp_path, "model=cgan", "trick=pacgan")


# Lenses.


def test_top_k_gives_no_gradient_to_the_fakes_that_d_finds_least_real():
    fake = torch.tensor([0.3, -1.0, 2.0, 0.1], requires_grad=True)
    duel = TopK(0.5)(of_logits(torch.zeros(4), fake), NonSaturating(), 0)
    (slope,) = torch.autograd.grad(NonSaturating().generator(duel), fake)
    assert (slope != 0).tolist() == [True, False, True, False]
    torch.testing.assert_close(slope[2], -(1 - fake[2].sigmoid()) / 2)


def test_top_k_keeps_pairs_of_real_and_fake_together():
    real, fake = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([5.0, 7.0, 6.0])
    duel = TopK(2 / 3)(of_logits(real, fake), RelativisticPairing(), 0)
    expected = nn.functional.softplus(torch.tensor([2.0 - 7.0, 3.0 - 6.0])).mean()
    torch.testing.assert_close(RelativisticPairing().generator(duel), expected)


def test_top_k_of_packs_keeps_whole_packs():
    packed = Packed(partial(Pixel, channels=1), 2)
    fakes = torch.tensor([0.0, 5.0, 1.0, 2.0])[:, None, None, None]  # packs (0, 1) and (5, 2)
    duel = TopK(0.5)(Duel(nn.Identity(), packed, fakes, fakes, fakes), Hinge(), 0)
    assert duel.fake.flatten().tolist() == [5.0, 2.0]
    assert duel.fake_logits.tolist() == duel.judge(duel.fake_view).tolist() == [7.0]


class Pixel(Sum):
    def __init__(self, channels: int):
        super().__init__()


def test_the_share_of_top_k_falls_monotonically_to_its_floor():
    share = composed("trick=top_k").loss.lenses.top_k.share
    schedule = Exponential(share.start, share.half_life, share.floor)
    assert schedule(50_000) == pytest.approx(0.99, abs=1e-5)
    values = [schedule(images) for images in range(0, 10_000_000, 500_000)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0.5


class Bilinear(nn.Module):
    """f(D, G) = D G, whose loss for D is -f: D ascends."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.theta * x.flatten(1).sum(1)


class Ascends(Hinge):  # pyright: ignore[reportGeneralTypeIssues]
    """D maximises, G minimises C(g)."""

    def discriminator(self, duel: Duel) -> Tensor:
        return -duel.fake_logits.mean()

    def generator(self, duel: Duel) -> Tensor:
        return duel.fake_logits.mean()


def bilinear(steps: int, lr: float) -> tuple[Tensor, Tensor, Bilinear, Duel]:
    D = Bilinear().requires_grad_(False)
    theta_g = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    duel = Duel(nn.Identity(), D, theta_g.view(1, 1), theta_g.detach().view(1, 1), theta_g.view(1, 1))
    lens = Unrolled(steps)
    lens.meet(torch.optim.SGD(D.parameters(), lr=lr))
    loss = Ascends().generator(lens(duel, Ascends(), 0))
    return torch.autograd.grad(loss, theta_g)[0], theta_g.detach(), D, duel


def test_unrolling_a_bilinear_game_gives_g_the_gradient_of_its_closed_form():
    """After k steps of D, G minimises g (d + k eta g), whose slope is d + 2 k eta g."""
    for steps in (0, 1, 5):
        slope, g, D, _ = bilinear(steps, lr=0.1)
        torch.testing.assert_close(slope, D.theta.detach() + 2 * steps * 0.1 * g)


def test_looking_ahead_leaves_d_as_it_was():
    _, _, D, duel = bilinear(5, lr=0.1)
    assert D.theta.item() == 0.7
    assert D.theta.grad is None
    assert duel.discriminator is D


def test_the_steps_ahead_are_those_that_adam_then_takes():
    torch.manual_seed(0)
    D = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(0)).double()
    optimizer = torch.optim.Adam(D.parameters(), lr=0.05, betas=(0.5, 0.9))
    real, fake = torch.randn(2, 8, 1, 2, 2, dtype=torch.float64)
    duel = Duel(nn.Identity(), D, fake, real, fake)
    for _ in range(3):  # so that the moments are not 0
        optimizer.zero_grad()
        NonSaturating().discriminator(replace(duel)).backward()
        optimizer.step()
    D.requires_grad_(False)
    lens = Unrolled(2)
    lens.meet(optimizer)
    ahead = lens(duel, NonSaturating(), 0).fake_logits.detach()
    D.requires_grad_(True)
    for _ in range(2):
        optimizer.zero_grad()
        NonSaturating().discriminator(replace(duel)).backward()
        optimizer.step()
    torch.testing.assert_close(ahead, D(fake).detach(), rtol=0, atol=1e-9)


def test_unrolling_refuses_an_optimizer_whose_steps_it_does_not_know():
    with pytest.raises(ValueError, match=r"loss\.lenses\.unrolled .* not RMSprop: choose optimizer=adam"):
        Unrolled(5).check("lenses.unrolled", Recipe(partial(torch.optim.RMSprop, lr=0.1)), Hinge())
    with pytest.raises(ValueError, match="steps that are never taken"):
        Unrolled(5).check("lenses.unrolled", Recipe(partial(torch.optim.Adam, lr=0.1)), Equilibrium())


# Terms.


def test_lecam_is_nothing_for_a_d_no_surer_than_on_average_and_a_squared_distance_beyond():
    term = LeCam()
    term.real_mean.fill_(1.0)
    term.fake_mean.fill_(-1.0)
    assert term(of_logits(torch.tensor([-2.0, -1.0]), torch.tensor([1.0, 3.0]))).item() == 0
    assert term(of_logits(torch.tensor([1.0]), torch.tensor([-1.5]))).item() == pytest.approx(2**2 + 2.5**2)


def test_the_averages_of_lecam_start_with_the_first_means_and_move_by_their_decay():
    term = LeCam(decay=0.9)
    for real, expected in ((4.0, 4.0), (2.0, 0.9 * 4 + 0.1 * 2)):
        loss = term(of_logits(torch.full((4,), real, requires_grad=True), torch.zeros(4, requires_grad=True)))
        assert loss.isfinite()
        term.settle()
        assert term.real_mean.item() == pytest.approx(expected)
    assert not term.real_mean.requires_grad


def test_what_a_loss_observes_is_the_mean_over_its_micro_batches():
    whole, cut = LeCam(), LeCam()
    real, fake = torch.randn(8), torch.randn(8)
    whole(of_logits(real, fake))
    cut(of_logits(real[:2], fake[:2]))
    cut(of_logits(real[2:], fake[2:]))
    for term in (whole, cut):
        term.settle()
    torch.testing.assert_close(whole.real_mean, cut.real_mean)
    torch.testing.assert_close(whole.fake_mean, cut.fake_mean)


def test_consistency_is_nothing_for_a_d_that_does_not_mind_and_something_for_one_that_does():
    images = torch.randn(8, 2, 6, 6)
    at_ease, minds = Sum(), Corner()
    wrapped = Duel(nn.Identity(), at_ease, images, images.mean((2, 3), True).expand_as(images), images)
    assert Consistency(fake=0.0)(wrapped).item() == pytest.approx(0, abs=1e-6)
    assert Consistency()(Duel(nn.Identity(), minds, images, images, images)).item() > 0


class Corner(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, 0]


def test_balanced_consistency_adds_the_fakes():
    same, other = torch.zeros(8, 1, 6, 6), torch.randn(8, 1, 6, 6)
    duel = Duel(nn.Identity(), Corner(), other, same, other, key=keys(8, CPU))
    assert Consistency(fake=0.0)(duel).item() == 0
    assert Consistency(fake=1.0)(duel).item() > 0
    assert Consistency(fake=2.0)(duel).item() == pytest.approx(2 * Consistency(fake=1.0)(duel).item())


def test_images_are_mirrored_and_shifted_as_drawn():
    image = torch.arange(12.0).view(1, 1, 3, 4)
    stay, mirror = torch.tensor([[0.9, 0.5, 0.5]]), torch.tensor([[0.1, 0.5, 0.5]])
    assert torch.equal(moved_and_mirrored(image, stay, 1), image)
    assert torch.equal(moved_and_mirrored(image, mirror, 1), image.flip(3))
    down = moved_and_mirrored(image, torch.tensor([[0.9, 0.0, 0.99]]), 1)  # rows -1, columns +1
    assert torch.equal(down[0, 0, 1:, :3], image[0, 0, :2, 1:])


def test_latent_consistency_is_nothing_at_radius_zero():
    duel = everywhere(nn.Tanh(), Sum(), torch.randn(8, 3))
    duel.fake = duel.source.tanh()
    assert LatentConsistency(radius=0.0)(duel).item() == 0
    assert LatentDiversity(radius=0.0)(duel).item() == 0
    assert LatentConsistency(radius=0.1)(duel).item() > 0


def test_latent_diversity_of_a_linear_generator_is_its_gain_times_the_radius_squared():
    torch.manual_seed(0)
    source = torch.randn(5_000, 2, dtype=torch.float64)
    gain = 3.0

    class Gain(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return gain * z

    duel = Duel(Gain(), Sum(), source, source, gain * source)
    value = LatentDiversity(radius=0.1)(duel).item()
    assert value == pytest.approx(-((gain * 0.1) ** 2), rel=0.06)


def test_orthogonality_is_nothing_for_orthogonal_filters_of_any_length():
    torch.manual_seed(0)
    network = nn.Linear(5, 3, bias=False).double()
    nn.init.orthogonal_(network.weight)
    duel = everywhere(network, network, torch.zeros(1, 5, dtype=torch.float64))
    with torch.no_grad():
        network.weight *= torch.tensor([[1.0], [7.0], [0.1]])
    assert Orthogonality(of="G")(duel).item() == pytest.approx(0, abs=1e-20)
    with torch.no_grad():
        network.weight.copy_(torch.eye(3, 5))
        network.weight[1] = network.weight[0]
    assert Orthogonality(of="D")(duel).item() == pytest.approx(2.0)


def test_orthogonality_leaves_embeddings_out_and_reads_transposed_convolutions_by_output():
    network = nn.Sequential(nn.Embedding(4, 3), nn.ConvTranspose2d(2, 1, 2, bias=False))
    duel = everywhere(network, network, torch.zeros(1))
    assert Orthogonality(of="G")(duel).item() == 0  # one output: no two rows to overlap


def test_orthogonality_is_that_of_the_weight_before_spectral_norm():
    network = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[2.0, 0.0], [2.0, 0.0]]))
    normalise(network, 1e-12)
    assert Orthogonality(of="G")(everywhere(network, network, torch.zeros(1, 2))).item() == 2 * 4**2


def test_feature_matching_is_nothing_for_identical_batches_and_the_distance_of_means_otherwise():
    D = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    real = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert FeatureMatching()(Duel(nn.Identity(), D, real, real, real.flip(0))).item() == 0
    fake = real + torch.tensor([3.0, 4.0])
    assert FeatureMatching()(Duel(nn.Identity(), D, real, real, fake)).item() == pytest.approx(25)


def test_label_smoothing_moves_the_best_verdict_on_pure_reals_to_its_target():
    """Without fakes the best logit has sigmoid 1 - s."""
    logit = torch.tensor([2.0], dtype=torch.float64, requires_grad=True)
    fake = torch.zeros(1, dtype=torch.float64)
    for loss in (NonSaturating(smoothing=0.1), Minimax(smoothing=0.1)):
        (slope,) = torch.autograd.grad(loss.discriminator(of_logits(logit, fake)), logit)
        torch.testing.assert_close(slope, logit.detach().sigmoid() - 0.9)


# Augmentation and the loop.


class Shift(Augment):
    """Adds a number of each sample's own."""

    def forward(self, image: Tensor, chance: Chance) -> Tensor:
        return image + chance("shift")[:, None, None, None]


def test_d_sees_reals_and_fakes_through_the_augmentation_and_each_differently():
    images = torch.zeros(4, 1, 2, 2)
    duel = Duel(nn.Identity(), Sum(), images, images, images, augment=Shift(), key=keys(4, CPU))
    assert torch.equal(duel.real_view, images + duel.chance("real shift")[:, None, None, None])
    assert not torch.equal(duel.real_view, duel.fake_view)
    torch.testing.assert_close(duel.fake_logits, 4 * duel.chance("fake shift"))


def test_penalties_differentiate_at_what_d_sees():
    images = torch.zeros(4, 1, 2, 2)
    views = frozenset({"real"})
    duel = Duel(nn.Identity(), Sum(), images, images, images, augment=Shift(), differentiated=views)
    assert duel.real_view.is_leaf
    assert R1()(duel).item() == pytest.approx(4 / 2)


def test_a_verdict_of_several_heads_is_kept_whole():
    class Heads(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"logits": x.flatten(1).sum(1), "class": x.flatten(1)}

    images = torch.ones(2, 1, 1, 3)
    duel = Duel(nn.Identity(), Heads(), images, images, 2 * images)
    assert duel.real_logits.tolist() == [3, 3]
    assert duel.fake_verdict["class"].shape == (2, 3)
    assert duel.judge(images).tolist() == [3, 3]


@pytest.mark.parametrize("trick", TRICKS)
def test_every_trick_trains_and_comes_back_from_its_checkpoint(trick: str, tmp_path: Path):
    settings = ["model=dcgan", "model.D.norm=none", f"trick={trick}", "images=24"]
    if trick == "lecam":
        settings.append("loss.D.lecam.weight=0.3")
    assert trained(tmp_path, *settings) == 0
    config: Any = read(tmp_path / "checkpoints" / "last.ckpt")["gantool"]["config"]
    assert config["loss"] != composed("model=dcgan").loss or config["task"]["pack"] == 2
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    assert all(value.isfinite().all() for value in gan.state_dict().values())


def test_tricks_go_together(tmp_path: Path):
    several = "trick=[r1,r2,balanced_consistency,latent_consistency,pacgan,top_k,unrolled,feature_matching]"
    assert trained(tmp_path, "model=dcgan", "model.D.norm=layer", several, "images=16") == 0


def test_a_trick_that_does_not_suit_the_loss_is_refused(tmp_path: Path):
    with pytest.raises(Exception, match="smoothing"):
        trained(tmp_path, "model=dcgan", "loss=hinge", "trick=label_smoothing")


def test_an_unknown_name_in_an_objective_is_not_ignored():
    with pytest.raises(TypeError):
        Objective(NonSaturating(), lens={})  # pyright: ignore


# Truncation.


def test_truncated_latents_never_exceed_the_threshold_and_keep_their_order():
    latent = torch.randn(100_000)
    inside = truncated(latent, 0.5)
    assert inside.abs().max() <= 0.5
    order = latent.argsort()
    assert (inside[order].diff() >= 0).all()


def test_truncated_latents_are_distributed_as_if_drawn_again():
    """The variance of a normal on [-t, t] is 1 - 2 t phi(t) / (2 Phi(t) - 1)."""
    torch.manual_seed(0)
    t = 1.0
    phi, share = exp(-t * t / 2) / sqrt(2 * pi), erf(t / sqrt(2))
    variance = truncated(torch.randn(200_000), t).var().item()
    assert variance == pytest.approx(1 - 2 * t * phi / share, rel=0.01)


def test_a_wide_threshold_changes_nothing():
    latent = torch.randn(1000)
    torch.testing.assert_close(truncated(latent, 8.0), latent, atol=1e-6, rtol=1e-5)


# Fine-tuning.


def test_frozen_layers_are_bit_identical_after_training_and_the_others_move(tmp_path: Path):
    assert trained(tmp_path / "first", "model=dcgan", "images=16") == 0
    first = tmp_path / "first" / "checkpoints" / "last.ckpt"
    settings = ["model=dcgan", f"start={first}", "freeze.D=1", "seed=7", "images=16", "ema=50"]
    assert trained(tmp_path / "second", *settings) == 0
    before, after = (
        read(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"] for run in ("first", "second")
    )
    assert torch.equal(before["task.D.layers.0.weight"], after["task.D.layers.0.weight"])
    moved = [name for name, value in before.items() if name.endswith("weight") and name in after]
    moved = [name for name in moved if not torch.equal(before[name], after[name])]
    assert {"task.D.layers.2.weight", "task.G.layers.0.weight"} <= set(moved)


def test_a_run_that_is_trained_no_further_is_the_one_it_started_from(tmp_path: Path):
    settings = ["model=dcgan", "images=8", "ema=50"]
    assert trained(tmp_path / "first", *settings) == 0
    still = [*settings, f"start={tmp_path / 'first'}", "optimizer.lr=0.0"]
    with pytest.raises(ValueError, match=r"start=.*networks are others: \S+ is of"):
        trained(tmp_path / "other", *settings, f"start={tmp_path / 'first'}", "data.resolution=32")
    assert trained(tmp_path / "second", *still) == 0
    before, after = (
        read(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"] for run in ("first", "second")
    )
    for name, value in before.items():
        if name.startswith("task.") and name.endswith("weight"):
            torch.testing.assert_close(value, after[name])


def test_freezing_more_layers_than_there_are_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="layers are all that Discriminator has"):
        trained(tmp_path, "model=dcgan", "freeze.D=99")
    with pytest.raises(ValueError, match=r"freeze\.G=-1"):
        trained(tmp_path, "model=dcgan", "freeze.G=-1")
