"""Losses of single families: DRAGAN's penalty, BEGAN's equilibrium, InfoGAN's bound, AC-GAN's classifier."""

from math import log

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from gantool.duel import Duel
from gantool.losses.adversarial import NonSaturating
from gantool.losses.auxiliary import AuxiliaryClassifier
from gantool.losses.dragan import LocalGradientPenalty
from gantool.losses.equilibrium import Equilibrium
from gantool.losses.information import MutualInformation
from gantool.losses.objective import Objective
from gantool.losses.term import Term
from gantool.models import acgan, infogan
from gantool.priors import Codes

CPU = torch.device("cpu")


class Linear(nn.Module):
    """C(x) = w . x + b with w = (3, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0, 4.0]))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w + 0.5


class Spy(nn.Module):
    """C(x) = |x|^2 / 2, and a memory of what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return x.square().flatten(1).sum(1) / 2


# DRAGAN


def near(real: Tensor) -> Tensor:
    """Where the penalty differentiates."""
    D = Spy()
    LocalGradientPenalty()(Duel(nn.Identity(), D, real, real, torch.zeros_like(real)))
    [seen] = D.seen
    return seen


def test_dragans_penalty_of_a_linear_critic_is_its_distance_from_norm_one_squared():
    real = torch.randn(5, 1, 1, 2)
    assert LocalGradientPenalty()(Duel(nn.Identity(), Linear(), real, real, real)).item() == pytest.approx(16)


def test_dragans_penalty_does_not_look_at_fakes():
    real, key = torch.randn(5, 1, 4, 4), torch.arange(5)
    one, other = (
        Duel(nn.Identity(), Spy(), real, real, torch.full_like(real, value), key=key) for value in (0.0, 9.0)
    )
    assert torch.equal(LocalGradientPenalty()(one), LocalGradientPenalty()(other))
    assert "fake_view" not in vars(one)


def test_dragan_differentiates_up_to_half_a_deviation_above_the_reals():
    real = torch.randn(64, 1, 8, 8)
    away = (near(real) - real) / real.std(correction=0)
    assert 0 <= away.min() < 0.001
    assert 0.45 < away.max() < 0.5
    assert away.mean().item() == pytest.approx(0.5 * 0.5 * 0.5, abs=0.02)  # of two uniform numbers


def test_dragan_steps_a_distance_of_its_own_for_each_sample_in_a_direction_of_its_own_for_each_pixel():
    real = torch.randn(64, 1, 8, 8)
    away = (near(real) - real).flatten(1)
    assert away[0].unique().numel() > 60
    longest = away.max(1).values / real.std(correction=0)
    assert longest.min() < 0.1
    assert longest.max() > 0.4


def test_around_equal_pixels_dragan_stays_at_the_reals():
    real = torch.full((4, 1, 4, 4), 0.3)
    torch.testing.assert_close(near(real), real)


def test_dragans_penalty_reaches_the_weights_of_d_and_not_those_of_g():
    G = nn.Conv2d(1, 1, 1)
    real = torch.randn(4, 1, 1, 2)
    D = Linear()
    LocalGradientPenalty()(Duel(G, D, real, real, G(real))).backward()
    assert D.w.grad is not None
    assert D.w.grad.abs().sum() > 0
    assert G.weight.grad is None


# BEGAN


class Erring(nn.Module):
    """An autoencoder of images that say how much it errs, (N,)."""

    def forward(self, error: Tensor) -> dict[str, Tensor]:
        return {"logits": -error, "reconstruction": torch.zeros_like(error)}


def erring(real: Tensor, fake: Tensor) -> Duel:
    return Duel(nn.Identity(), Erring(), fake, real, fake)


def errors(real: float, fake: float) -> Duel:
    return erring(torch.full((4,), real), torch.full((4,), fake))


def turn(loss: Equilibrium, real: float, fake: float) -> float:
    """D's loss in a step of hers."""
    value = loss.discriminator(errors(real, fake)).item()
    loss.settle()
    return value


def test_at_first_began_only_reconstructs_reals():
    loss = Equilibrium()
    assert loss.discriminator(errors(real=0.7, fake=0.2)).item() == pytest.approx(0.7)
    assert loss.generator(errors(real=0.7, fake=0.2)).item() == pytest.approx(0.2)


