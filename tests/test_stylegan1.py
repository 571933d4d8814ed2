"""StyleGAN's parts: the mapping, AdaIN, noise, truncation, mixing, and labels."""

from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

from gantool.layers.adain import AdaIN
from gantool.layers.mapping import Mapping
from gantool.models import progan, stylegan1
from gantool.models.stylegan1 import Stylized
from gantool.summary import parameters


def generator(mixing: float = 0.0, classes: int = 0, resolution: Any = 16) -> stylegan1.Generator:
    torch.manual_seed(0)
    return stylegan1.Generator(
        latent=6, style=5, depth=2, width=4, channels=3, resolution=resolution, mixing=mixing, classes=classes
    )


# The mapping


def test_the_mapping_has_the_published_size():
    assert parameters(Mapping(512, 512, layers=8)) == 2_101_248  # StyleGAN
    assert parameters(Mapping(512, 512, layers=2)) == 525_312  # StyleGAN2-ADA, CIFAR-10
    assert parameters(Mapping(512, 512, layers=2, classes=10)) == 525_312 + 267_776


def test_the_mapping_sees_the_direction_of_a_latent_and_not_its_length():
    mapping, z = Mapping(6, 5, 2), torch.randn(4, 6)
    torch.testing.assert_close(mapping(3 * z), mapping(z))
    assert not torch.allclose(mapping(-z), mapping(z))


def test_the_mapping_keeps_the_size_of_a_latent():
    """Through each layer half of the mean square is lost and given back: leaky, so a little more."""
    torch.manual_seed(0)
    w = Mapping(256, 256, 3)(torch.randn(64, 256))
    assert w.square().mean().item() == pytest.approx((1 + 0.2**2) ** 3, rel=0.2)


def test_the_mappings_weights_learn_a_hundred_times_slower():
    """A step of Adam of 0.01 moves the effective weight by 0.01 * 0.01 * sqrt(2 / fan in)."""
    layer = Mapping(8, 8, 1).layers[0]
    before = layer.weight * layer.scale  # pyright: ignore
    with torch.no_grad():
        layer.weight += 0.01  # pyright: ignore
    moved = layer.weight * layer.scale - before  # pyright: ignore
    torch.testing.assert_close(moved, torch.full_like(moved, 1e-4 * sqrt(2 / 8)), rtol=1e-2, atol=0)


def test_a_label_changes_the_style_and_labels_weigh_as_much_as_latents():
    mapping, z = Mapping(6, 5, 2, classes=3), torch.randn(1, 6)
    assert not torch.equal(mapping(z, torch.tensor([0])), mapping(z, torch.tensor([2])))
    seen: list[torch.Tensor] = []
    mapping.layers[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    mapping(z.expand(3, -1), torch.arange(3))
    parts = seen[0].split([6, 5], 1)
    for part in parts:
        torch.testing.assert_close(part.square().mean(1), torch.ones(3))


def test_a_mapping_that_misses_labels_or_gets_some_says_so():
    z, label = torch.randn(2, 6), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="needs labels. With labels: task.conditional=true"):
        Mapping(6, 5, 2, classes=3)(z)
    with pytest.raises(ValueError, match="knows no labels"):
        Mapping(6, 5, 2)(z, label)
    with pytest.raises(ValueError, match="0 layers maps nothing"):
        Mapping(6, 5, 0)


# Styles and noise


