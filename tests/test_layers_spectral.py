"""Spectral norm, conditional batch norm, self-attention and projection: what the papers say they do."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from gantool.inits import Normal, Orthogonal, Residual, Uniform
from gantool.layers.attention import SelfAttention, attentions
from gantool.layers.conditional_norm import (
    ConditionalBatchNorm,
    Table,
    class_batch_norm,
    norm_for,
    vector_batch_norm,
)
from gantool.layers.projection import Projection
from gantool.layers.spectral import learnt, normalise, realign
from gantool.layers.stages import down_to, widths_of
from gantool.layers.synced import Synced


def under_spectral_norm(module: nn.Module, epsilon: float = 1e-12) -> nn.Module:
    normalise(module, epsilon)
    return module


def sigma(module: nn.Module) -> float:
    """The largest singular value of the weight that the layer computes with, a row for each output."""
    weight: torch.Tensor = module.weight.detach()  # pyright: ignore
    weight = weight.transpose(0, 1) if isinstance(module, nn.ConvTranspose2d) else weight
    return torch.linalg.matrix_norm(weight.flatten(1), 2).item()


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 6, 3), nn.Flatten(), nn.Linear(6 * 64, 5))


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(6, 16, 3), nn.ConvTranspose2d(6, 16, 4), nn.Linear(20, 7)],
    ids=lambda layer: type(layer).__name__,
)
def test_after_a_warm_up_the_largest_singular_value_is_one(layer: nn.Module):
    under_spectral_norm(layer)
    nn.init.normal_(learnt(layer), 0.0, 3.0)
    for _ in range(100):
        _ = layer.weight  # a pass of training
    assert sigma(layer) == pytest.approx(1, abs=0.01)


def test_a_weight_that_is_ten_times_as_large_gives_the_same_output():
    layer = under_spectral_norm(nn.Conv2d(3, 8, 3)).eval()
    x = torch.randn(2, 3, 8, 8)
    before = layer(x)
    with torch.no_grad():
        learnt(layer).mul_(10)
    torch.testing.assert_close(layer(x), before)


def test_singular_vectors_move_in_training_rest_in_evaluation_and_learn_nothing():
    layer = under_spectral_norm(nn.Linear(9, 7))
    state = dict(layer.named_buffers())
    assert len(state) == 2
    assert len(list(layer.parameters())) == 2  # weight and bias alone
    nn.init.normal_(learnt(layer))
    rested = copy.deepcopy(state)
    layer.eval()(torch.randn(4, 9)).sum().backward()
    assert all(torch.equal(rested[name], value) for name, value in state.items())
    layer.train()(torch.randn(4, 9))
    assert not any(torch.equal(rested[name], value) for name, value in state.items())
    assert not any(value.requires_grad for value in state.values())


def test_two_passes_and_one_backward_are_allowed():
    """D's loss reads reals and fakes; the singular vectors move in between."""
    layer = under_spectral_norm(nn.Linear(9, 7))
    (layer(torch.randn(4, 9)).sum() - layer(torch.randn(4, 9)).sum()).backward()
    assert learnt(layer).grad is not None