def test_began_subtracts_k_times_the_error_of_fakes():
    loss = Equilibrium()
    loss.k.fill_(0.25)
    assert loss.discriminator(errors(real=0.7, fake=0.2)).item() == pytest.approx(0.7 - 0.25 * 0.2)


def test_k_follows_the_balance_of_the_errors():
    loss = Equilibrium(gamma=0.5, rate=0.1)
    turn(loss, real=1.0, fake=0.3)
    assert loss.k.item() == pytest.approx(0.1 * (0.5 - 0.3))
    turn(loss, real=1.0, fake=0.6)
    assert loss.k.item() == pytest.approx(0.1 * (0.5 - 0.3) + 0.1 * (0.5 - 0.6))


def test_k_rests_where_the_errors_are_in_equilibrium():
    loss = Equilibrium(gamma=0.5, rate=0.1)
    loss.k.fill_(0.4)
    turn(loss, real=0.8, fake=0.4)
    assert loss.k.item() == pytest.approx(0.4)


def test_k_stays_between_zero_and_one():
    loss = Equilibrium(gamma=0.5, rate=10.0)
    turn(loss, real=1.0, fake=0.1)
    assert loss.k.item() == 1.0
    turn(loss, real=0.1, fake=1.0)
    assert loss.k.item() == 0.0


def test_the_convergence_measure_is_the_error_of_reals_plus_the_imbalance():
    loss = Equilibrium(gamma=0.5)
    turn(loss, real=0.6, fake=0.9)
    assert loss.convergence.item() == pytest.approx(0.6 + abs(0.5 * 0.6 - 0.9))


def test_k_moves_by_the_mean_over_all_micro_batches_of_a_step():
    whole, parts = Equilibrium(rate=0.1), Equilibrium(rate=0.1)
    x, g = torch.rand(12), torch.rand(12) / 4
    whole.discriminator(erring(x, g))
    for start, end in ((0, 8), (8, 12)):
        parts.discriminator(erring(x[start:end], g[start:end]))
    whole.settle()
    parts.settle()
    torch.testing.assert_close(whole.k, parts.k)
    assert whole.k > 0


def test_k_does_not_move_in_a_step_that_saw_nothing():
    loss = Equilibrium()
    loss.k.fill_(0.4)
    loss.settle()
    assert loss.k.item() == pytest.approx(0.4)


def test_k_is_kept_in_checkpoints():
    assert set(Equilibrium().state_dict()) == {"k", "convergence"}


def test_began_lets_the_gradient_of_g_through_the_reconstruction():
    """L(g) = |g - a g| for an autoencoder that scales by a: the slope is 1 - a, not 1."""
    a = 0.25

    class Scaling(nn.Module):
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {"logits": -(image - a * image).abs().flatten(1).mean(1), "reconstruction": a * image}

    fake = torch.rand(1, 1, 2, 2, requires_grad=True)
    Equilibrium().generator(Duel(nn.Identity(), Scaling(), fake, fake, fake)).backward()
    torch.testing.assert_close(fake.grad, torch.full_like(fake, (1 - a) / 4))


def test_began_refuses_a_discriminator_that_is_no_autoencoder():
    logits = torch.zeros(4)
    with pytest.raises(ValueError, match="model=began"):
        Equilibrium().discriminator(Duel(nn.Identity(), nn.Identity(), logits, logits, logits))


@pytest.mark.parametrize(("name", "value"), [("gamma", -0.1), ("gamma", 1.5), ("rate", 0.0)])
def test_an_impossible_equilibrium_is_refused(name: str, value: float):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        Equilibrium(**{name: value})


# InfoGAN


class Reader(nn.Module):
    """A D whose guess of the code is given."""

    def __init__(self, guess: Tensor):
        super().__init__()
        self.guess = guess

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"logits": self.guess[:, 0], "code": self.guess}


def bound(source: Tensor, guess: Tensor, categorical: list[int], continuous: int) -> float:
    image = torch.zeros(len(source), 1, 2, 2)
    term = MutualInformation(categorical, continuous)
    return -term(Duel(nn.Identity(), Reader(guess), source, image, image)).item()


