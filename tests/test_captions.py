"""Captioned sets: what is said is true, what is mismatched is false, files that do not fit are refused."""

import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small import composed
from torch import Tensor

from gantool.data.captioned import Captioned
from gantool.data.captioned_shapes import ATTRIBUTES, CENTRES, COLOURS, captioned_shapes, vocabulary
from gantool.data.captions import captions
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.module import ImageData, summary
from gantool.data.vocabulary import PADDING, UNKNOWN, Vocabulary, words_of

TEXTS = (["a cat", "a grey cat"], ["a dog"], ["a cat"], ["the bird is red"])


@pytest.fixture(scope="module")
def shapes() -> Captioned:
    return captioned_shapes(resolution=32, count=300)


def folder(place: Path, texts: Any = TEXTS, file: str = "captions.json") -> dict[str, Any]:
    """Images of one colour each, and their captions in a file; as arguments of `captions`."""
    images = place / "images"
    images.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(images / f"{number}.png")
    table = (
        {f"{number}.png": some for number, some in enumerate(texts)} if isinstance(texts, tuple) else texts
    )
    if file.endswith(".json"):
        (place / file).write_text(json.dumps(table))
    else:
        with (place / file).open("w", newline="") as target:
            rows = [(name, text) for name, some in table.items() for text in some]
            csv.writer(target).writerows([("image", "caption"), *rows])
    return {"path": str(images), "captions": str(place / file)}


# Words.


def test_a_vocabulary_reads_what_it_has_written():
    known = Vocabulary.of(["a red circle", "A blue square, small"])
    tokens = known(["a small blue circle"])
    assert known.text(tokens[0]) == "a small blue circle"
    assert Vocabulary(known.words)(["a red square"]).equal(known(["a red square"]))


def test_words_are_lower_case_and_punctuation_is_none_of_them():
    known = Vocabulary.of(["a cat's tail; a T-shirt."])
    assert known.words == [PADDING, UNKNOWN, "a", "cat's", "t-shirt", "tail"]
    assert known(["A TAIL!"]).equal(known(["a tail"]))


def test_rare_words_are_unknown_ones_and_short_captions_are_filled_up():
    known = Vocabulary.of(["a cat", "a dog", "a dog runs"], least=2)
    assert known.words == [PADDING, UNKNOWN, "a", "dog"]
    assert known(["a cat runs", "dog"]).tolist() == [[2, 1, 1], [3, 0, 0]]
    assert known.unknown("A cat and a dog") == ["cat", "and"]


def test_words_of_other_scripts_keep_their_marks_however_they_are_written():
    composed_, apart = (unicodedata.normalize(form, "Schöner Käse") for form in ("NFC", "NFD"))
    assert composed_ != apart
    assert words_of(composed_) == words_of(apart) == ["schöner", "käse"]
    assert words_of("की का") == ["की", "का"]
    assert words_of("ไม้, ไม่") == ["ไม้", "ไม่"]
    assert words_of("rock-'n'-roll it's--fine -so-") == ["rock", "n", "roll", "it's", "fine", "so"]


@pytest.mark.parametrize("words", [["a"], [PADDING, UNKNOWN, "a", "a"], [UNKNOWN, PADDING]])
def test_a_list_that_is_no_vocabulary_is_refused(words: list[str]):
    with pytest.raises(ValueError, match="a vocabulary begins with <pad> and <unknown>"):
        Vocabulary(words)


# Shapes.


def test_every_caption_of_captioned_shapes_is_true_of_its_image(shapes: Captioned):
    """The pixel in the middle of each shape has the colour that the caption names for that place."""
    assert shapes.claims is not None
    names = list(ATTRIBUTES)
    for place in range(len(shapes)):
        image = shapes[[place]]["image"][0]
        for number in shapes.own(place):
            claimed = shapes.claims.claimed[number]
            text = shapes.texts[number].split()
            at, second = claimed[names.index("place")], claimed[names.index("colour of the second")]
            colours = [claimed[names.index("colour of the first")], *([second] if second != -1 else [])]
            assert {[*COLOURS][colour] for colour in colours} == {word for word in text if word in COLOURS}
            centres = CENTRES[at] if at != -1 else CENTRES[shapes.claims.attributes[place][1]]
            for (down, right), colour in zip(centres, colours, strict=True):
                seen = image[:, round(32 * down), round(32 * right)].float()
                wanted = torch.tensor([*COLOURS.values()][colour]).float()
                assert (seen - wanted).abs().max() < 60, (shapes.texts[number], seen, wanted)


