"""Tasks from image to image: their duels, the history of fakes, what must be kept."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from gantool.duel import Duel
from gantool.history import History
from gantool.losses.reconstruction import Cycle, Identity, Reconstruction
from gantool.tasks.paired import Paired
from gantool.tasks.unpaired import Unpaired


def conv(source_channels: int = 3, channels: int = 3) -> nn.Module:
    return nn.Conv2d(source_channels, channels, 3, padding=1)


def patches(channels: int = 3) -> nn.Module:
    return nn.Conv2d(channels, 1, 3)


def numbered(first: int, count: int) -> Tensor:
    """Images of (count, 1, 2, 2) that are known by their value."""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)


def test_the_first_fakes_are_kept_and_shown_as_they_are():
    history = History(5)
    for start in (0, 3):
        assert torch.equal(history(numbered(start, 3), torch.zeros(3, 2))[:2], numbered(start, 3)[:2])
    assert history.images.flatten(1)[:, 0].tolist() == [
        5,
        1,
        2,
        3,
        4,
    ]  # the sixth took the place of the first


def test_a_full_history_exchanges_or_passes_each_fake_as_the_draw_says():
    history = History(2)
    history(numbered(0, 2), torch.zeros(2, 2))
    draws = torch.tensor([[0.49, 0.99], [0.51, 0.0], [0.0, 0.6], [0.2, 0.1]])
    shown = history(numbered(10, 4), draws)
    assert shown[:, 0, 0, 0].tolist() == [1, 11, 10, 0]
    assert history.images[:, 0, 0, 0].tolist() == [13, 12]


def test_half_of_the_fakes_of_a_full_history_are_new():
    history, size, count = History(50), 50, 4000
    history(numbered(0, size), torch.zeros(size, 2))
    new = numbered(size, count)
    shown = history(new, torch.rand(count, 2))
    fresh = (shown == new).all(3).all(2).all(1).float().mean().item()
    assert abs(fresh - 0.5) < 5 * 0.5 / count**0.5
    assert len(history.images) == size


def test_a_history_of_none_shows_every_fake():
    assert torch.equal(History(0)(numbered(0, 3), torch.zeros(3, 2)), numbered(0, 3))


def test_a_history_comes_back_from_its_checkpoint_and_goes_on_alike():
    one, other = History(4), History(4)
    one(numbered(0, 6), torch.rand(6, 2))
    other.load_state_dict(one.state_dict())
    draws = torch.rand(8, 2)
    assert torch.equal(one(numbered(10, 8), draws), other(numbered(10, 8), draws))
    other.load_state_dict(History(4).state_dict())  # an empty one, too
    assert other.count == 0


def test_what_d_sees_of_the_history_has_no_way_to_g_and_g_sees_its_own_fakes():
    task = Unpaired(conv, patches, {"a": 3, "b": 3}, history=1)
    batch = {"a": torch.randn(2, 3, 6, 6), "b": torch.randn(2, 3, 6, 6)}
    for duel in task.duels(batch):
        duel.key = torch.arange(2)
        assert duel.fake.requires_grad
        assert not duel.for_D().fake.requires_grad


def test_an_unpaired_task_plays_two_duels_each_with_a_way_back():
    task = Unpaired(conv, patches, {"a": 1, "b": 3})
    batch = {"a": torch.randn(2, 1, 6, 6), "b": torch.randn(2, 3, 6, 6)}
    forth, back = task.duels(batch)
    assert forth.fake.shape == back.real.shape[:1] + (3, 6, 6)
    assert back.fake.shape == (2, 1, 6, 6)
    assert forth.inverse is back.generator
    assert back.inverse is forth.generator
    assert forth.discriminator is not back.discriminator
    assert set(task.generate(task.G, {"a": batch["a"]})) == {"ab"}


def test_a_conditional_pair_is_judged_together_with_its_source():
    class Judge(nn.Module):
        def forward(self, target: Tensor, source: Tensor) -> Tensor:
            return (target - source).mean((1, 2, 3))

    batch = {"source": torch.randn(2, 3, 4, 4), "target": torch.randn(2, 3, 4, 4)}
    [duel] = Paired(conv, Judge).duels(batch)
    torch.testing.assert_close(duel.real_logits, (batch["target"] - batch["source"]).mean((1, 2, 3)))
    [blind] = Paired(conv, nn.Flatten, conditional=False).duels(batch)
    assert blind.condition is None


def test_generators_that_undo_each_other_have_no_cycle_loss_and_the_identity_no_identity_loss():
    class Times(nn.Module):
        def __init__(self, factor: float):
            super().__init__()
            self.factor = factor

        def forward(self, x: Tensor) -> Tensor:
            return self.factor * x

    x, y = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    duel = Duel(Times(4.0), nn.Flatten(), x, y, 4 * x, inverse=Times(0.25))
    assert Cycle()(duel).item() == 0
    torch.testing.assert_close(Identity()(duel), 3 * y.abs().mean())
    torch.testing.assert_close(Identity(distance="l2")(duel), 9 * y.square().mean())
    assert Identity()(Duel(nn.Identity(), nn.Flatten(), x, y, x, inverse=nn.Identity())).item() == 0
    torch.testing.assert_close(Reconstruction()(duel), l1_loss(4 * x, y))


def test_terms_that_need_a_way_back_refuse_a_task_without_one():
    task = Paired(conv, patches)
    for term in (Cycle(), Identity()):
        with pytest.raises(ValueError, match=r"loss\.G\.cycle needs a way back"):
            term.check("G.cycle", task)


def test_identity_between_different_numbers_of_channels_is_refused():
    duel = Duel(conv(), patches(), torch.randn(1, 1, 4, 4), torch.randn(1, 3, 4, 4), torch.randn(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"takes 1 channels.*of 3"):
        Identity()(duel)


def test_an_unknown_distance_is_refused():
    with pytest.raises(ValueError, match="distance=l3: choose one of l1, l2"):
        Cycle(distance="l3")
