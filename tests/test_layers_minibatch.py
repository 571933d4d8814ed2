"""Layers that compare the samples of a batch, and pixel norm: closed forms and symmetries."""

from math import exp

import pytest
import torch
from torch import Tensor, nn

from gantool.layers.minibatch import MinibatchDiscrimination, MinibatchStandardDeviation
from gantool.layers.pixel_norm import PixelNorm


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3, 5)])
def test_after_pixel_norm_the_mean_square_over_channels_is_one(shape: tuple[int, ...]):
    y = PixelNorm()(torch.randn(shape) * 7)
    torch.testing.assert_close(y.square().mean(1), torch.ones_like(y[:, 0]))


def test_pixel_norm_keeps_directions_and_forgets_lengths():
    x = torch.randn(3, 8, 2, 2)
    torch.testing.assert_close(PixelNorm()(x), PixelNorm()(5 * x))
    torch.testing.assert_close(nn.functional.cosine_similarity(PixelNorm()(x), x), torch.ones(3, 2, 2))


def test_pixel_norm_has_nothing_to_learn_and_leaves_zeros_alone():
    assert not list(PixelNorm().parameters())
    assert torch.equal(PixelNorm()(torch.zeros(2, 3, 4, 4)), torch.zeros(2, 3, 4, 4))


def statistic(x: Tensor, group: int = 4, statistics: int = 1) -> Tensor:
    """What is appended, one number for each sample and statistic: (N, S)."""
    y = MinibatchStandardDeviation(group, statistics)(x)
    torch.testing.assert_close(y[:, : x.shape[1]], x)
    added = y[:, x.shape[1] :]
    assert added.shape == (len(x), statistics, *x.shape[2:])
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(added))  # constant over pixels
    return added[:, :, 0, 0]


def test_identical_samples_have_no_deviation():
    x = torch.randn(1, 5, 3, 3).expand(8, -1, -1, -1)
    torch.testing.assert_close(statistic(x), torch.zeros(8, 1), atol=2e-4, rtol=0)  # sqrt(1e-8)


def test_a_pair_of_plus_and_minus_one_deviates_by_one():
    x = torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 5, 3, 3)
    torch.testing.assert_close(statistic(x, group=2), torch.ones(2, 1))


def test_groups_are_taken_a_stride_apart():
    """Six samples in groups of two: 0 with 3, 1 with 4, 2 with 5."""
    x = torch.tensor([0.0, 0.0, 0.0, 2.0, 4.0, 6.0])[:, None, None, None].expand(6, 1, 2, 2)
    torch.testing.assert_close(statistic(x, group=2)[:, 0], torch.tensor([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]))


@pytest.mark.parametrize(("samples", "used"), [(8, 4), (6, 3), (2, 2), (10, 2), (7, 1), (9, 3), (1, 1)])
def test_a_group_that_does_not_divide_the_batch_shrinks_to_the_largest_that_does(samples: int, used: int):
    x = torch.randn(samples, 3, 2, 2)
    torch.testing.assert_close(statistic(x), statistic(x, group=used))


def test_each_statistic_averages_over_its_own_channels():
    x = torch.zeros(2, 4, 3, 3)
    x[0, 2:] = 6.0  # the first two channels agree, the others differ by 6
    torch.testing.assert_close(
        statistic(x, 2, statistics=2), torch.tensor([[0.0, 3.0]] * 2), atol=2e-4, rtol=0
    )
    torch.testing.assert_close(statistic(x, 2), torch.full((2, 1), 1.5), atol=2e-4, rtol=0)


def test_the_deviation_is_the_one_of_the_definition():
    x = torch.randn(8, 6, 3, 5, dtype=torch.float64)
    expected = torch.zeros(8, 1, dtype=torch.float64)
    for start in (0, 1):
        members = [start, start + 2, start + 4, start + 6]
        deviation = x[members].std(0, correction=0).mean()
        expected[members] = deviation
    torch.testing.assert_close(statistic(x), expected, atol=1e-7, rtol=1e-6)


def test_the_memory_format_changes_nothing():
    x = torch.randn(8, 6, 3, 5)
    layer = MinibatchStandardDeviation(4, 2)
    torch.testing.assert_close(layer(x.contiguous(memory_format=torch.channels_last)), layer(x))


@pytest.mark.parametrize(
    "layer", [MinibatchStandardDeviation(2), MinibatchDiscrimination(12, 2, 3).double(), PixelNorm()]
)
def test_penalties_can_differentiate_twice(layer: nn.Module):
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_identical_samples_leave_a_finite_gradient():
    x = torch.ones(4, 3, 2, 2, requires_grad=True)
    MinibatchStandardDeviation()(x)[:, -1].sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(("group", "statistics"), [(0, 1), (4, 0)])
def test_an_empty_group_or_statistic_is_refused(group: int, statistics: int):
    with pytest.raises(ValueError, match=f"group={group}, statistics={statistics}"):
        MinibatchStandardDeviation(group, statistics)


def test_statistics_that_do_not_share_the_channels_evenly_are_refused():
    with pytest.raises(ValueError, match="statistics=2 must divide the 3 channels"):
        MinibatchStandardDeviation(2, 2)(torch.zeros(2, 3, 4, 4))


def test_n_identical_samples_have_a_closeness_of_n_minus_one():
    layer = MinibatchDiscrimination(features=6, kernels=5, dimensions=3)
    y = layer(torch.randn(1, 6).expand(7, 6))
    assert y.shape == (7, 6 + 5)
    torch.testing.assert_close(y[:, 6:], torch.full((7, 5), 6.0 - 1.0))  # the bias starts at -1


def test_samples_far_apart_have_none():
    layer = MinibatchDiscrimination(features=6, kernels=5, dimensions=3)
    with torch.no_grad():
        y = layer(torch.arange(4.0)[:, None] * 1e4 * torch.randn(1, 6))
    torch.testing.assert_close(y[:, 6:], torch.full((4, 5), -1.0))


def test_closeness_decays_with_the_distance_between_the_projections():
    layer = MinibatchDiscrimination(features=2, kernels=1, dimensions=2)
    with torch.no_grad():
        layer.project.weight.copy_(torch.eye(2))
    y = layer(torch.tensor([[0.0, 0.0], [1.0, 0.5], [0.0, 2.0]]))
    close = {(0, 1): exp(-1.5), (0, 2): exp(-2.0), (1, 2): exp(-2.5)}
    expected = [close[0, 1] + close[0, 2], close[0, 1] + close[1, 2], close[0, 2] + close[1, 2]]
    torch.testing.assert_close(y[:, 2], torch.tensor(expected) - 1)


def test_closeness_follows_its_sample_when_the_batch_is_reordered():
    layer, x, order = MinibatchDiscrimination(6, 5, 3), torch.randn(8, 6), torch.randperm(8)
    torch.testing.assert_close(layer(x[order]), layer(x)[order])


def test_maps_get_closeness_as_constant_channels():
    layer, x = MinibatchDiscrimination(12, 5, 3), torch.randn(4, 3, 2, 2)
    y = layer(x)
    assert y.shape == (4, 3 + 5, 2, 2)
    torch.testing.assert_close(y[:, 3:, 1, 1], layer(x.flatten(1))[:, 12:])