DIGIT = one_hot(torch.arange(20) % 10, 10).float()
NOISE = torch.randn(20, 5)


def test_a_perfect_guess_of_a_ten_way_code_carries_ln_ten():
    assert bound(torch.cat([NOISE, DIGIT], 1), 100 * DIGIT, [10], 0) == pytest.approx(log(10))


def test_a_uniform_guess_carries_nothing():
    assert bound(torch.cat([NOISE, DIGIT], 1), torch.zeros(20, 10), [10], 0) == pytest.approx(0, abs=1e-6)


def test_information_and_cross_entropy_add_up_to_the_entropy_of_the_code():
    guess = torch.randn(20, 10)
    information = bound(torch.cat([NOISE, DIGIT], 1), guess, [10], 0)
    assert information + cross_entropy(guess, DIGIT.argmax(1)).item() == pytest.approx(log(10))


def test_a_continuous_code_costs_half_its_squared_error():
    code, guess = torch.rand(20, 2), torch.randn(20, 2)
    expected = -((code - guess) ** 2).sum(1).mean() / 2
    assert bound(torch.cat([NOISE, code], 1), guess, [], 2) == pytest.approx(expected.item())


def test_the_continuous_part_is_a_normal_log_likelihood_of_deviation_one_up_to_a_constant():
    code, one, other = torch.rand(20, 2), torch.randn(20, 2), torch.randn(20, 2)
    source = torch.cat([NOISE, code], 1)
    likelihood = [torch.distributions.Normal(g, 1.0).log_prob(code).sum(1).mean() for g in (one, other)]
    difference = bound(source, one, [], 2) - bound(source, other, [], 2)
    assert difference == pytest.approx((likelihood[0] - likelihood[1]).item(), abs=1e-5)


def test_codes_add_up_and_what_follows_them_in_the_head_is_ignored():
    code, small = torch.rand(20, 2), one_hot(torch.arange(20) % 3, 3).float()
    guess = torch.cat([100 * DIGIT, torch.zeros(20, 3), code + 1, torch.randn(20, 2)], 1)
    source = torch.cat([NOISE, DIGIT, small, code], 1)
    assert bound(source, guess, [10, 3], 2) == pytest.approx(log(10) - 1)


def test_information_trains_q_and_g_and_leaves_the_verdict_of_d_alone():
    G = nn.Sequential(nn.Linear(14, 16 * 16), nn.Unflatten(1, (1, 16, 16)))
    D = infogan.Discriminator(width=4, categorical=[10], continuous=2, channels=1, resolution=16)
    z = Codes(14, [10], 2)(6, CPU)
    fake = G(z)
    MutualInformation([10], 2)(Duel(G, D, z, torch.zeros_like(fake), fake)).backward()
    assert G[0].weight.grad.abs().sum() > 0  # pyright: ignore
    assert D.code[0].weight.grad.abs().sum() > 0  # pyright: ignore
    assert D.trunk[0].weight.grad.abs().sum() > 0  # pyright: ignore
    assert D.verdict.weight.grad is None


def test_information_does_not_look_at_reals():
    judged = Duel(nn.Identity(), Reader(torch.zeros(20, 10)), DIGIT, torch.zeros(20, 1), torch.zeros(20, 1))
    MutualInformation([10], 0)(judged)
    assert "real_verdict" not in vars(judged)


@pytest.mark.parametrize(
    ("term", "head"), [(MutualInformation([10], 0), "code"), (AuxiliaryClassifier(["fake"]), "class")]
)
def test_a_term_names_the_head_that_d_lacks(term: Term, head: str):
    image = torch.zeros(20, 2)
    judged = Duel(nn.Identity(), nn.Flatten(), DIGIT, image, image, image[:, 0].long())
    judged.verdict = lambda view, exact=False: {"logits": view}  # pyright: ignore
    with pytest.raises(ValueError, match=f'head "{head}"'):
        term(judged)


def test_information_without_codes_is_refused():
    with pytest.raises(ValueError, match="without any code"):
        MutualInformation([], 0)


# The prior of InfoGAN