def test_adain_gives_each_channel_the_mean_and_deviation_that_the_style_says():
    adain = AdaIN(5, 7)
    x, w = 3 * torch.randn(2, 7, 8, 8) + 4, torch.randn(2, 5)
    scale, shift = adain.affine(w).chunk(2, 1)
    y = adain(x, w)
    torch.testing.assert_close(y.mean((2, 3)), shift, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(y.std((2, 3), correction=0), (scale + 1).abs(), atol=1e-5, rtol=1e-4)


def test_a_style_of_zero_leaves_a_plain_instance_norm():
    x = torch.randn(2, 3, 8, 8)
    y = AdaIN(5, 3)(x, torch.zeros(2, 5))
    torch.testing.assert_close(y, nn.functional.instance_norm(x, eps=1e-8))


def test_adain_forgets_scale_and_shift_of_its_input():
    adain, x, w = AdaIN(5, 3), torch.randn(2, 3, 8, 8), torch.randn(2, 5)
    torch.testing.assert_close(adain(7 * x - 2, w), adain(x, w), atol=1e-5, rtol=1e-5)


def test_at_first_the_image_does_not_depend_on_noise():
    G, z = generator(), torch.randn(3, 6)
    G.train()
    assert torch.equal(G(z), G(z))


def strengthened(G: stylegan1.Generator) -> stylegan1.Generator:
    for module in G.modules():
        if isinstance(module, Stylized):
            nn.init.ones_(module.strength)
    return G


def test_noise_is_fresh_while_training_and_fixed_afterwards():
    G, z = strengthened(generator()), torch.randn(3, 6)
    G.train()
    assert not torch.equal(G(z), G(z))
    G.eval()
    assert torch.equal(G(z), G(z))
    torch.testing.assert_close(G(z)[:1], G(z[:1]))


def test_fixed_noise_survives_in_the_checkpoint():
    torch.manual_seed(1)
    G, other = strengthened(generator()).eval(), stylegan1.Generator(6, 5, 2, 4, 3, 16, mixing=0.0).eval()
    z = torch.randn(2, 6)
    other.load_state_dict(G.state_dict())
    assert torch.equal(G(z), other(z))


def test_the_strength_of_noise_is_learnt_for_each_channel():
    torch.manual_seed(0)
    stylized, x = Stylized(5, 2, (64, 64)).train(), torch.zeros(8, 2, 64, 64)
    seen: list[torch.Tensor] = []
    stylized.adain.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        stylized.strength[1] = 3.0
    stylized(x, torch.zeros(8, 5))
    assert seen[0][:, 0].abs().max() == 0
    noise = torch.where(seen[0][:, 1] > 0, seen[0][:, 1], seen[0][:, 1] / 0.2)  # before the leaky ReLU
    assert noise.std().item() == pytest.approx(3, rel=0.02)


# What styles are for


def test_truncation_to_nothing_paints_the_mean_style():
    G, z = generator().train(), torch.randn(64, 6)
    for _ in range(3):
        G(z)
    G.eval().truncate(0.0)
    mean = G.mean_style.value
    assert mean.abs().sum() > 0
    torch.testing.assert_close(G(z[:2]), G.paint(mean.expand(2, G.layers, -1)))
    G.truncate(1.0)
    assert not torch.allclose(G(z[:2]), G.paint(mean.expand(2, G.layers, -1)))


def test_truncation_may_leave_the_finer_layers_alone():
    G, z = generator().eval(), torch.randn(2, 6)
    whole = G.styles(z)
    G.truncate(0.7, layers=4)
    near = G.styles(z)
    torch.testing.assert_close(near[:, :4], G.mean_style.value + 0.7 * (whole[:, :4] - G.mean_style.value))
    assert torch.equal(near[:, 4:], whole[:, 4:])


def test_a_crossover_keeps_the_first_layers_and_takes_all_later_ones():
    G, z = generator(mixing=1.0), torch.randn(200, 6)
    own = G.styles(z)
    mixed = G.mixed(own, None, z)
    kept = (mixed == own).all(2)  # (N, L)
    assert kept[:, 0].all()
    assert not kept[:, -1].any()
    assert (kept.int().diff(dim=1) <= 0).all()
    assert set(kept.sum(1).tolist()) == set(range(1, G.layers))


def test_each_layer_takes_its_own_style():
    G = generator().eval()
    styles = torch.randn(1, G.layers, 5)
    image = G.paint(styles)
    for layer in range(G.layers):
        other = styles.clone()
        other[:, layer] += 1
        assert not torch.allclose(G.paint(other), image)


def test_while_growing_only_the_styles_of_the_stages_so_far_matter():
    G = generator().eval()
    styles = torch.randn(1, G.layers, 5)
    for level, layers in ((0, 2), (0.5, 4), (1, 4), (2, 6)):
        G.grow(level)
        assert G.layers_now() == layers
        other = styles.clone()
        other[:, layers:] += 1
        assert torch.equal(G.paint(other), G.paint(styles))
        other[:, layers - 1] += 1
        assert not torch.equal(G.paint(other), G.paint(styles))


def test_affines_are_the_matrices_through_which_styles_reach_their_layers():
    G = generator(resolution=64)  # its last stage is half as wide
    matrices = G.affines()
    assert len(matrices) == G.layers == 10
    assert [len(matrix) for matrix in matrices] == [8] * 8 + [4] * 2
    adain, w = G.first.end2.adain, torch.randn(3, 5)
    torch.testing.assert_close(adain.affine(w), w @ matrices[1].T)  # its bias is 0 at first


# Labels


def test_with_labels_d_has_a_logit_for_each_and_g_a_style_for_each():
    torch.manual_seed(0)
    D = progan.Discriminator(width=4, channels=3, resolution=16, blur=True, classes=3)
    image = torch.randn(1, 3, 16, 16).expand(3, -1, -1, -1)
    all_logits = D.partly(image, 2, None)
    torch.testing.assert_close(D(image, torch.tensor([2, 0, 1])), all_logits[0, [2, 0, 1]])
    G, z = generator(classes=3).eval(), torch.randn(1, 6).expand(2, -1)
    images = G(z, torch.tensor([0, 2]))
    assert not torch.allclose(images[0], images[1])


def test_a_discriminator_that_misses_labels_or_gets_some_says_so():
    image, label = torch.randn(2, 3, 16, 16), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="discriminator needs labels"):
        progan.Discriminator(width=4, channels=3, resolution=16, classes=3)(image)
    with pytest.raises(ValueError, match="discriminator knows no labels"):
        progan.Discriminator(width=4, channels=3, resolution=16)(image, label)