@pytest.mark.parametrize(
    "init", [Normal(), Uniform(0.05), Residual(), Orthogonal()], ids=lambda i: type(i).__name__
)
def test_every_init_reaches_the_weight_before_the_division(init: Callable[[nn.Module], None]):
    plain, normed = small_network(), under_spectral_norm(small_network())
    for network in (plain, normed):
        torch.manual_seed(0)
        init(network)
    for a, b in zip(plain.modules(), normed.modules(), strict=False):
        if is_parametrized(b, "weight"):
            break
        assert type(a) is type(b)
    weights = [m for m in plain.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    normal = [m for m in normed.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    assert len(weights) == len(normal) == 3
    for a, b in zip(weights, normal, strict=True):
        assert torch.equal(learnt(a), learnt(b))
        assert torch.equal(a.bias, b.bias)  # pyright: ignore


@pytest.mark.parametrize(
    "init", [Normal(), Uniform(0.05), Residual(), Orthogonal()], ids=lambda i: type(i).__name__
)
def test_after_an_init_the_singular_vectors_belong_to_the_new_weights(init: Callable[[nn.Module], None]):
    torch.manual_seed(0)
    network = under_spectral_norm(small_network())
    init(network)
    network.eval()
    for module in network.modules():
        if is_parametrized(module, "weight"):
            assert sigma(module) == pytest.approx(1, abs=0.02)


def test_realigning_keeps_the_mode_of_the_network():
    network = under_spectral_norm(small_network()).eval()
    realign(network)
    assert not any(module.training for module in network.modules())


def test_orthogonal_weights_have_orthonormal_rows_or_columns():
    network = nn.ModuleList([nn.Conv2d(4, 8, 3), nn.Linear(30, 6), nn.Embedding(12, 5)])
    Orthogonal()(network)
    for module in network:
        weight = learnt(module).flatten(1)
        gram = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
        torch.testing.assert_close(gram, torch.eye(len(gram)), atol=1e-5, rtol=0)


def test_a_copy_and_a_loaded_state_compute_the_same_and_are_independent():
    network = under_spectral_norm(small_network())
    x = torch.randn(2, 3, 8, 8)
    twin, loaded = copy.deepcopy(network), under_spectral_norm(small_network())
    loaded.load_state_dict(network.state_dict())
    answer = network.eval()(x)
    assert torch.equal(answer, twin.eval()(x))
    assert torch.equal(answer, loaded.eval()(x))
    network.train()(x)
    with torch.no_grad():
        learnt(next(network.children())).normal_()
    assert torch.equal(answer, twin(x))


def test_spectral_norm_survives_channels_last_and_compilation():
    network = under_spectral_norm(small_network())
    x = torch.randn(2, 3, 8, 8)
    plain, compiled = copy.deepcopy(network), copy.deepcopy(network)
    network.to(memory_format=torch.channels_last)  # pyright: ignore
    compiled.compile(backend="aot_eager")
    for _ in range(2):
        expected = plain(x)
        torch.testing.assert_close(network(x.contiguous(memory_format=torch.channels_last)), expected)
        torch.testing.assert_close(compiled(x), expected)
    for name, value in plain.named_buffers():
        torch.testing.assert_close(dict(compiled.named_buffers())[name], value)


def test_spectral_norm_runs_in_half_precision():
    network = under_spectral_norm(small_network())
    x = torch.randn(2, 3, 8, 8)
    expected = copy.deepcopy(network)(x)
    with torch.autocast("cpu", torch.bfloat16):
        answer = network(x)
    answer.sum().backward()
    torch.testing.assert_close(answer.float(), expected, atol=0.05, rtol=0.05)


def test_an_epsilon_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="spectral_epsilon=0: give a small positive number"):
        normalise(nn.Linear(2, 2), 0)


def test_conditional_batch_norm_of_one_class_is_batch_norm():
    x, label = torch.randn(6, 4, 5, 5), torch.zeros(6, dtype=torch.long)
    conditional, plain = class_batch_norm(1, 4), nn.BatchNorm2d(4)
    assert isinstance(conditional.gain, Table)
    assert isinstance(conditional.bias, Table)
    torch.testing.assert_close(conditional(x, label), plain(x))
    gain, bias = torch.randn(4), torch.randn(4)
    with torch.no_grad():
        plain.weight.copy_(gain)
        plain.bias.copy_(bias)
        conditional.gain.weight.copy_(gain - 1)
        conditional.bias.weight.copy_(bias)
    torch.testing.assert_close(conditional(x, label), plain(x))
    torch.testing.assert_close(conditional.eval()(x, label), plain.eval()(x))


def test_each_class_has_a_gain_and_a_bias_of_its_own():
    norm = class_batch_norm(3, 4)
    Normal(1.0)(norm)
    x = torch.randn(1, 4, 5, 5).expand(3, 4, 5, 5)
    a, b, c = norm(x, torch.tensor([0, 1, 2]))
    assert not torch.allclose(a, b)
    assert not torch.allclose(b, c)
    first, again, _ = norm(x, torch.tensor([1, 1, 2]))
    torch.testing.assert_close(first, again)
    torch.testing.assert_close(first, b)


def test_a_vector_of_zeros_gives_batch_norm_without_gain_and_bias():
    norm = vector_batch_norm(7, 4)
    x = torch.randn(6, 4, 5, 5)
    torch.testing.assert_close(norm(x, torch.zeros(6, 7)), nn.BatchNorm2d(4, affine=False)(x))
    assert norm.gain.bias is None


def test_a_conditional_norm_holds_a_batch_norm_that_synchronisation_finds():
    norm = nn.Sequential(class_batch_norm(3, 4))
    synced = Synced().apply(copy.deepcopy(norm))
    [kind] = {type(module).__name__ for module in synced.modules()} & {"SyncedBatchNorm", "BatchNorm2d"}
    assert kind == "SyncedBatchNorm"
    x, label = torch.randn(6, 4, 5, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    torch.testing.assert_close(synced.eval()[0](x, label), norm.eval()[0](x, label))  # pyright: ignore


def test_the_norm_of_a_generator_follows_its_conditions():
    x = torch.randn(4, 6, 3, 3)
    torch.testing.assert_close(norm_for(None, None)(6)(x, None), nn.BatchNorm2d(6)(x))
    by_class, by_vector = norm_for(10, None)(6), norm_for(10, 5)(6)
    assert isinstance(by_class, ConditionalBatchNorm)
    assert isinstance(by_class.gain, Table)
    assert isinstance(by_vector, ConditionalBatchNorm)
    assert isinstance(by_vector.gain, nn.Linear)


def test_attention_changes_nothing_at_first_and_keeps_the_shape():
    layer, x = SelfAttention(16), torch.randn(2, 16, 6, 10)
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.gamma.fill_(0.5)
    assert layer(x).shape == x.shape
    assert not torch.equal(layer(x), x)


def test_each_place_shares_its_attention_out():
    layer, x = SelfAttention(16), torch.randn(2, 16, 6, 10)
    weights = layer.weights(x)
    assert weights.shape == (2, 60, 15)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 60))


