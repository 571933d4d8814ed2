"""Pairs of images: two folders with equal names, side by side, a table."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from image_files import (  # noqa: F401  # fixtures
    _clean_slate,
    composed,
    everything,
    fill,
    noise,
    of_file,
    refused,
    root_here,
    save,
    shown,
    sides_here,
    zipped,
)

from gantool.data.pairs import pairs

# Two folders with equal names.


@pytest.mark.parametrize("in_memory", [True, False])
def test_images_of_equal_names_belong_together(sides: dict[str, str], in_memory: bool, root: Path):
    images = pairs(**sides, in_memory=in_memory)
    assert (len(images), images.streamed) == (3, not in_memory)
    for position, name in enumerate(("cat", "dog", "far/cow")):
        assert (everything(images, "source")[position] == of_file(root / "photo" / f"{name}.png")).all()
        assert (everything(images, "target")[position] == of_file(root / "drawing" / f"{name}.png")).all()


def test_the_suffix_may_differ(root: Path):
    fill(root / "a", "1.png", "2.v2.png")
    fill(root / "b", "1.webp", "2.v2.bmp")
    assert len(pairs(source=str(root / "a"), target=str(root / "b"))) == 2


def test_both_folders_may_lie_below_one_path_or_in_one_zip(sides: dict[str, str], root: Path):
    expected = everything(pairs(**sides), "target")
    for path in (root, zipped(root)):
        images = pairs(path=str(path), source="photo", target="drawing/")
        assert (everything(images, "target") == expected).all()


def test_either_direction_can_be_learnt(sides: dict[str, str]):
    forth, back = pairs(**sides), pairs(**sides, direction="ba")
    assert (everything(forth, "source") == everything(back, "target")).all()
    assert (forth.shape, forth.source_shape) == (back.source_shape, back.shape) == ((4, 8, 8), (3, 8, 8))


def test_images_without_a_partner_are_left_out_and_counted(
    sides: dict[str, str], root: Path, caplog: pytest.LogCaptureFixture
):
    fill(root / "photo", "horse.png", "mouse.png")
    fill(root / "drawing", "bird.png")
    assert len(pairs(**sides)) == 3
    assert "2 images of data.source and 1 of data.target have no partner" in caplog.text
    assert "photo" not in caplog.text.partition("name: ")[0]
    for name in ("horse", "mouse", "bird"):
        assert f"{name}.png" in caplog.text


def test_folders_without_any_equal_name_are_refused(root: Path):
    fill(root / "a", "1.png")
    fill(root / "b", "one.png")
    message = refused(pairs, source=str(root / "a"), target=str(root / "b"))
    assert "1.png here and one.png there" in message


def test_two_images_with_one_partner_are_refused(sides: dict[str, str], root: Path):
    fill(root / "photo", "cat.bmp")
    message = refused(pairs, **sides)
    assert "data.source: cat.bmp and cat.png would have the same partner" in message


def test_a_corrupt_image_takes_its_partner_with_it(
    sides: dict[str, str], root: Path, caplog: pytest.LogCaptureFixture
):
    (root / "drawing" / "dog.png").write_text("no image")
    images = pairs(**sides)
    assert len(images) == 2
    assert (everything(images, "source")[1] == of_file(root / "photo" / "far" / "cow.png")).all()
    assert "dog.png (not an image)" in caplog.text
    assert "no partner" not in caplog.text
    assert "dog.png (not an image)" in refused(pairs, **sides, on_corrupt="fail")


def test_an_image_that_becomes_unreadable_ends_training_instead_of_making_a_wrong_pair(
    sides: dict[str, str], root: Path
):
    images = pairs(**sides, in_memory=False)
    (root / "drawing" / "dog.png").write_text("no image")
    with pytest.raises(ValueError, match="dog.png .* cannot be read any more"):
        images[[1]]


def test_the_two_sides_may_have_different_channels(sides: dict[str, str]):
    for source_channels in (1, 2, 3, 4):
        images = pairs(**sides, channels=3, source_channels=source_channels, background="red")
        assert (images.shape, images.source_shape) == ((3, 8, 8), (source_channels, 8, 8))


def test_transparency_shows_the_background(root: Path):
    fill(root / "a", "1.png")
    save(root / "b" / "1.png", np.zeros((8, 8, 4), np.uint8))
    options = {"source": str(root / "a"), "target": str(root / "b"), "channels": 3}
    for name, colour in (("white", [255, 255, 255]), ("#102030", [16, 32, 48])):
        assert (everything(pairs(**options, background=name), "target") == colour).all()


def test_images_take_the_size_of_the_targets(root: Path):
    fill(root / "a", "1.png", "2.png", size=(30, 20))
    fill(root / "b", "1.png", "2.png", size=(15, 10))
    options = {"source": str(root / "a"), "target": str(root / "b")}
    images = pairs(**options)
    assert (images.shape, images.source_shape) == ((3, 15, 10), (3, 15, 10))
    assert pairs(**options, resolution=12).shape == (3, 12, 12)
    fill(root / "b", "2.png", size=(9, 9))
    assert pairs(**options).shape == (3, 64, 64)


def test_jitter_enlarges_images_and_cuts_them_to_size(sides: dict[str, str]):
    images, larger = pairs(**sides, jitter=5), pairs(**sides, resolution=13)
    assert (images.shape, images.source_shape, larger.shape) == ((4, 8, 8), (3, 8, 8), (4, 13, 13))
    assert (everything(images, "target") == everything(larger, "target")[:, 2:10, 2:10]).all()
    assert len(shown(images, 0, 60)["target"].unique(dim=0)) > 30


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layout", "above"),
        ("direction", "up"),
        ("channels", 5),
        ("source_channels", 7),
        ("fit", "squeeze"),
        ("jitter", -1),
        ("hold_out", 3),
        ("hold_out", -1),
        ("on_corrupt", "ignore"),
        ("in_memory", "maybe"),
        ("memory", "2GB"),
        ("memory", -1),
        ("source", "nowhere"),
        ("target", "nowhere"),
    ],
)
def test_an_impossible_choice_is_refused_by_its_name(sides: dict[str, str], key: str, value: Any):
    assert f"data.{key}={value}" in refused(pairs, **{**sides, key: value})


def test_an_empty_folder_is_named(sides: dict[str, str], root: Path):
    (root / "empty").mkdir()
    assert "data.source=" in refused(pairs, **{**sides, "source": str(root / "empty")})
    below = {"path": str(root), "source": "photo", "target": "emptiness"}
    assert f"data.target=emptiness in {root} holds no images" in refused(pairs, **below)


@pytest.mark.parametrize("source", ["./photo", "photo/.", "far/../photo", "./photo/"])
def test_a_folder_may_be_written_in_any_way(source: str, sides: dict[str, str], root: Path):
    images = pairs(path=str(root), source=source, target="./drawing")
    assert (everything(images, "source") == everything(pairs(**sides), "source")).all()
    (root / "pairs.csv").write_text("cat.png,dog.png\n")
    assert len(pairs(path=str(root), source=source, target="./drawing", table=str(root / "pairs.csv"))) == 1


@pytest.mark.parametrize("data", ["pairs", "two_folders", "superres"])
def test_a_missing_place_says_what_to_give(data: str):
    with pytest.raises(InstantiationException, match=r"data\.(source|a|path) is missing"):
        instantiate(composed(f"data={data}").data.set)


# Side by side.


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("width", [12, 13])
def test_a_picture_of_both_is_cut_in_the_middle(in_memory: bool, width: int, root: Path):
    sheets = [save(root / f"{k}.png", noise(6, width)) for k in range(3)]
    images = pairs(path=str(root), layout="side_by_side", in_memory=in_memory)
    assert images.shape == images.source_shape == (3, 6, 6)
    assert (everything(images, "source") == np.stack(sheets)[:, :, :6]).all()
    assert (everything(images, "target") == np.stack(sheets)[:, :, -6:]).all()
    back = pairs(path=str(root), layout="side_by_side", direction="ba", in_memory=in_memory)
    assert (everything(back, "source") == everything(images, "target")).all()


def test_halves_are_brought_to_size_each_for_itself(root: Path):
    sheet = np.zeros((20, 40, 3), np.uint8)
    sheet[:, 20:] = 255  # no grey may come from the other half
    save(root / "1.png", sheet)
    images = pairs(path=str(root), layout="side_by_side", resolution=7, channels=1, source_channels=4)
    assert images.source_shape == (4, 7, 7)
    assert (everything(images, "source")[..., :3] == 0).all()
    assert (everything(images, "target") == 255).all()


def test_what_holds_no_two_images_is_refused(root: Path):
    fill(root, "1.png", size=(4, 1))
    assert "1.png is too narrow" in refused(pairs, path=str(root), layout="side_by_side")
    assert "drop data.source=b" in refused(pairs, path=str(root), source="b", layout="side_by_side")


def test_sheets_can_be_read_by_other_processes(root: Path):
    fill(root, "1.png", "2.png", size=(4, 8))
    images = pairs(path=str(root), layout="side_by_side", in_memory=False)
    copy = pickle.loads(pickle.dumps(images))
    assert (everything(copy, "target") == everything(images, "target")).all()


# A table.


def test_a_table_names_partners(root: Path):
    fill(root, "x/1.png", "x/2.png", "y/one.png", "y/two.png", "y/spare.png")
    table = root / "pairs.csv"
    table.write_text("photo,drawing\nx/1.png,y/two.png\n\nx\\2.png, ./y/one.png\nx/1.png,y/one.png\n")
    images = pairs(table=str(table))
    names = [("1", "two"), ("2", "one"), ("1", "one")]
    for position, (one, other) in enumerate(names):
        assert (everything(images, "source")[position] == of_file(root / "x" / f"{one}.png")).all()
        assert (everything(images, "target")[position] == of_file(root / "y" / f"{other}.png")).all()


def test_a_pair_that_a_table_repeats_is_one_pair(root: Path, caplog: pytest.LogCaptureFixture):
    fill(root, "1.png", "2.png", "3.png")
    (root / "pairs.csv").write_text("1.png,2.png\n2.png,3.png\n1.png,./2.png\n1.png,3.png\n2.png,3.png\n")
    images = pairs(table=str(root / "pairs.csv"))
    assert len(images) == 3
    assert (everything(images, "target") == [of_file(root / f"{k}.png") for k in (2, 3, 3)]).all()
    assert "2 of 5 rows of data.table=" in caplog.text


@pytest.mark.parametrize(
    ("first", "told"), [("Source,Target", False), ("input,photo", False), ("one.psd,2.png", True)]
)
def test_a_first_row_that_may_be_no_header_is_told(
    first: str, told: bool, root: Path, caplog: pytest.LogCaptureFixture
):
    fill(root, "1.png", "2.png")
    (root / "pairs.csv").write_text(f"{first}\n1.png,2.png\n")
    assert len(pairs(table=str(root / "pairs.csv"))) == 1
    assert ("'one.psd', '2.png', is taken for a header" in caplog.text) == told


def test_names_of_a_table_start_from_the_given_folders(root: Path, tmp_path: Path):
    fill(root, "x/1.png", "y/2.png")
    (tmp_path / "pairs.csv").write_text("1.png,2.png\n")
    table = str(tmp_path / "pairs.csv")
    below = {"path": str(root), "source": "x", "target": "y"}
    for places in (below, {"source": str(root / "x"), "target": str(root / "y")}):
        assert (everything(pairs(**places, table=table), "source")[0] == of_file(root / "x/1.png")).all()


def test_a_corrupt_image_of_a_table_takes_its_rows_with_it(root: Path):
    fill(root, "1.png", "2.png", "3.png")
    (root / "4.png").write_text("no image")
    (root / "pairs.csv").write_text("1.png,2.png\n4.png,3.png\n2.png,4.png\n3.png,1.png\n")
    images = pairs(table=str(root / "pairs.csv"))
    assert (everything(images, "target") == [of_file(root / "2.png"), of_file(root / "1.png")]).all()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1.png,2.png\n1.png,away.png\n", "names 1 images that are not in"),
        ("1.png\n", "has a row '1.png'; expected source.png,target.png"),
        ('1.png,2.png\n1.png,"2\n.txt"\n', r"has a row '1.png', '2\n.txt'; expected"),
        ('1.png,2.png\n1.png,"2.png\n' + 9 * "1.png,2.png\n", "…; set data.path"),
        ('1.png,2.png\n1.png,"2.png\n' + 20_000 * "1.png,2.png\n", "look for a quote without its other end"),
        ("source,target\n", "is empty"),
    ],
)
def test_a_wrong_table_is_refused(rows: str, words: str, root: Path):
    fill(root, "1.png", "2.png")
    (root / "pairs.csv").write_text(rows)
    message = refused(pairs, table=str(root / "pairs.csv"))
    assert "data.table=" in message
    assert words in message
    assert "cannot be read" in refused(pairs, table=str(root / "other.csv"))