@pytest.mark.parametrize("text", ["left of", "right of", "to the right of", "above", "below", "under"])
def test_captions_of_two_shapes_say_which_is_where(text: str, shapes: Captioned):
    """Whatever comes first in the sentence, the colours are on the sides that it names."""
    found = 0
    for place in range(len(shapes)):
        image = shapes[[place]]["image"][0].float()
        for number in shapes.own(place):
            said = shapes.texts[number].replace(" to the right of", " right of")
            relation = text.removeprefix("to the ")
            if f" {relation} a" not in said:
                continue
            first, second = (part.split() for part in said.split(f" {relation} "))
            down = relation in ("above", "below", "under")
            halves = [image[:, :16], image[:, 16:]] if down else [image[:, :, :16], image[:, :, 16:]]
            if relation in ("right of", "below", "under"):
                halves.reverse()
            for half, words in zip(halves, (first, second), strict=True):
                colour = next(word for word in words if word in COLOURS)
                lit = half.permute(1, 2, 0)[half.sum(0) > 200]
                wanted = torch.tensor(COLOURS[colour]).float()
                nearest = (lit[:, None] - torch.tensor([*COLOURS.values()]).float()).norm(dim=2).argmin(1)
                assert torch.tensor([*COLOURS.values()])[nearest.mode().values].float().equal(wanted), said
            found += 1
    assert found


def test_attributes_tell_how_many_shapes_there_are(shapes: Captioned):
    assert shapes.claims is not None
    rows = shapes.claims.attributes
    assert ((rows[:, 5:] == -1).all(1) == (rows[:, 0] == 0)).all()
    assert (rows[:, :5] >= 0).all()
    for values, column in zip(ATTRIBUTES.values(), rows.T, strict=True):
        assert {*column.tolist()} - {-1} == {*range(len(values))}


def test_shapes_depend_on_nothing_but_the_seed(shapes: Captioned):
    again, other = (captioned_shapes(resolution=32, count=300, seed=seed) for seed in (0, 1))
    for name, value in shapes[range(50)].items():
        assert value.equal(again[range(50)][name])
    assert not shapes[range(50)]["image"].equal(other[range(50)]["image"])
    assert shapes.texts == again.texts


def test_the_words_that_the_configuration_counts_are_those_that_captions_have(shapes: Captioned):
    assert composed("data=captioned_shapes").data.words == len(vocabulary())
    assert composed("data=captioned_shapes").data.classes == shapes.classes
    assert (shapes.codes != 1).all()
    used = Vocabulary.of(captioned_shapes(count=2000).texts).words
    assert used == vocabulary().words


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_shapes_have_any_number_of_channels_and_any_size(channels: int):
    few = captioned_shapes([16, 24], channels, count=5)
    assert few[range(5)]["image"].shape == (5, channels, 16, 24)
    if channels in (2, 4):
        assert (few[range(5)]["image"][:, -1] == 255).all()


@pytest.mark.parametrize("wrong", [{"channels": 5}, {"count": 1}, {"captions": 0}])
def test_a_set_of_shapes_that_cannot_be_is_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match="make no set; use 1 to 4 channels"):
        captioned_shapes(**wrong)  # pyright: ignore


# Which caption, and which not.


def plain(texts: Any = TEXTS, reader: Any = None) -> Captioned:
    images = InMemory(np.zeros((len(texts), 3, 8, 8), np.uint8))
    return Captioned(images, texts, reader or Vocabulary.of(one for some in texts for one in some))


def test_mismatched_captions_are_never_true():
    few = plain()
    for way in range(200):
        for place in range(len(few)):
            own, other = few.chosen(place, way)
            assert few.texts[own] in TEXTS[place]
            assert few.texts[other] not in TEXTS[place]
    texts = {few.texts[few.chosen(0, way)[1]] for way in range(100)}
    assert texts == {"a dog", "the bird is red"}


def test_mismatched_captions_of_shapes_are_false_of_what_is_there(shapes: Captioned):
    assert shapes.claims is not None
    for place in range(100):
        attributes = shapes.claims.attributes[place]
        for way in range(20):
            own, other = (shapes.claims.claimed[number] for number in shapes.chosen(place, way))
            assert ((own == -1) | (own == attributes)).all()
            assert ((other != -1) & (other != attributes)).any()


def test_what_contradicts_a_caption_is_true_of_no_image_of_which_it_is_true(shapes: Captioned):
    claims = shapes.claims
    assert claims is not None
    true = np.stack([claims.true(place) for place in range(len(shapes))])  # (N, U)
    for place in range(40):
        holds = true[:, shapes.own(place)[0]]
        assert not true[holds][:, shapes.contrary(place)].any()


def test_way_0_has_the_first_caption_and_chance_chooses_among_all():
    few = plain()
    assert few.texts[few.chosen(0, 0)[0]] == "a cat"
    chosen = [few.texts[few.chosen(0, way)[0]] for way in range(1, 200)]
    assert 60 < chosen.count("a grey cat") < 140


