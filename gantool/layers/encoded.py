"""Generators that also find the latent of an image: what tasks and losses ask of them."""

from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from torch import Tensor, nn


class Inverted(nn.Module, ABC):
    """A generator of latents beside an encoder: as a network it is the generator alone.

    Attributes:
        decoder: the generator, latents (N, Z) to images (N, C, H, W).
        encoder: images to latents (N, Z).
    """

    decoder: nn.Module
    encoder: nn.Module

    @final
    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(z)


class Autoencoder(nn.Module, ABC):
    """A generator that makes images of images by way of latents, and encodes what it has made once more.

    Attributes:
        encoder: images (N, C, H, W) to latents (N, Z, 1, 1).
        decoder: the way back.
        second: of another opinion: images that the decoder made to latents (N, Z, 1, 1).
    """

    encoder: nn.Module
    decoder: nn.Module
    second: nn.Module


@contextmanager
def resting(network: nn.Module) -> Iterator[None]:
    """What passes through `network` meanwhile has gradients for its inputs, but none for its weights."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
