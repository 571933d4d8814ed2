"""Readers of captions: from words, or from an embedding of the whole sentence, to one vector."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding as looked_up
from torch.nn.functional import linear

READERS = ("gru", "bag_of_words")


@final
class Text(nn.Module):
    """What a player learns to read in a caption: (N, T) words, or (N, E) of a frozen encoder, to (N, size).

    Of several captions for each image, (N, M, T) or (N, M, E), the mean of what is read in each: between two
    captions is what Reed et al. (2016), arXiv:1605.05396, section 4.3, interpolate to, with their beta = 0.5.

    Args:
        reader: of words: gru, which knows their order, or bag_of_words, their mean. Not used for embeddings.
        words: of the vocabulary; 0 = captions are embeddings already.
        embedding: E of these.
        size: of a word and of the answer.
        normalised: each number is of mean 0 and variance 1 over the captions of a batch. Otherwise what all
            captions have in common grows while training, until a generator's first batch norm leaves nothing
            of its latent.

    Differs from the paper: words are read by a recurrent network that learns with the player, not by a
    character-level one that has been taught in advance; in the authors' code batch norm is D's alone.
    """

    def __init__(self, reader: str, words: int, embedding: int, size: int, normalised: bool = True):
        super().__init__()
        if reader not in READERS:
            raise ValueError(f"text={reader}: choose one of {', '.join(READERS)}.")
        self.words = words
        self.size = size if words else embedding
        self.reader = (
            nn.Identity() if not words else Recurrent(words, size) if reader == "gru" else Bag(words, size)
        )
        self.norm = nn.BatchNorm1d(self.size, affine=False) if normalised else nn.Identity()

    def forward(self, caption: Tensor) -> Tensor:
        if self.words and caption.ndim == 1:  # a word each
            caption = caption[:, None]
        several = caption if caption.ndim == 3 else caption[:, None]  # (N, M, T)
        read = self.norm(self.reader(several.flatten(0, 1)))  # (N M, size)
        return read.unflatten(0, several.shape[:2]).mean(1)  # (N, size)


@final
class Bag(nn.Module):
    """The mean of a caption's words, in any order; of none it is 0."""

    def __init__(self, words: int, size: int):
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(words, size))

    def forward(self, tokens: Tensor) -> Tensor:
        there = (tokens != 0).to(self.vectors.dtype)[..., None]  # (N, T, 1)
        return (looked_up(tokens, self.vectors) * there).sum(1) / there.sum(1).clamp(min=1)


@final
class Recurrent(nn.Module):
    """The state of a GRU after the last word; Cho et al. (2014), arXiv:1406.1078."""

    def __init__(self, words: int, size: int):
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(words, size))
        self.cell = nn.GRUCell(size, size)  # nn.GRU cannot be exported to ONNX

    def forward(self, tokens: Tensor) -> Tensor:
        words = looked_up(tokens, self.vectors)  # (N, T, size)
        state = torch.zeros_like(words[:, 0])  # (N, size)
        for word, token in zip(words.unbind(1), tokens.unbind(1), strict=True):
            state = torch.where(token[:, None] == 0, state, self.cell(word, state))
        return state


@final
class Projection(nn.Module):
    """A linear layer without bias, that begins as torch's do, whatever `init` says.

    In the authors' code only convolutions and batch norms begin as N(0, 0.02), which would leave captions
    next to nothing beside the latent.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        bound = inputs**-0.5
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight)