def test_a_walk_shows_an_image_with_other_captions_in_every_epoch():
    few = plain()
    walk = few.walk(seed=3)
    shown = [few[[index]]["caption"].tolist() for index in walk(0, 80) if index % 4 == 0]
    assert len(shown) == 20
    assert len({str(one) for one in shown}) == 2
    assert walk(40, 8) == few.walk(seed=3)(0, 48)[40:]


def test_a_batch_holds_captions_beside_images(shapes: Captioned):
    batch = shapes[shapes.walk(0)(0, 8)]
    assert set(batch) == {"image", "label", "caption", "mismatch"}
    assert batch["caption"].shape == batch["mismatch"].shape == (8, shapes.codes.shape[1])
    assert batch["caption"].dtype == torch.int64


def test_a_configuration_learns_the_words_and_some_captions(shapes: Captioned):
    facts = summary(shapes)
    assert facts["vocabulary"] == vocabulary().words
    assert (facts["words"], facts["embedding"]) == (len(vocabulary()), 0)
    assert 50 < len(facts["examples"]) <= 64
    assert {*facts["examples"]} <= {*shapes.texts}
    assert "examples" not in summary(InMemory(np.zeros((2, 3, 8, 8), np.uint8)))


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ((["a cat"], []), "Image 1 has no caption"),
        ((["a cat"], ["…"]), "'…' has no words"),
        ((["A cat"], ["a cat!"]), "Every caption reads as one that is true of image 0, such as 'A cat'"),
        ((["a cat"], ["a cat"]), "Every caption reads as one that is true of image 0, such as 'a cat'"),
    ],
)
def test_captions_that_teach_nothing_are_refused(texts: Any, why: str):
    with pytest.raises(ValueError, match=why):
        plain(texts)


def test_a_caption_that_reads_as_a_true_one_is_no_mismatch():
    few = plain((["a cat"], ["A CAT."], ["a dog"]))
    own = few.codes[2]
    for way in range(100):
        batch = few[[place + 3 * way for place in range(2)]]
        assert (batch["mismatch"] == own).all()
    assert [few.truths(place) for place in range(3)] == [2, 2, 1]
    assert [few.contraries(place) for place in range(3)] == [1, 1, 2]


def test_a_batch_is_no_longer_than_its_captions_need():
    long = " ".join(["very"] * 100)
    few = plain((["a cat"], ["a dog"], [f"a {long} tall bird"]))
    assert few.codes.shape[1] == 103
    short, full = few[[0, 1]], few[[0, 2]]
    longest = {tuple(few[[place + 3 * way]]["mismatch"].shape) for place in range(2) for way in range(50)}
    assert longest == {(1, 8), (1, 103)}
    assert full["caption"].equal(few.codes[[0, 2]])
    assert short["caption"].equal(few.codes[:2, : short["caption"].shape[1]])
    assert short["caption"].shape == short["mismatch"].shape


def test_a_mirror_is_refused_where_captions_tell_left_from_right(shapes: Captioned):
    with pytest.raises(
        ValueError, match="data.mirror=true would make captions false, such as '.*(left|right)"
    ):
        shapes.mirrored()
    mirrored: ImageSet = plain().mirrored()
    assert mirrored[[5]]["caption"].equal(plain()[[1]]["caption"])


# Files.


@pytest.mark.parametrize("file", ["captions.json", "captions.csv"])
def test_images_get_the_captions_of_a_file(file: str, tmp_path: Path):
    found = captions(**folder(tmp_path, file=file))
    assert [[found.texts[n] for n in found.own(place)] for place in range(4)] == [*TEXTS]
    assert found[[1]]["image"][0, 0, 0, 0] == 60
    assert found.classes == 0


def test_records_are_captions_too(tmp_path: Path):
    records = [{"image": f"{n}.png", "captions": some} for n, some in enumerate(TEXTS)]
    records += [{"file_name": "1.png", "caption": "one more"}]
    found = captions(**folder(tmp_path, records))
    assert [found.texts[n] for n in found.own(1)] == ["a dog", "one more"]


