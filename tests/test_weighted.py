"""Layers with weights: which they are, and what D's last one is given."""

from math import sqrt

import pytest
import torch
from small import MODELS, batch_of, composed, data_of
from torch import nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from gantool.build import build
from gantool.duel import Duel
from gantool.freeze import lowest
from gantool.layers.conditional_norm import Table
from gantool.layers.equalized import EqualizedConv, EqualizedLinear
from gantool.layers.equalized_resize import DownConv, UpConv
from gantool.layers.weighted import is_weighted, weighted
from gantool.losses.feature_matching import features
from gantool.models.stylegan2 import Discriminator

X = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def duel_of(D: nn.Module, label: torch.Tensor | None = None) -> Duel:
    return Duel(nn.Identity(), D, X, X, X, label)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(2, 3),
        nn.Conv2d(2, 3, 1),
        nn.ConvTranspose2d(2, 3, 1),
        spectral_norm(nn.Conv2d(2, 3, 1)),
        EqualizedLinear(2, 3),
        EqualizedConv(2, 3, 3),
        UpConv(2, 3),
        DownConv(2, 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_convolutions_and_linear_layers_have_weights(layer: nn.Module):
    assert weighted(nn.Sequential(layer, nn.ReLU())) == [layer]


@pytest.mark.parametrize(
    "module",
    [
        nn.BatchNorm2d(3),
        nn.LayerNorm([2, 3, 3]),
        nn.Embedding(3, 2),
        Table(3, 2),
        nn.PReLU(3),
        nn.Sequential(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_norms_tables_and_activations_have_none(module: nn.Module):
    assert not is_weighted(module)


@pytest.mark.parametrize("model", [model for model in MODELS if model != "srresnet"])  # its D rests
def test_the_last_layer_of_every_discriminator_is_given_what_it_has_seen_in_the_image(model: str):
    cfg = composed(f"model={model}", data_of(model))
    task = build(cfg).eval().task
    for duel in task.duels(task.draw(batch_of(cfg, 4))):
        seen = features(duel, duel.real_view)
        assert len(seen) == len(duel.real_view)
        assert not seen[0].equal(seen[1])
        assert not seen[0].equal(duel.real_view[0].flatten())


@pytest.mark.parametrize("classes", [0, 3])
def test_the_logit_of_stylegan2_is_its_last_layer_of_its_features(classes: int):
    D = Discriminator(width=4, channels=3, resolution=16, classes=classes)
    label = torch.tensor([0, 1, 2, 0]) if classes else None
    duel = duel_of(D, label)
    seen = features(duel, X)
    answer = D.output(seen)
    if D.mapping is None:
        logit = answer.squeeze(1)
    else:
        logit = (answer * D.mapping(X.new_zeros(4, 0), label)).sum(1) / sqrt(4)
    torch.testing.assert_close(D(X, label), logit)
    h = D.blocks(leaky_relu(D.from_image(X), 0.2))
    h = leaky_relu(D.conv(D.compare(h)), 0.2)
    torch.testing.assert_close(seen, leaky_relu(D.linear(h.flatten(1)), 0.2))


def test_three_frozen_layers_of_stylegan2_are_its_first_three():
    D = Discriminator(width=4, channels=3, resolution=16)
    block = D.blocks[0]
    first = [D.from_image, block.get_submodule("conv"), block.get_submodule("down")]
    assert lowest(D, 3) == [parameter for layer in first for parameter in layer.parameters()]
