"""StyleGAN2 that is told captions."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from gantool.layers.text import Text
from gantool.models.stylegan2 import Discriminator, Generator

CLASSES = 5
SIZES: dict[str, Any] = {"width": 4, "channels": 3, "resolution": 8}
STYLES: dict[str, Any] = {"latent": 6, "style": 6, "depth": 2, "mixing": 0.0}


def reader() -> Text:
    """Reads a caption of one word, 1 to CLASSES, as one number that is 1 among zeros."""
    text = Text("bag_of_words", CLASSES + 1, 0, CLASSES, normalised=False)
    vectors = torch.cat([torch.zeros(1, CLASSES), torch.eye(CLASSES)])
    text.load_state_dict({"reader.vectors": vectors})
    return text


def with_weights_of(other: nn.Module, network: nn.Module) -> nn.Module:
    missing, unexpected = network.load_state_dict(other.state_dict(), strict=False)
    assert all(name.startswith("mapping.text.") for name in missing)
    assert not unexpected
    return network.eval()


def test_captions_of_one_word_are_classes():
    torch.manual_seed(0)
    label, z = torch.tensor([0, 4, 2]), torch.randn(3, 6)
    caption = label[:, None] + 1
    of_classes = Generator(**STYLES, **SIZES, classes=CLASSES).eval()
    of_captions = with_weights_of(of_classes, Generator(**STYLES, **SIZES, text=reader))
    image = of_classes(z, label)
    torch.testing.assert_close(of_captions(z, caption), image)
    judge = Discriminator(**SIZES, classes=CLASSES).eval()
    reads = with_weights_of(judge, Discriminator(**SIZES, text=reader))
    torch.testing.assert_close(reads(image, caption), judge(image, label))


@pytest.mark.parametrize("player", ["G", "D"])
def test_what_is_told_captions_refuses_to_do_without(player: str):
    network = (
        Generator(**STYLES, **SIZES, text=reader) if player == "G" else Discriminator(**SIZES, text=reader)
    )
    with pytest.raises(ValueError, match=r"needs labels|called without labels"):
        network(torch.randn(2, 6) if player == "G" else torch.randn(2, 3, 8, 8))


def test_both_players_learn_to_read():
    torch.manual_seed(0)
    text = partial(Text, "gru", 10, 0, 4, normalised=False)
    G, D = Generator(**STYLES, **SIZES, text=text), Discriminator(**SIZES, text=text)
    captions = torch.tensor([[2, 3], [4, 5], [6, 0], [7, 8]])
    D(G(torch.randn(4, 6), captions), captions).square().sum().backward()
    for network in (G, D):
        reading = [it for name, it in network.named_parameters() if name.startswith("mapping.text.")]
        assert reading
        assert all(it.grad is not None and it.grad.abs().max() > 0 for it in reading)