@pytest.mark.parametrize(
    ("texts", "file", "why"),
    [
        (
            {"0.png": ["a"], "9.png": ["b"]},
            "captions.json",
            "names 1 images that are not in .*, such as 9.png",
        ),
        ((["a cat"], ["a dog"]), "captions.json", "2 of 4 images have no caption in .*, such as 2.png"),
        ((["a"], ["b"], ["c"], [" "]), "captions.csv", "a caption of 3.png is '', which has no words"),
        ((["a"], ["b"], ["c"], [7]), "captions.json", "a caption of 3.png is 7, not text"),
        ([3], "captions.json", "has an entry"),
        ({}, "captions.json", "holds no captions"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(texts: Any, file: str, why: str, tmp_path: Path):
    with pytest.raises(ValueError, match=why) as refused:
        captions(**folder(tmp_path, texts, file))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("c.csv", "name;what\n0.png;a cat\n", "must name the columns image,caption"),
        ("c.csv", "image,caption\n0.png\n", "has a row without a caption: 0.png"),
        ("c.json", "{", "is no JSON"),
        ("c.txt", "a cat", "give a CSV of image,caption"),
    ],
)
def test_a_file_that_is_no_table_is_refused(name: str, content: str, why: str, tmp_path: Path):
    given = folder(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=why):
        captions(given["path"], str(tmp_path / name))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"path": None}, "data=captions needs data.path=DIR"),
        ({"captions": "nowhere.csv"}, "data.captions=nowhere.csv is neither a file here"),
        ({"min_count": 0}, "data.min_count=0: give how often"),
        ({"min_count": 99}, "data.min_count=99: no word occurs so often"),
        ({"on_corrupt": "no"}, "data.on_corrupt=no"),
        ({"in_memory": "no"}, "data.in_memory=no"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(given: dict[str, Any], why: str, tmp_path: Path):
    with pytest.raises(ValueError, match=why):
        captions(**{**folder(tmp_path), **given})


def test_held_out_images_are_others_read_by_the_same_words(tmp_path: Path):
    given = {**folder(tmp_path), "hold_out": 2}
    train, held_out = captions(**given), captions(**given, held_out=True)
    both = {value.flatten()[0].item() for one in (train, held_out) for value in one[range(2)]["image"]}
    assert both == {0, 60, 120, 180}
    assert isinstance(train.reader, Vocabulary)
    assert isinstance(held_out.reader, Vocabulary)
    assert train.reader.words == held_out.reader.words


def test_rare_words_are_counted_over_all_captions(tmp_path: Path):
    found = captions(**folder(tmp_path), min_count=2)
    assert summary(found)["vocabulary"] == [PADDING, UNKNOWN, "a", "cat"]


@pytest.mark.parametrize("in_memory", [True, False])
def test_captions_stay_with_their_images_in_memory_or_not(in_memory: bool, tmp_path: Path):
    found = captions(**folder(tmp_path), in_memory=in_memory)
    batch: dict[str, Tensor] = found[[3, 0]]
    assert found.streamed != in_memory
    assert batch["image"][:, 0, 0, 0].tolist() == [180, 0]
    assert batch["caption"].equal(found.reader(["the bird is red", "a cat"]))


def test_one_image_of_two_spellings_has_all_its_captions(tmp_path: Path):
    given = folder(
        tmp_path, {"0.png": ["a cat"], "./0.png": ["a thing"], **{f"{n}.png": ["a dog"] for n in (1, 2, 3)}}
    )
    found = captions(**given)
    assert [found.texts[number] for number in found.own(0)] == ["a cat", "a thing"]


def test_a_csv_may_have_semicolons_blank_lines_and_empty_cells_at_its_end(tmp_path: Path):
    given = folder(tmp_path)
    rows = ["image;caption;", "0.png;a cat, grey;", "  ;", "1.png;a dog;", "2.png;a bird;", "3.png;a cow;"]
    given["captions"] = str(tmp_path / "semicolons.csv")
    (tmp_path / "semicolons.csv").write_text("\n".join(rows))
    assert captions(**given).texts == ["a cat, grey", "a dog", "a bird", "a cow"]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (
            "0.png,a cat, grey",
            "has a row of 3 cells where its first has 2: 0.png,a cat, grey; put .* between quotes",
        ),
        ('0.png,"a cat' + "x" * 200_000, "cannot be read as a CSV .*is a quote left open"),
    ],
)
def test_rows_that_are_not_what_they_seem_are_refused(rows: str, why: str, tmp_path: Path):
    given = folder(tmp_path)
    given["captions"] = str(tmp_path / "wrong.csv")
    (tmp_path / "wrong.csv").write_text("image,caption\n" + rows)
    with pytest.raises(ValueError, match=why) as error:
        captions(**given)
    assert "\n" not in str(error.value)


def test_a_single_held_out_image_has_mismatches_among_the_captions_of_the_others(tmp_path: Path):
    given = folder(tmp_path)
    shown, hidden = (captions(**given, hold_out=1, held_out=side) for side in (False, True))
    assert (len(shown), len(hidden)) == (3, 1)
    own = {hidden.texts[number] for number in hidden.own(0)}
    others = {hidden.texts[hidden.false(0, way)] for way in range(100)}
    assert others == {text for texts in TEXTS for text in texts} - own


def test_pictures_of_a_set_without_the_first_classes_show_what_there_is():
    few = captioned_shapes(resolution=16, count=2)
    data = ImageData(few, 2, seed=0)
    assert data.preview(4)["image"].shape == (4, 3, 16, 16)
