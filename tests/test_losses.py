"""Adversarial losses and penalties: constants, closed forms and symmetries."""

from math import log

import pytest
import torch
from torch import Tensor, nn

from gantool.duel import Duel
from gantool.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticPairing,
    Wasserstein,
)
from gantool.losses.objective import Objective
from gantool.losses.penalties import R1, R2, GradientPenalty
from gantool.losses.term import Adversarial, Term
from gantool.models.dcgan import Discriminator
from gantool.schedules import Switch


class Linear(nn.Module):
    """C(x) = w . x + b with w = (3, 4): a critic whose every derivative is known."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0, 4.0]))
        self.b = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w + self.b


def duel(real: Tensor | None = None, fake: Tensor | None = None, *views: str) -> Duel:
    real = torch.randn(5, 1, 1, 2) if real is None else real
    fake = torch.randn(5, 1, 1, 2) if fake is None else fake
    return Duel(nn.Identity(), Linear(), fake, real, fake, differentiated=frozenset(views))


def of_logits(real: Tensor, fake: Tensor) -> Duel:
    """A duel whose logits are given."""
    return Duel(nn.Identity(), nn.Identity(), fake, real, fake)


ZERO = torch.zeros(4)


@pytest.mark.parametrize(
    ("loss", "for_D", "for_G"),
    [
        (Minimax(), 2 * log(2), -log(2)),
        (NonSaturating(), 2 * log(2), log(2)),
        (Hinge(), 2.0, 0.0),
        (Wasserstein(), 0.0, 0.0),
        (LeastSquares(), 0.5, 0.5),
        (LeastSquares(a=-1, b=1, c=0), 1.0, 0.0),
        (RelativisticPairing(), log(2), log(2)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_losses_have_the_published_values_where_all_logits_are_zero(
    loss: Adversarial, for_D: float, for_G: float
):
    assert loss.discriminator(of_logits(ZERO, ZERO)).item() == pytest.approx(for_D)
    assert loss.generator(of_logits(ZERO, ZERO)).item() == pytest.approx(for_G)


def test_the_gradient_of_g_is_minus_sigma_when_saturating_and_minus_one_minus_sigma_when_not():
    logits = torch.linspace(-6, 6, 13, dtype=torch.float64, requires_grad=True)
    sigma = logits.detach().sigmoid()
    (saturating,) = torch.autograd.grad(Minimax().generator(of_logits(ZERO, logits)) * 13, logits)
    (not_saturating,) = torch.autograd.grad(NonSaturating().generator(of_logits(ZERO, logits)) * 13, logits)
    torch.testing.assert_close(saturating, -sigma)
    torch.testing.assert_close(not_saturating, -(1 - sigma))


def test_minimax_is_a_zero_sum_game_as_far_as_the_fakes_go():
    real, fake = torch.randn(8), torch.randn(8)
    loss = Minimax()
    total = loss.discriminator(of_logits(real, fake)) + loss.generator(of_logits(real, fake))
    torch.testing.assert_close(total, nn.functional.softplus(-real).mean())


def test_hinge_has_no_gradient_for_samples_that_are_right_by_a_margin():
    real = torch.tensor([1.5, 0.5], requires_grad=True)
    fake = torch.tensor([-1.5, -0.5], requires_grad=True)
    grads = torch.autograd.grad(Hinge().discriminator(of_logits(real, fake)), [real, fake])
    torch.testing.assert_close(grads[0], torch.tensor([0.0, -0.5]))
    torch.testing.assert_close(grads[1], torch.tensor([0.0, 0.5]))


def test_the_best_least_squares_discriminator_mixes_its_targets_by_the_densities():
    p, q, a, b = 0.3, 0.9, -1.0, 2.0  # densities of real and fake at one point
    logit = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    best = (b * p + a * q) / (p + q)
    loss = LeastSquares(a, b, 0.0)

    def risk(c: Tensor) -> Tensor:
        reals = loss.discriminator(of_logits(c, torch.tensor(a, dtype=torch.float64)))
        fakes = loss.discriminator(of_logits(torch.tensor(b, dtype=torch.float64), c))
        return p * reals + q * fakes

    (slope,) = torch.autograd.grad(risk(logit), logit)
    torch.testing.assert_close(slope, (p + q) * (logit.detach() - best))


def test_the_relativistic_loss_ignores_a_constant_added_to_all_logits():
    real, fake = torch.randn(8, dtype=torch.float64), torch.randn(8, dtype=torch.float64)
    loss = RelativisticPairing()
    for side in (loss.discriminator, loss.generator):
        torch.testing.assert_close(side(of_logits(real, fake)), side(of_logits(real + 7, fake + 7)))


def test_the_relativistic_loss_pairs_real_and_fake_by_their_place():
    real, fake = torch.tensor([0.0, 3.0]), torch.tensor([0.0, 3.0])
    loss = RelativisticPairing()
    assert not torch.allclose(
        loss.discriminator(of_logits(real, fake)), loss.discriminator(of_logits(real, fake.flip(0)))
    )


@pytest.mark.parametrize("loss", [Minimax(), NonSaturating(), Hinge(), Wasserstein(), LeastSquares()])
def test_losses_of_g_do_not_look_at_the_reals(loss: Adversarial):
    looked_at = of_logits(torch.randn(3), torch.randn(3))
    loss.generator(looked_at)
    assert "real_logits" not in vars(looked_at)


@pytest.mark.parametrize(
    "loss", [Minimax(), NonSaturating(), Hinge(), LeastSquares(), LeastSquares(a=-1.0, b=3.0, c=1.0)]
)
def test_at_the_boundary_d_pays_least_for_an_image_as_likely_real_as_fake(loss: Adversarial):
    boundary = loss.boundary(of_logits(ZERO, ZERO)).expand(4)
    least = loss.discriminator(of_logits(boundary, boundary))
    for off in (-1.5, -0.5, 0.5, 1.5):
        assert least <= loss.discriminator(of_logits(boundary + off, boundary + off))
    # a step to either side costs the same: no other point is the boundary of a flat loss
    up, down = (loss.discriminator(of_logits(boundary + off, boundary + off)) for off in (1.7, -1.7))
    torch.testing.assert_close(up, down)


@pytest.mark.parametrize("loss", [Wasserstein(), RelativisticPairing()])
def test_where_only_differences_count_the_boundary_moves_with_the_logits(loss: Adversarial):
    real, fake = torch.randn(4), torch.randn(4)
    torch.testing.assert_close(
        loss.boundary(of_logits(real + 7, fake + 7)), loss.boundary(of_logits(real, fake)) + 7
    )
    torch.testing.assert_close(
        loss.boundary(of_logits(real, fake)), -loss.boundary(of_logits(-real, -fake)), atol=0, rtol=0
    )


def test_clipping_bounds_every_weight_of_the_critic_biases_and_gains_included():
    critic = Discriminator(width=4, channels=1, resolution=16)
    Wasserstein(clip=0.01).constrain(critic)
    assert max(p.abs().max().item() for p in critic.parameters()) == pytest.approx(0.01)


def test_wasserstein_without_clipping_leaves_the_critic_alone():
    critic = Linear()
    Wasserstein().constrain(critic)
    assert critic.w.tolist() == [3.0, 4.0]


def test_r1_of_a_linear_critic_is_half_its_squared_norm():
    assert (10 * R1()(duel(None, None, "real"))).item() == pytest.approx(125.0)


def test_r2_of_a_linear_critic_is_half_its_squared_norm():
    assert (10 * R2()(duel(None, None, "fake"))).item() == pytest.approx(125.0)


def test_the_gradient_penalty_of_a_linear_critic_is_its_distance_from_norm_one_squared():
    assert GradientPenalty()(duel()).item() == pytest.approx(16.0)


class Quadratic(nn.Module):
    """C(x) = |x|^2 / 2, whose gradient is x itself."""

    def forward(self, x: Tensor) -> Tensor:
        return x.square().flatten(1).sum(1) / 2


def test_penalties_sum_over_pixels_and_average_over_samples():
    real, fake = torch.randn(6, 2, 3, 3, dtype=torch.float64), torch.randn(6, 2, 3, 3, dtype=torch.float64)
    views = frozenset({"real", "fake"})
    quadratic = Duel(nn.Identity(), Quadratic(), fake, real, fake, differentiated=views)
    torch.testing.assert_close(R1()(quadratic), real.square().sum((1, 2, 3)).mean() / 2)
    torch.testing.assert_close(R2()(quadratic), fake.square().sum((1, 2, 3)).mean() / 2)


def test_the_gradient_penalty_draws_one_point_between_real_and_fake_for_each_sample():
    """Between a real of 0 and a fake of 1 everywhere, the point itself shows its t."""
    seen: list[Tensor] = []

    class Spy(Quadratic):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach())
            return super().forward(x)

    real, fake = torch.zeros(7, 1, 4, 4), torch.ones(7, 1, 4, 4)
    GradientPenalty()(Duel(nn.Identity(), Spy(), fake, real, fake))
    flat = seen[0].flatten(1)
    torch.testing.assert_close(flat, flat[:, :1].expand_as(flat))  # the same t for all pixels of a sample
    assert flat[:, 0].unique().numel() == 7  # another one for each sample
    assert 0 <= flat.min() <= flat.max() <= 1


@pytest.mark.parametrize(("term", "view"), [(R1(), "real"), (R2(), "fake"), (GradientPenalty(), "none")])
def test_penalties_reach_the_weights_of_d_and_not_those_of_g(term: Term, view: str):
    generator = nn.Conv2d(1, 1, 1)
    fake = generator(torch.randn(4, 1, 1, 2)).detach()
    judged = Duel(generator, Linear(), fake, torch.randn(4, 1, 1, 2), fake, differentiated=frozenset({view}))
    term(judged).backward()
    assert judged.discriminator.w.grad is not None
    assert judged.discriminator.w.grad.abs().sum() > 0
    assert generator.weight.grad is None


def test_a_penalty_asks_for_input_gradients_only_where_it_differentiates():
    objective = Objective(NonSaturating(), D={"r1": R1(every=2)})
    first, second = duel(), duel()
    objective("D", [first], iteration=0, images=0)
    objective("D", [second], iteration=1, images=8)
    assert first.real_view.requires_grad
    assert not first.fake_view.requires_grad
    assert not second.real_view.requires_grad


def test_a_lazy_term_is_computed_once_in_k_iterations_and_counts_k_times():
    objective = Objective(NonSaturating(), D={"r1": R1(weight=10.0, every=4)})
    due = [objective("D", [duel()], iteration, 0).get("r1") for iteration in range(8)]
    assert [value is not None for value in due] == [True, False, False, False] * 2
    assert due[0].item() == pytest.approx(4 * 125.0)


def test_the_objective_sums_over_duels():
    objective = Objective(NonSaturating())
    one, two = duel(), duel()
    both = objective("D", [one, two], 0, 0)["adversarial"]
    torch.testing.assert_close(both, NonSaturating().discriminator(one) + NonSaturating().discriminator(two))


def test_while_the_adversarial_weight_is_zero_d_rests():
    objective = Objective(NonSaturating(weight=Switch(0.0, 1.0, images=100)))
    assert not objective.plays("D", images=0)
    assert objective.plays("G", images=0)
    assert objective("G", [duel()], 0, images=0) == {}
    assert objective.plays("D", images=100)
    assert set(objective("D", [duel()], 1, images=100)) == {"adversarial"}


@pytest.mark.parametrize("every", [0, -3])
def test_a_term_that_is_never_due_is_refused(every: int):
    with pytest.raises(ValueError, match=f"every={every}"):
        R1(every=every)


def test_for_two_gaussians_the_best_logit_is_linear_and_a_small_discriminator_finds_it():
    """Real N(0, 1), fake N(m, 1): log p / q = -m x + m^2 / 2."""
    torch.manual_seed(0)
    m = 1.5
    D = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(D.parameters(), 0.05)
    for _ in range(400):
        real, fake = torch.randn(2048, 1), torch.randn(2048, 1) + m
        loss = NonSaturating().discriminator(Duel(nn.Identity(), D, fake, real, fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert D.weight.item() == pytest.approx(-m, abs=0.1)
    assert D.bias.item() == pytest.approx(m * m / 2, abs=0.1)


def test_penalties_stay_exact_under_bfloat16():
    """Autocast would round the critic's pass; a penalty takes the whole of it in float32."""
    torch.manual_seed(0)
    D = Discriminator(width=4, channels=1, resolution=16, norm="none")
    real, fake = torch.randn(4, 1, 16, 16), torch.randn(4, 1, 16, 16)

    def gradients() -> list[Tensor]:
        both = frozenset({"real", "fake"})
        torch.manual_seed(1)
        judged = Duel(nn.Identity(), D, fake, real, fake, differentiated=both)
        value = R1()(judged) + R2()(judged) + GradientPenalty()(judged)
        with torch.autocast("cpu", enabled=False):
            return list(torch.autograd.grad(value, list(D.parameters())))

    exact = gradients()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = gradients()
    for a, b in zip(exact, rounded, strict=True):
        assert torch.equal(a, b)


