"""How G looks at a duel: top-k and unrolling, in closed form."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from duels import Sum, of_logits
from small import composed
from torch import Tensor, nn

from gantool.duel import Duel
from gantool.layers.packed import Packed
from gantool.losses.adversarial import Hinge, NonSaturating, RelativisticPairing
from gantool.losses.equilibrium import Equilibrium
from gantool.losses.top_k import TopK
from gantool.losses.unrolled import Unrolled
from gantool.optim import Recipe
from gantool.schedules import Exponential


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
