"""Layers whose learning rate is equalised, and running means."""

import pytest
import torch
from torch import nn

from gantool.layers.equalized import EqualizedConv, EqualizedLinear
from gantool.layers.running_mean import RunningMean


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (EqualizedLinear(512, 512), (512, 512)),
        (EqualizedLinear(512, 512, rate=0.01), (512, 512)),
        (EqualizedConv(64, 512, size=3, bias=False), (16, 64, 16, 16)),
    ],
)
def test_an_equalised_layer_keeps_the_variance_of_its_input(layer: nn.Module, shape: tuple[int, ...]):
    inside = layer(torch.randn(shape))[..., 1:-1]  # zeros pad the border of a convolution
    torch.testing.assert_close(inside[..., 1:-1, :].std(), torch.tensor(1.0), atol=0.05, rtol=0)


def test_stored_weights_are_standard_normal_whatever_the_size_of_the_layer():
    for inputs in (16, 1024):
        torch.testing.assert_close(
            EqualizedLinear(inputs, 512).weight.std(), torch.tensor(1.0), atol=0.05, rtol=0
        )


def test_a_gain_multiplies_the_weights_and_not_the_bias():
    torch.manual_seed(0)
    plain, strong = EqualizedConv(2, 3, size=1), EqualizedConv(2, 3, size=1, gain=2.0)
    strong.load_state_dict(plain.state_dict())
    nn.init.ones_(plain.bias)  # pyright: ignore
    nn.init.ones_(strong.bias)  # pyright: ignore
    x = torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(strong(x) - 1, 2 * (plain(x) - 1))


def test_the_rate_changes_how_fast_a_layer_learns_and_not_what_it_begins_as():
    torch.manual_seed(0)
    fast = EqualizedLinear(8, 4, bias=0.5)
    torch.manual_seed(0)
    slow = EqualizedLinear(8, 4, rate=0.01, bias=0.5)
    x = torch.randn(3, 8)
    torch.testing.assert_close(slow(x), fast(x))
    before = slow(x).detach()
    for layer in (slow, fast):
        for parameter in layer.parameters():
            parameter.data += 0.3  # what a step of Adam amounts to
    torch.testing.assert_close(slow(x) - before, 0.01 * (fast(x) - before), atol=1e-5, rtol=1e-4)


def test_a_running_mean_moves_by_its_rate_and_forgets_where_it_began():
    mean = RunningMean(2, rate=0.25)
    batch = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    expected = torch.zeros(2)
    for _ in range(3):
        mean.see(batch)
        expected = expected + 0.25 * (torch.tensor([2.0, 4.0]) - expected)
        torch.testing.assert_close(mean.value, expected)
    for _ in range(100):
        mean.see(batch)
    torch.testing.assert_close(mean.value, torch.tensor([2.0, 4.0]))
