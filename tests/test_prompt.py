"""Prompts: sampling what is asked for in words, by command and in Python, and what other verbs do."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image
from rich.console import Console
from small import composed, trained
from torch import nn

import gantool
from gantool import prompts
from gantool import sample as sampling
from gantool.between_classes import between_captions
from gantool.captions_below import WIDTH, captioned, fold
from gantool.data.image_set import ImageSet
from gantool.data.vocabulary import Vocabulary
from gantool.detect import main as detect
from gantool.directions import main as directions
from gantool.export import export
from gantool.finished import evenly, labels_for
from gantool.fit import data_of
from gantool.images import picture_of, to_uint8
from gantool.interpolate import main as interpolate
from gantool.layers.text import Text
from gantool.neighbours import main as neighbours
from gantool.project import main as project
from gantool.prompts import wanted
from gantool.sample import main as sample
from gantool.trained import load

QUIET = Console(quiet=True)
FEW = ("data.count=24", "data.text_width=8", "model.G.projected=8", "images=16")
PROMPT = "a red circle left of a blue square"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a text-to-image model with an averaged generator and batch norm."""
    folder = tmp_path_factory.mktemp("run")
    assert trained(folder, "model=gan_cls", *FEW, "ema=50") == 0
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a model that is told nothing."""
    folder = tmp_path_factory.mktemp("plain")
    assert trained(folder, "model=dcgan", "images=16") == 0
    return folder


def sampled(run: Path, out: Path, *more: str) -> list[Path]:
    sample(composed(f"run={run}", f"out={out}", "count=6", *more, name="sample"))
    return sorted(out.glob("0*.png"))


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image)


def config_of(run: Path) -> Any:
    return load(run / "checkpoints" / "last.ckpt")[1]


def test_a_prompt_on_the_command_line_and_in_python_makes_the_same_images(run: Path, tmp_path: Path):
    files = sampled(run, tmp_path, f"prompt={PROMPT}")
    made = gantool.load(str(run)).sample(6, prompt=PROMPT)
    assert np.array_equal(np.stack([pixels(file) for file in files]), to_uint8(made))


def test_prompts_are_taken_in_turn_from_a_list_or_a_file(run: Path, tmp_path: Path):
    G = gantool.load(str(run))
    several = ["a red circle", "a large blue square above a green triangle"]
    made = G.sample(4, prompt=several)
    for n in range(4):  # the length of other prompts does not matter
        assert torch.allclose(G.sample(4, prompt=several[n % 2])[n], made[n], atol=1e-6)
    (tmp_path / "prompts.txt").write_text("\n".join(["", *several, " "]))
    files = sampled(run, tmp_path / "out", f"prompts={tmp_path / 'prompts.txt'}")
    assert np.array_equal(np.stack([pixels(file) for file in files[:4]]), to_uint8(made))


def test_without_a_prompt_images_are_of_captions_that_the_run_remembers(run: Path):
    config, G = config_of(run), gantool.load(str(run))
    examples = list(config.data.examples)
    assert torch.allclose(G.sample(3), G.sample(3, prompt=examples[:3]), atol=1e-6)
    assert len(evenly(config)) == 64


def test_the_prompt_matters(run: Path):
    G = gantool.load(str(run))
    assert not torch.allclose(G.sample(1, prompt="a red circle"), G.sample(1, prompt="a blue square"))


def test_sampling_needs_no_data(run: Path, monkeypatch: pytest.MonkeyPatch):
    def gone(*_: Any, **__: Any) -> ImageSet:
        raise AssertionError("the data were read")

    monkeypatch.setattr("gantool.data.captioned_shapes.captioned_shapes", gone)
    assert gantool.load(str(run)).sample(2, prompt=PROMPT).shape == (2, 3, 16, 16)


def test_unknown_words_are_named_and_a_prompt_of_nothing_else_is_refused(
    run: Path, caplog: pytest.LogCaptureFixture
):
    config = config_of(run)
    with caplog.at_level(logging.WARNING):
        labels_for("a purple circle", range(2), config)
    [record] = caplog.records
    assert "the captions of this run never said purple" in record.message
    with pytest.raises(ValueError, match=r"never said purple, frog; use words such as a, above") as refused:
        labels_for("purple frog", range(1), config)
    assert "\n" not in str(refused.value)


def test_captions_of_the_run_itself_may_have_words_that_were_too_rare_to_be_learnt(
    run: Path, caplog: pytest.LogCaptureFixture
):
    config = config_of(run)
    config.data.examples = ["scroll", "a red scroll"]
    with caplog.at_level(logging.WARNING):
        scroll, red_scroll = labels_for(None, range(2), config)
    assert not caplog.records
    places = {word: place for place, word in enumerate(config.data.vocabulary)}
    assert scroll.tolist() == [1, 0, 0]
    assert red_scroll.tolist() == [places["a"], places["red"], 1]


@pytest.mark.parametrize("prompt", ["", "…", []])
def test_a_prompt_without_words_is_refused(prompt: Any, run: Path):
    with pytest.raises(ValueError, match=r"prompt=.*(has no words|give a prompt)"):
        labels_for(prompt, range(1), config_of(run))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["prompt=a circle", "label=3"], "label=3 prompt=a circle: give one of them"),
        (["prompt=a circle", "prompts=x.txt"], "prompt=a circle prompts=x.txt: give one of them"),
        (["label=3"], "label=3: this model makes images of captions; give a prompt"),
        (["prompts=nowhere.txt"], "prompts=nowhere.txt cannot be read"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(more: Sequence[str], why: str, run: Path, tmp_path: Path):
    with pytest.raises(ValueError, match=why):
        sampled(run, tmp_path, *more)


def test_an_empty_file_of_prompts_is_refused(run: Path, tmp_path: Path):
    (tmp_path / "none.txt").write_text("\n \n")
    with pytest.raises(ValueError, match="is empty; write one prompt a line"):
        sampled(run, tmp_path, f"prompts={tmp_path / 'none.txt'}")


def test_a_model_that_is_told_nothing_takes_no_prompt(plain: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="prompt=a circle: this model makes images of no captions"):
        sampled(plain, tmp_path, "prompt=a circle")
    with pytest.raises(ValueError, match="prompt=a circle: this model makes images of no captions"):
        gantool.load(str(plain)).sample(1, prompt="a circle")


# Grids.


def test_a_grid_has_its_captions_below_the_images_and_single_images_have_none(run: Path, tmp_path: Path):
    files = sampled(run, tmp_path, f"prompt={PROMPT}", "columns=3")
    grid = pixels(tmp_path / "grid.png")
    assert grid.shape[1] == 3 * (WIDTH + 2) + 2
    assert grid.shape[0] > 2 * (WIDTH + 2) + 2
    large = pixels(files[0]).repeat(8, 0).repeat(8, 1)
    assert np.array_equal(grid[2 : 2 + WIDTH, 2 : 2 + WIDTH], large)
    assert (grid[2 + WIDTH : 2 + WIDTH + 20, 2 : 2 + WIDTH] > 200).any()


def test_pictures_of_training_have_below_them_the_captions_that_the_model_was_told(run: Path):
    config = config_of(run)
    data = data_of(config, instantiate(config.data.set))
    shown, texts = data.preview(config.samples), data.captions(config.samples)
    words = Vocabulary(list(config.data.vocabulary))
    assert [words.text(told) for told in shown["caption"]] == texts
    real = captioned(to_uint8(shown["image"]), texts)
    assert np.array_equal(pixels(run / "samples" / "real.png"), picture_of(real))
    fake = pixels(run / "samples" / "000000016.png")
    assert fake.shape == picture_of(real).shape
    below = slice(2 + WIDTH, real.shape[1] + 2)
    assert np.array_equal(fake[below], picture_of(real)[below])


def test_images_without_captions_have_none_below(plain: Path):
    config = config_of(plain)
    assert data_of(config, instantiate(config.data.set)).captions(config.samples) == []


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_of_any_kind_get_captions(channels: int):
    images = np.full((2, 16, 24, channels), 255, np.uint8)
    made = captioned(images, ["a", "a long caption that takes more than one line of letters"])
    assert made.shape[0] == 2
    assert made.shape[2:] == (144, 3)
    assert (made[:, :96] == 255).all()


def test_lines_are_as_long_as_there_is_room_and_no_word_is_lost():
    from PIL import ImageFont

    font = ImageFont.load_default(12)
    lines = fold("a red circle to the left of a superextraordinarilylong word", font, 80)
    assert " ".join(lines) == "a red circle to the left of a superextraordinarilylong word"
    assert all(font.getlength(line) <= 80 or " " not in line for line in lines)
    assert fold("", font, 80) == [""]


# Other verbs.


def test_an_exported_generator_takes_prompts(run: Path, tmp_path: Path):
    file = export(composed(f"run={run}", f"out={tmp_path / 'G.safetensors'}", name="export"), QUIET)
    ours, theirs = gantool.load(str(run)), gantool.load(str(file))
    assert torch.allclose(ours.sample(3, prompt=PROMPT), theirs.sample(3, prompt=PROMPT), atol=1e-5)


def test_a_walk_through_latents_shows_one_prompt(run: Path, tmp_path: Path):
    given = [f"run={run}", f"prompt={PROMPT}", "points=2", "steps=3", "video=null", f"out={tmp_path}"]
    interpolate(composed(*given, name="interpolate"))
    assert (tmp_path / "walk.png").exists()


def test_a_walk_leads_from_prompt_to_prompt(run: Path, tmp_path: Path):
    words = ["a red circle", "a blue square"]
    given = ["points=[3]", f"prompt=[{','.join(words)}]", "steps=3", f"out={tmp_path}"]
    interpolate(composed(f"run={run}", *given, name="interpolate"))
    walk = pixels(tmp_path / "walk.png")
    G = gantool.load(str(run))
    start, end = (to_uint8(G.sample(4, prompt=word))[3] for word in words)
    assert np.array_equal(walk, picture_of(np.stack([start, walk[2:18, 20:36], end]), 3))
    assert not np.array_equal(walk[2:18, 20:36], start)
    assert not np.array_equal(walk[2:18, 20:36], end)


@pytest.mark.parametrize("reader", ["gru", "bag_of_words"])
def test_half_way_between_two_captions_is_what_both_say_together(reader: str):
    """Which a reader answers for two captions at once; a reader that normalises has learnt how by now."""
    text = Text(reader, words=6, embedding=0, size=5).eval()
    start, end = torch.tensor([[2, 3, 0], [4, 0, 0]]), torch.tensor([[3, 5, 2], [2, 2, 0]])
    with between_captions(nn.Sequential(text), end, torch.tensor([0.0, 0.5])):
        found = text(start)
    assert found[0].equal(text(start)[0])
    torch.testing.assert_close(found[1], text(torch.stack([start, end], 1))[1])
    assert text(start)[1].equal(text(start[1:])[0])  # afterwards as before


@pytest.mark.parametrize("verb", ["interpolate", "mix", "directions", "neighbours", "project"])
def test_every_verb_that_takes_a_label_takes_a_prompt_and_tells_them_apart(verb: str, run: Path):
    needed = ["image=x.png"] if verb == "project" else []
    with pytest.raises(ValueError, match="label=3: this model makes images of captions; give a prompt"):
        wanted(composed(f"run={run}", "label=3", *needed, name=verb), config_of(run))
    assert wanted(composed(f"run={run}", f"prompt={PROMPT}", *needed, name=verb), config_of(run)) == PROMPT


def test_fakes_of_a_prompt_have_neighbours_and_images_addresses(run: Path, tmp_path: Path):
    neighbours(composed(f"run={run}", "count=2", f"prompt={PROMPT}", f"out={tmp_path}", name="neighbours"))
    assert list(tmp_path.glob("*.png"))
    [file, *_] = sampled(run, tmp_path / "samples", f"prompt={PROMPT}", "count=1")
    given = [f"run={run}", f"image={file}", f"prompt={PROMPT}", "steps=2", f"out={tmp_path / 'projected'}"]
    project(composed(*given, name="project"))
    assert sampled(run, tmp_path / "again", f"latents={tmp_path / 'projected' / 'latents.npz'}")


def test_prompts_before_any_training_are_words_that_nobody_knows():
    cfg = composed("model=gan_cls", "data=captioned_shapes")
    assert prompts.read(["whatever"], cfg).tolist() == [[1]]


def test_images_of_saved_latents_say_below_them_what_they_were_made_of(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "projected"
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    project(
        composed(
            f"run={run}",
            f"image={tmp_path / 'a.png'}",
            f"out={out}",
            "steps=1",
            f"prompt={PROMPT}",
            name="project",
        )
    )
    below: list[Any] = []
    plain = sampling.write_images
    monkeypatch.setattr(sampling, "write_images", lambda *given: (below.append(given[3]), plain(*given)))
    words = [f"run={run}", f"latents={out / 'latents.npz'}", "singles=false"]
    sample(composed(*words, f"out={tmp_path / 'a'}", "count=1", name="sample"))
    assert below == [[PROMPT]]
    [other] = config_of(run).data.examples[:1]
    sample(composed(*words, f"out={tmp_path / 'b'}", "count=1", f"prompt={other}", name="sample"))
    assert below == [[PROMPT], [other]]


def test_directions_of_what_is_told_are_those_of_its_latent(run: Path, tmp_path: Path):
    words = [f"run={run}", f"out={tmp_path}", "count=2", "steps=3", "samples=2", f"prompt={PROMPT}"]
    directions(composed(*words, name="directions"))
    assert len(list(tmp_path.glob("*.png"))) == 2


def test_a_search_has_no_caption_to_search_with(run: Path, tmp_path: Path):
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="classes or captions that it is told"):
        detect(composed(f"run={run}", f"input={tmp_path / 'a.png'}", name="detect"))
