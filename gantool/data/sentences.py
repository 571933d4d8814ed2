"""Captions as embeddings of somebody else's sentence encoder, which stays as it is."""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from gantool.data.cache import cache_folder
from gantool.data.lock import locked
from gantool.data.threads import bar

TOGETHER = 64  # captions of one pass


@final
class Sentences:
    """The mean of a transformer's last layer over the words of a caption, of length sqrt(E).

    Sentence-BERT: Reimers & Gurevych (2019), arXiv:1908.10084, section 3. With that length a number is about
    1, as a latent's is.

    Args:
        model: a folder with a tokenizer and a model of Hugging Face's transformers, or the name of one there,
            such as sentence-transformers/all-MiniLM-L6-v2.
        cache: folder that keeps embeddings; None = ~/.cache/gantool.

    Raises ValueError where transformers is not installed.
    """

    def __init__(self, model: str, cache: str | None = None):
        if find_spec("transformers") is None:
            raise ValueError(f"data.embeddings={model} needs transformers: pip install 'gantool[text]'.")
        self.model = model
        self.cache = cache_folder() if cache is None else Path(cache).expanduser()
        self.size = 0

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """(N, E) of captions; each set of them is embedded once, and kept.

        Raises ValueError where the model can neither be found nor fetched.
        """
        known = hashlib.blake2b("\n".join([self.identity, *captions]).encode(), digest_size=8).hexdigest()
        file = self.cache / f"sentences-{known}.pt"
        self.cache.mkdir(parents=True, exist_ok=True)
        with locked(self.cache / ".sentences.lock"):
            if not file.exists():
                beside = file.with_suffix(".part")
                torch.save(self.embedded(captions), beside)
                beside.replace(file)
        embedded = torch.load(file, map_location="cpu", weights_only=True)
        self.size = embedded.shape[1]
        return embedded

    @property
    def identity(self) -> str:
        """Of a folder, what lies in it: another model in its place is another one."""
        folder = Path(self.model).expanduser()
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        stamps = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
        return "\n".join([self.model, *stamps])

    @property
    def facts(self) -> dict[str, Any]:
        """What a configuration has to know to embed captions in the same way; once some have been."""
        return {"vocabulary": [], "words": 0, "embedding": self.size}

    @torch.no_grad()
    def embedded(self, captions: Sequence[str]) -> Tensor:
        tokenizer, network = self.loaded()
        limits = (tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", None))
        most = min(limit for limit in limits if limit)  # what is longer is cut off
        parts: list[Tensor] = []
        with torch.random.fork_rng(devices=[]), bar("Embedding captions", len(captions)) as advance:
            for start in range(0, len(captions), TOGETHER):
                some = list(captions[start : start + TOGETHER])
                read = tokenizer(some, padding=True, truncation=True, max_length=most, return_tensors="pt")
                states = network(**read).last_hidden_state  # (n, T, E)
                there = read["attention_mask"][..., None].to(states.dtype)  # (n, T, 1)
                mean = (states * there).sum(1) / there.sum(1).clamp(min=1)
                parts.append(mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12) * mean.shape[1] ** 0.5)
                advance(len(some))
        return torch.cat(parts).float()

    def loaded(self) -> tuple[Any, Any]:
        """Tokenizer and network, in evaluation mode. No code of theirs is run."""
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()

        name = str(Path(self.model).expanduser()) if Path(self.model).expanduser().is_dir() else self.model
        try:
            with torch.random.fork_rng(devices=[]):
                tokenizer = AutoTokenizer.from_pretrained(name)
                return tokenizer, AutoModel.from_pretrained(name).eval()
        except Exception as error:  # of the network, of the hub, of a folder without the right files
            from huggingface_hub.constants import HF_HUB_CACHE

            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"data.embeddings={self.model} is neither a folder with a model, nor in {HF_HUB_CACHE}, nor "
                f"could it be fetched ({reason}): give a folder, or data.embeddings=null to learn from words."
            ) from error
