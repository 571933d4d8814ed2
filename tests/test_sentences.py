"""Captions as embeddings of a sentence encoder: a tiny one with random weights, made here."""

from pathlib import Path

import pytest
import torch
from rich.console import Console
from small import composed
from test_captions import folder, plain

import gantool
from gantool.data import sentences
from gantool.data.module import summary
from gantool.data.sentences import Sentences
from gantool.train import train

transformers = pytest.importorskip("transformers")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog", "grey", "the", "bird", "is", "red"]
SIZE = 16


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("encoder")
    (place / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(place / "vocab.txt")).save_pretrained(place)
    torch.manual_seed(0)
    numbers = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    shape = transformers.BertConfig(vocab_size=len(WORDS), hidden_size=SIZE, **numbers)
    transformers.BertModel(shape).save_pretrained(place)
    return place


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_captions_become_vectors_of_one_length(encoder: Path):
    read = Sentences(str(encoder))(["a cat", "a grey dog", "the bird is red"])
    assert read.shape == (3, SIZE)
    torch.testing.assert_close(read.norm(dim=1), torch.full((3,), SIZE**0.5))


def test_a_caption_does_not_depend_on_those_beside_it(encoder: Path):
    """Not even on how much the others make it be filled up."""
    alone, beside = (
        Sentences(str(encoder))(some) for some in (["a cat"], ["a cat", "the bird is red a dog"])
    )
    torch.testing.assert_close(alone[0], beside[0], atol=1e-5, rtol=0)


def test_captions_are_embedded_once(encoder: Path, monkeypatch: pytest.MonkeyPatch):
    first = Sentences(str(encoder))(["a cat"])
    monkeypatch.setattr(Sentences, "loaded", lambda self: pytest.fail("embedded again"))
    assert Sentences(str(encoder))(["a cat"]).equal(first)


def test_another_model_in_the_same_place_is_another_one(encoder: Path):
    before = Sentences(str(encoder)).identity
    (encoder / "more").write_text("")
    assert Sentences(str(encoder)).identity != before
    (encoder / "more").unlink()


def test_the_random_numbers_of_training_stay_as_they_are(encoder: Path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Sentences(str(encoder))(["a dog"])
    assert torch.rand(3).equal(expected)


@pytest.mark.parametrize("name", ["nobody/such-a-model", "empty"])
def test_a_model_that_is_not_there_is_named_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # without it, a minute of attempts
    (tmp_path / "empty").mkdir()
    given = str(tmp_path / name) if name == "empty" else name
    with pytest.raises(
        ValueError, match="data.embeddings=.* is neither a folder with a model, nor in"
    ) as refused:
        Sentences(given)(["a cat"])
    assert given in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sentences, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"data.embeddings=x needs transformers: pip install 'gantool\[text\]'"
    ):
        Sentences("x")


def test_mismatched_embeddings_are_those_of_other_captions(encoder: Path):
    few = plain(reader=Sentences(str(encoder)))
    batch = few[[0, 1]]
    assert batch["caption"].shape == batch["mismatch"].shape == (2, SIZE)
    assert not batch["caption"].equal(batch["mismatch"])
    facts = summary(few)
    assert (facts["words"], facts["embedding"], facts["vocabulary"]) == (0, SIZE, [])


def test_a_run_learns_from_embeddings_and_is_asked_in_words(encoder: Path, tmp_path: Path):
    given = [f"data.{key}={value}" for key, value in folder(tmp_path).items()]
    few = ["model=gan_cls", "data=captions", *given, "data.resolution=16", f"data.embeddings={encoder}"]
    few += ["model.G.width=4", "model.D.width=4", "model.G.projected=8", "images=16", "batch_size=8"]
    few += ["samples=4", "logger=none", "trainer.accelerator=cpu"]
    assert train(composed(*few), tmp_path / "run", few, Console(quiet=True)) == 0
    G = gantool.load(str(tmp_path / "run"))
    assert G.sample(2).shape == (2, 3, 16, 16)
    one, other = (G.sample(1, prompt=prompt) for prompt in ("a grey dog", "the bird is red"))
    assert not torch.allclose(one, other)
