"""PacGAN: what a pack is, and what it changes."""

from functools import partial
from pathlib import Path

import pytest
import torch
from duels import Sum
from small import trained
from torch import Tensor, nn

from gantool.duel import Duel
from gantool.layers.packed import Packed
from gantool.losses.penalties import R1
from gantool.models import dcgan


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
