"""What all generators with styles have in common, on one whose image is its styles."""

from typing import final

import pytest
import torch
from torch import Tensor, nn

from gantool.layers.styled import Styled

LAYERS = 4


@final
class Open(Styled):
    """An image of (N, L, W, 1) that shows the styles themselves."""

    def __init__(self, mixing: float = 0.0):
        super().__init__(nn.Linear(3, 5), width=5, layers=LAYERS, mixing=mixing)

    def paint(self, styles: Tensor) -> Tensor:
        return styles[..., None]

    def affines(self) -> list[Tensor]:
        return [torch.eye(5) for _ in range(LAYERS)]


def test_every_layer_gets_the_same_style_unless_styles_are_mixed():
    G = Open().eval()
    z = torch.randn(6, 3)
    image = G(z)
    assert torch.equal(image, G.mapping(z)[:, None, :, None].expand(-1, LAYERS, -1, -1))


def test_mixing_keeps_the_first_styles_and_takes_all_later_ones_from_one_other_latent():
    G = Open(mixing=1.0).train()
    z = torch.randn(200, 3)
    w, image = G.mapping(z)[:, None], G(z)[..., 0]
    own = (image == w).all(2)  # (N, L)
    firsts = own.sum(1)
    assert own[:, 0].all()
    assert set(firsts.tolist()) == {1, 2, 3}  # where styles change: anywhere between two layers
    assert torch.equal(own, torch.arange(LAYERS) < firsts[:, None])
    for styles, first in zip(image, firsts.tolist(), strict=True):
        assert torch.equal(styles[first:], styles[first : first + 1].expand(LAYERS - first, -1))


def test_styles_are_mixed_with_the_given_probability_and_only_while_training():
    G = Open(mixing=0.25).train()
    z = torch.randn(4000, 3)
    mixes = (G(z)[:, -1, :, 0] != G.mapping(z)).any(1).float().mean()
    assert abs(mixes.item() - 0.25) < 5 * (0.25 * 0.75 / 4000) ** 0.5
    G.eval()
    assert torch.equal(G(z)[:, -1, :, 0], G.mapping(z))


def test_the_mean_style_follows_what_training_draws_and_nothing_else():
    G = Open()
    z = torch.randn(8, 3)
    G.eval()(z)
    assert not G.mean_style.value.any()
    G.train()(z)
    torch.testing.assert_close(G.mean_style.value, 0.005 * G.mapping(z).mean(0))


def test_truncation_moves_styles_on_a_line_to_their_mean():
    G = Open().eval()
    G.mean_style.value.normal_()
    z = torch.randn(5, 3)
    w, mean = G.mapping(z), G.mean_style.value
    G.truncate(0.0)
    torch.testing.assert_close(G.styles(z), mean.expand(5, LAYERS, 5))
    G.truncate(0.7, layers=2)
    torch.testing.assert_close(G.styles(z)[:, :2], (mean + 0.7 * (w - mean))[:, None].expand(-1, 2, -1))
    torch.testing.assert_close(G.styles(z)[:, 2:], w[:, None].expand(-1, 2, -1))
    G.truncate(1.0)
    assert torch.equal(G.styles(z)[:, 0], w)


def test_a_probability_of_mixing_outside_0_to_1_is_refused():
    with pytest.raises(ValueError, match=r"model\.G\.mixing=1\.5"):
        Open(mixing=1.5)
