"""What a text-to-image generator is asked for: prompts, as its captions are read."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gantool.data.sentences import Sentences
from gantool.data.vocabulary import Vocabulary, words_of

log = logging.getLogger(__name__)


def is_told(config: DictConfig) -> bool:
    """Whether a model makes images of captions."""
    return "words" in config.task


def wanted(cfg: DictConfig, config: DictConfig) -> Any:
    """What the keys `label`, `prompt` and, where it has it, `prompts` of a verb ask for: see `asked`."""
    return asked(cfg.label, cfg.prompt, cfg.prompts if "prompts" in cfg else None, config)


def asked(label: Any, prompt: Any, file: Any, config: DictConfig) -> Any:
    """What images are wanted of: classes, or prompts; as `labels_for` takes them.

    Args:
        label: the key `label`.
        prompt: the key `prompt`: a text, or a list of them; None = none.
        file: the key `prompts`: a file of one prompt a line; None = none.
        config: of the training.

    Raises ValueError for more than one of them, and for prompts of a model that takes none.
    """
    given = {"label": label, "prompt": prompt, "prompts": file}
    given = {key: value for key, value in given.items() if value is not None}
    if not given:
        return None
    [(key, value), *others] = given.items()
    if others:
        said = " ".join(f"{name}={one}" for name, one in given.items())
        raise ValueError(f"{said}: give one of them.")
    if (key == "label") == is_told(config):
        cure = "a prompt" if key == "label" else "a label, or nothing"
        what = "captions" if key == "label" else "no captions"
        raise ValueError(f"{key}={value}: this model makes images of {what}; give {cure}.")
    return of_file(value) if key == "prompts" else value


def of_file(name: Any) -> list[str]:
    """One prompt a line."""
    try:
        lines = Path(str(name)).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"prompts={name} cannot be read ({error}); give a text of one prompt a line."
        ) from error
    if not (found := [line.strip() for line in lines if line.strip()]):
        raise ValueError(f"prompts={name} is empty; write one prompt a line.")
    return found


def texts(label: Any, numbers: Sequence[int], config: DictConfig) -> list[str]:
    """The prompt of each image.

    Args:
        label: a prompt, or several, taken in turn; None = image n is of caption n of those that the run
            remembers.
        numbers: of the images.
        config: of the training.
    """
    if label is None:
        known = examples(config)
        return [known[number % len(known)] for number in numbers]
    listed = OmegaConf.is_list(label) or isinstance(label, list | tuple)
    prompts = [str(one) for one in (label if listed else [label])]
    if not prompts:
        raise ValueError("prompt=[]: give a prompt, or several.")
    return [prompts[place % len(prompts)] for place in range(len(numbers))]


def said(labels: Tensor, config: DictConfig) -> list[str] | None:
    """What these captions say, as `read` made numbers of them; None of embeddings, which keep no words."""
    if labels.is_floating_point() or not config.data.get("vocabulary"):
        return None
    vocabulary = Vocabulary(list(config.data.vocabulary))
    return [vocabulary.text(one) for one in labels]


def examples(config: DictConfig) -> list[str]:
    """Captions of the training set; before training has seen any, one that says nothing."""
    return list(config.data.get("examples") or ["nothing"])


def read(prompts: Sequence[str], config: DictConfig) -> Tensor:
    """As the players are told them: (N, T) places of words, as many as the longest caption of the run has, or
    (N, E) embeddings.

    Raises ValueError for a prompt of which no word is known; warns of single words. Captions of the run
    itself pass, though they may have words that were too rare to be learnt.
    """
    for prompt in dict.fromkeys(prompts):
        if not words_of(prompt):
            raise ValueError(f"prompt={prompt!r} has no words; say what the image should show.")
    if config.task.embedding:
        return Sentences(config.data.embeddings)(prompts)
    if not config.data.get("vocabulary"):
        return torch.ones(len(prompts), 1, dtype=torch.long)  # a GAN that was never trained
    vocabulary = Vocabulary(list(config.data.vocabulary))
    own = set(examples(config))
    for prompt in dict.fromkeys(prompts):
        if prompt not in own:
            refuse_unknown(prompt, vocabulary)
    longest = max(len(words_of(one)) for one in (*prompts, *examples(config)))
    return vocabulary(prompts, longest)


def refuse_unknown(prompt: str, vocabulary: Vocabulary) -> None:
    """Raise ValueError where no word is known, and warn of those that are not."""
    unknown = vocabulary.unknown(prompt)
    if not unknown:
        return
    words = ", ".join(vocabulary.words[2:22]) + (", …" if len(vocabulary) > 22 else "")
    those = f"prompt={prompt!r}: the captions of this run never said {', '.join(unknown)}"
    if len(unknown) == len(set(words_of(prompt))):
        raise ValueError(f"{those}; use words such as {words}.")
    log.warning("%s, which is read as any unknown word; known are %s.", those, words)