def test_attention_to_equal_values_adds_that_value():
    """A weighted mean of equal vectors is the vector, whatever the weights."""
    layer = SelfAttention(16)
    with torch.no_grad():
        layer.gamma.fill_(1.0)
    x = torch.randn(2, 16, 1, 1).expand(2, 16, 6, 6)
    torch.testing.assert_close(layer(x), x + layer.o(layer.g(x)))


def test_attention_moves_with_places_that_change_in_fours():
    """Attention knows no positions: pooling windows that swap places swap their outputs."""
    layer = SelfAttention(16)
    with torch.no_grad():
        layer.gamma.fill_(1.0)
    x = torch.randn(2, 16, 4, 4)
    torch.testing.assert_close(layer(x.roll(2, 3)), layer(x).roll(2, 3))


@pytest.mark.parametrize(
    ("attention", "sides", "stage"),
    [
        (16, [8, 16, 32], 1),
        (16, [14, 28], 0),
        (16, [12, 24], 0),
        (16, [8, 16], 1),
        (32, [8, 16], 1),
        (8, [16, 8, 8, 8], 1),
    ],
)
def test_attention_takes_the_first_of_the_closest_stages(attention: int, sides: list[int], stage: int):
    layers = attentions(attention, [8] * len(sides), sides)
    assert [isinstance(layer, SelfAttention) for layer in layers] == [i == stage for i in range(len(sides))]


def test_without_attention_every_stage_is_left_alone():
    x = torch.randn(1, 8, 4, 4)
    assert all(layer(x) is x for layer in attentions(None, [8, 8], [4, 8]))


def test_a_size_of_attention_that_is_none_is_refused():
    with pytest.raises(ValueError, match="attention=0: give a side"):
        attentions(0, [8], [8])


@pytest.mark.parametrize("spectral", [False, True])
def test_logits_of_two_classes_differ_by_the_product_with_the_difference_of_their_vectors(spectral: bool):
    head = Projection(8, 5, bias=True)
    if spectral:
        normalise(head, 1e-12)
    head.eval()
    assert head.V is not None
    h, y, other = torch.randn(6, 8), torch.tensor([0, 1, 2, 3, 4, 0]), torch.tensor([1, 1, 0, 4, 3, 2])
    expected = ((head.V.weight[y] - head.V.weight[other]) * h).sum(1)
    torch.testing.assert_close(head(h, y) - head(h, other), expected)


def test_without_class_vectors_the_logit_is_the_unconditional_one():
    head = Projection(8, 5, bias=True)
    assert head.V is not None
    nn.init.zeros_(head.V.weight)
    h = torch.randn(6, 8)
    torch.testing.assert_close(head(h, torch.arange(6) % 5), head.linear(h).squeeze(1))


def test_a_head_without_classes_has_none():
    head = Projection(8, None, bias=False)
    assert [tuple(parameter.shape) for parameter in head.parameters()] == [(1, 8)]
    assert head(torch.randn(6, 8), None).shape == (6,)


def test_labels_that_are_missing_or_too_many_are_refused():
    h, label = torch.randn(2, 8), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="model.D.classes=5.*without labels.*task.conditional=true"):
        Projection(8, 5, bias=True)(h, None)
    with pytest.raises(ValueError, match="model.D.classes=null.*with labels"):
        Projection(8, None, bias=True)(h, label)


@pytest.mark.parametrize(
    ("resolution", "smallest", "halving", "side"),
    [(32, 6, 2, 8), (28, 6, 2, 7), (16, 6, 1, 8), (64, 6, 3, 8), (128, 4, 5, 4), (8, 6, 1, 4), (32, 4, 3, 4)],
)
def test_images_are_halved_down_to_a_smallest_side(resolution: int, smallest: int, halving: int, side: int):
    assert down_to(resolution, smallest) == (halving, (side, side))


def test_multipliers_are_as_many_as_feature_maps():
    assert widths_of("G", 8, None, 3) == [8, 8, 8]
    assert widths_of("G", 8, [4, 2, 1], 3) == [32, 16, 8]
    with pytest.raises(ValueError, match=r"model.G.multipliers=\[4, 2\].*asks for 3 of them"):
        widths_of("G", 8, [4, 2], 3)
