"""Random numbers of single samples, and latents brought near the middle."""

from math import erf, exp, pi, sqrt

import pytest
import torch
from duels import CPU

from gantool.chance import keys, normal, uniform
from gantool.priors import truncated


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