def test_the_best_logit_between_two_normal_distributions_is_the_log_ratio_of_their_densities():
    """Of reals N(0, 1) and fakes N(m, 1) it is -m x + m^2 / 2: a trained linear D finds it."""
    m, quantiles = 1.5, torch.linspace(1e-4, 1 - 1e-4, 20_001, dtype=torch.float64)[:, None]
    real = torch.special.ndtri(quantiles)
    D = nn.Linear(1, 1, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(D.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = NonSaturating().discriminator(of_logits(D(real), D(real + m)))
        loss.backward()
        return loss

    optimizer.step(closure)  # pyright: ignore
    assert D.weight.item() == pytest.approx(-m, abs=0.01)
    assert D.bias.item() == pytest.approx(m * m / 2, abs=0.01)


def test_the_estimate_of_a_trained_critic_falls_as_fakes_come_closer():
    """Minus the critic's loss is the distance of the means, for the best critic of slope 1."""
    reals = torch.randn(50, dtype=torch.float64)
    estimates = []
    for distance in (3.0, 2.0, 1.0, 0.0):
        fakes = reals + distance
        slope = -1.0  # the best of all critics whose slope is at most 1, as fakes lie to the right
        estimates.append(-Wasserstein().discriminator(of_logits(slope * reals, slope * fakes)).item())
    assert estimates == pytest.approx([3.0, 2.0, 1.0, 0.0])