def test_a_latent_is_noise_then_one_hot_codes_then_continuous_ones():
    z = Codes(74, [10], 2)(1000, CPU)
    assert z.shape == (1000, 74)
    noise, code, continuous = z.split([62, 10, 2], 1)
    assert torch.equal(code.sum(1), torch.ones(1000))
    assert set(code.unique().tolist()) == {0.0, 1.0}
    for uniform in (noise, continuous):
        assert -1 <= uniform.min() < -0.98
        assert 0.98 < uniform.max() < 1


def test_all_values_of_a_code_are_equally_likely_and_codes_independent():
    z = Codes(7, [3, 4], 0)(24_000, CPU)
    joint = torch.einsum("na,nb->ab", z[:, :3], z[:, 3:]) / len(z)
    torch.testing.assert_close(joint, torch.full((3, 4), 1 / 12), atol=0.01, rtol=0)


def test_a_latent_may_be_codes_alone():
    assert Codes(12, [10], 2)(3, CPU).shape == (3, 12)


def test_codes_that_do_not_fit_into_the_latent_are_refused_with_the_size_they_need():
    with pytest.raises(ValueError, match=r"latent of 11 is too small .* model.G.latent to 12"):
        Codes(11, [10], 2)


@pytest.mark.parametrize(("categorical", "continuous"), [([1], 0), ([10, 0], 2), ([10], -1)])
def test_codes_without_a_choice_are_refused(categorical: list[int], continuous: int):
    with pytest.raises(ValueError, match="2 values or more"):
        Codes(74, categorical, continuous)


# AC-GAN


class Classifier(nn.Module):
    """A D that reads class logits off the image, (N, K)."""

    def forward(self, image: Tensor, label: Tensor) -> dict[str, Tensor]:
        return {"logits": image[:, 0], "class": image}


LABEL = torch.arange(6)


def classified(real: Tensor, fake: Tensor) -> Duel:
    return Duel(nn.Identity(), Classifier(), fake, real, fake, LABEL)


def test_undecided_classes_cost_ln_k_on_each_side():
    zero = torch.zeros(6, 10)
    assert AuxiliaryClassifier(["real", "fake"])(classified(zero, zero)).item() == pytest.approx(2 * log(10))
    assert AuxiliaryClassifier(["fake"])(classified(zero, zero)).item() == pytest.approx(log(10))


def test_right_classes_cost_nothing():
    right = 100 * one_hot(LABEL, 10).float()
    assert AuxiliaryClassifier(["real", "fake"])(classified(right, right)).item() == pytest.approx(0)


def test_the_class_of_a_fake_is_the_label_it_was_made_for_and_its_loss_reaches_g():
    fake = torch.zeros(6, 10, requires_grad=True)
    AuxiliaryClassifier(["fake"])(classified(torch.zeros(6, 10), fake)).backward()
    torch.testing.assert_close(fake.grad, (0.1 - one_hot(LABEL, 10)) / 6)


def test_on_g_s_turn_the_reals_are_not_judged():
    judged = classified(torch.zeros(6, 10), torch.zeros(6, 10))
    AuxiliaryClassifier(["fake"])(judged)
    assert "real_verdict" not in vars(judged)


@pytest.mark.parametrize("player", ["D", "G"])
def test_with_a_weight_of_zero_acgan_is_a_plain_gan(player: str):
    torch.manual_seed(0)
    D = acgan.Discriminator(classes=10, width=2, channels=1, resolution=16, dropout=0.0)
    real, fake = torch.randn(6, 1, 16, 16), torch.randn(6, 1, 16, 16)
    terms = {"classification": AuxiliaryClassifier(["real", "fake"], weight=0.0)}
    plain, weighted = Objective(NonSaturating()), Objective(NonSaturating(), terms, terms)
    one, other = (
        objective(player, [Duel(nn.Identity(), D, fake, real, fake, LABEL)], 0, 0)  # pyright: ignore
        for objective in (plain, weighted)
    )
    assert one.keys() == other.keys() == {"adversarial"}
    assert torch.equal(one["adversarial"], other["adversarial"])


@pytest.mark.parametrize("sides", [[], ["reals"], ["real", "both"]])
def test_unknown_sides_are_refused(sides: list[str]):
    with pytest.raises(ValueError, match="give real, fake, or both"):
        AuxiliaryClassifier(sides)
