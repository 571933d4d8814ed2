"""Data of image-to-image translation: pairs, two piles, super-resolution, published sets, crops."""

import io
import logging
import os
import pickle
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.error import URLError

import hydra
import numpy as np
import pytest
import small
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from PIL import Image
from rich.console import Console
from torch import Tensor
from torch.nn.functional import avg_pool2d
from torch.utils.data import DataLoader

from gantool.checkpoint import read
from gantool.data.crops import SPOTS, Cropped, corner
from gantool.data.image_set import ImageSet, InMemory, Mirrored
from gantool.data.module import Batches, ImageData, summary
from gantool.data.named_translation import cyclegan, pix2pix
from gantool.data.order import Order
from gantool.data.pairs import Pairs, pairs
from gantool.data.piles import Piles, two_folders
from gantool.data.superres import Shrunk, shrunk, superres
from gantool.data.synthetic import synthetic_pairs, synthetic_piles, synthetic_superres
from gantool.data_check import main
from gantool.shares import Share
from gantool.train import train

RANDOM = np.random.default_rng(0)
PAIRS = ("facades", "maps", "cityscapes", "edges2shoes", "edges2handbags", "night2day")
PILES = (
    "horse2zebra",
    "apple2orange",
    "summer2winter_yosemite",
    "monet2photo",
    "cezanne2photo",
    "ukiyoe2photo",
    "vangogh2photo",
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture
def emoji() -> dict[str, str]:
    if "GANTOOL_DATA" not in os.environ:
        pytest.skip("GANTOOL_DATA names no folder with emoji/")
    return {"path": os.path.join(os.environ["GANTOOL_DATA"], "emoji")}


def noise(height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    pixels = RANDOM.integers(0, 256, (height, width, channels), np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def save(file: Path, pixels: np.ndarray, **options: Any) -> np.ndarray:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)
    return pixels


def fill(folder: Path, *names: str, size: tuple[int, int] = (8, 8), channels: int = 3) -> Path:
    for name in names:
        save(folder / name, noise(*size, channels))
    return folder


def zipped(folder: Path) -> Path:
    archive = folder.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder).as_posix())
    return archive


def pixels(images: ImageSet, entry: str) -> np.ndarray:
    """(N, H, W, C), of the images in the order of their positions."""
    return images[range(len(images))][entry].numpy().transpose(0, 2, 3, 1)


def numbered(count: int, first: int = 0, size: int = 1) -> InMemory:
    """Images whose pixels are their number, but for the right column of 255."""
    images = np.full((count, 1, size, size + 1), 255, np.uint8)
    images[:, 0, :, :-1] = np.arange(first, first + count)[:, None, None]
    return InMemory(images)


def composed(*overrides: str) -> Any:
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        return hydra.compose("data_check", overrides=list(overrides))


def refused(load: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(ValueError, match=".") as error:
        load(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# Pairs and piles of sets.


def test_a_pair_is_what_has_the_same_position():
    images = Pairs(numbered(5), numbered(5, first=100))
    batch = images[[3, 0]]
    assert batch["source"][:, 0, 0, 0].tolist() == [3, 0]
    assert batch["target"][:, 0, 0, 0].tolist() == [103, 100]
    assert images.labels is None
    assert images.classes == 0


def test_sets_of_different_lengths_make_no_pairs():
    with pytest.raises(ValueError, match="as many sources as targets, not 5 and 4"):
        Pairs(numbered(5), numbered(4))


def test_the_configuration_learns_the_shape_of_the_target_and_the_channels_of_the_source():
    one, other = (InMemory(np.zeros((2, channels, 4, 6), np.uint8)) for channels in (4, 3))
    known = {"source_channels": 4, "channels": 3, "resolution": [4, 6], "classes": 0, "names": []}
    assert summary(Pairs(one, other)) == summary(Piles(one, other)) == known
    assert "source_channels" not in summary(one)


def test_pairs_are_mirrored_together():
    images = Pairs(numbered(4), numbered(4)).mirrored()
    batch = images[[1, 5]]
    for side in batch.values():
        assert side[:, 0, 0].tolist() == [[1, 255], [255, 1]]


def shown(images: ImageSet, start: int, length: int, seed: int = 0) -> dict[str, Tensor]:
    return images[images.walk(seed)(start, length)]


@pytest.mark.parametrize("batch_size", [1, 7, 40])
@pytest.mark.parametrize("mirror", [False, True])
def test_each_pile_shows_every_image_once_in_each_epoch_of_its_own(batch_size: int, mirror: bool):
    images = Piles(numbered(6), numbered(10, first=100))
    images = images.mirrored() if mirror else images
    assert len(images) == 10 * (1 + mirror)
    batches = [shown(images, start, batch_size) for start in range(0, 280, batch_size)]
    for entry, count in (("a", 6), ("b", 10)):
        walk = torch.cat([batch[entry] for batch in batches]).flatten(1)
        epoch = count * (1 + mirror)
        for start in range(0, 240, epoch):
            assert len(walk[start : start + epoch].unique(dim=0)) == epoch


def test_partners_of_two_piles_change_from_epoch_to_epoch():
    batch = shown(Piles(numbered(20), numbered(20)), 0, 20 * 30)
    met = set(zip(batch["a"][:, 0, 0, 0].tolist(), batch["b"][:, 0, 0, 0].tolist(), strict=True))
    assert len(met) > 0.7 * 20 * 20  # 1 - exp(-30 / 20) of all, but for chance


def test_images_of_two_piles_are_mirrored_each_for_itself():
    batch = shown(Piles(numbered(8), numbered(8)).mirrored(), 0, 160)
    sides = zip(*(batch[entry][:, 0, 0, 0].eq(255).tolist() for entry in "ab"), strict=True)
    assert min(Counter(sides).values()) > 160 / 4 / 2


def test_a_position_below_the_length_means_the_images_of_this_number():
    images = Piles(numbered(3), numbered(5, first=100))
    batch = images[range(5)]
    assert batch["a"][:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1]
    assert batch["b"][:, 0, 0, 0].tolist() == [100, 101, 102, 103, 104]


# Random crops.


def test_every_corner_is_equally_likely():
    images = Cropped(numbered(50, size=1), (1, 1))
    ways = [index // 50 for index in images.walk(3)(0, 6000)]
    corners = Counter(corner(way, (2, 3)) for way in ways)
    assert set(corners) == {(top, left) for top in range(3) for left in range(4)}
    assert all(abs(count - 500) < 5 * 500**0.5 for count in corners.values())
    assert corner(SPOTS**2, (2, 3)) == (2, 3)
    assert corner(1, (2, 3)) == (0, 0)


def test_without_chance_the_middle_is_shown():
    image = np.arange(7 * 9, dtype=np.uint8).reshape(1, 1, 7, 9)
    crop = Cropped(InMemory(image), (3, 5))[[0]]["image"]
    assert (crop.numpy() == image[:, :, 2:5, 2:7]).all()


def test_the_two_images_of_a_pair_are_cropped_alike():
    images = InMemory(RANDOM.integers(0, 256, (6, 3, 9, 9), np.uint8))
    batch = shown(Cropped(Pairs(images, images), (5, 4)).mirrored(), 0, 48)
    assert batch["source"].shape == (48, 3, 5, 4)
    assert torch.equal(batch["source"], batch["target"])
    assert len(batch["source"].unique(dim=0)) > 40


def test_a_crop_is_a_window_of_its_image():
    images = RANDOM.integers(0, 256, (3, 2, 6, 7), np.uint8)
    windows = {
        image[:, top : top + 4, left : left + 4].tobytes()
        for image in images
        for top in range(3)
        for left in range(4)
    }
    crops = shown(Cropped(InMemory(images), (4, 4)), 0, 300)["image"]
    assert {crop.numpy().tobytes() for crop in crops} == windows


def jittered_piles() -> ImageSet:
    return Piles(Cropped(numbered(6, size=5), (3, 3)), Cropped(numbered(9, size=5), (3, 3)))


KINDS: dict[str, Callable[[], ImageSet]] = {
    "pairs": lambda: synthetic_pairs(count=20),
    "piles": lambda: synthetic_piles(count=20),
    "superres": lambda: synthetic_superres(count=20),
    "jittered pairs": lambda: Cropped(synthetic_pairs(count=20), (12, 12)),
    "jittered piles": jittered_piles,
}


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_any_stretch_of_the_walk_can_be_had_without_what_came_before(kind: str, mirror: bool):
    images = KINDS[kind]().mirrored() if mirror else KINDS[kind]()
    whole = images.walk(1)(0, 100)
    for start, length in [(0, 1), (37, 25), (9, 2), (90, 10)]:
        assert images.walk(1)(start, length) == whole[start : start + length]
    assert images.walk(2)(0, 100) != whole


@pytest.mark.parametrize("kind", KINDS)
def test_processes_see_together_what_one_would_see(kind: str):
    images = KINDS[kind]().mirrored()
    walk = images.walk(5)
    alone = next(iter(Batches(walk, 8, lambda: 16)))
    parts = [next(iter(Batches(walk, 8, lambda: 16, Share(rank, 2)))) for rank in (0, 1)]
    assert [index for both in zip(*parts, strict=True) for index in both] == alone


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_says_what_is_in_its_batches(kind: str):
    images = KINDS[kind]().mirrored()
    batch = images[[0, 1]]
    assert tuple(batch) == images.entries == (("a", "b") if "piles" in kind else ("source", "target"))
    shapes = {(2, *(shape or ())) for shape in (images.source_shape, images.shape)}
    assert {tuple(value.shape) for value in batch.values()} == shapes


def test_a_set_that_is_shown_in_one_way_is_walked_through_as_ever():
    images = numbered(10)
    assert images.walk(4)(0, 35) == Order(10, 4)(0, 35)
    assert images.mirrored().walk(4)(0, 35) == Order(20, 4)(0, 35)


def test_crops_are_mirrored_as_images_are():
    images = Cropped(InMemory(RANDOM.integers(0, 256, (4, 1, 6, 6), np.uint8)), (3, 3))
    index = 4 * 123_456_789 + 2
    way, place = divmod(index, 4)
    mirrored = Mirrored(images)
    assert torch.equal(mirrored[[way * 8 + place]]["image"], images[[index]]["image"])
    assert torch.equal(mirrored[[way * 8 + 4 + place]]["image"], images[[index]]["image"].flip(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_leaves_nothing_to_chance(kind: str):
    data = [ImageData(KINDS[kind](), batch_size=8, seed=3, mirror=True) for _ in range(2)]
    first, second = (it.preview(12) for it in data)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(value.shape[0] == 12 for value in first.values())


# Two folders with equal names.


@pytest.fixture
def animals(root: Path) -> dict[str, str]:
    fill(root / "photo", "cat.png", "dog.png", "far/cow.png")
    fill(root / "drawing", "cat.png", "dog.png", "far/cow.png", channels=4)
    return {"source": str(root / "photo"), "target": str(root / "drawing")}


def of_file(file: Path) -> np.ndarray:
    image = np.asarray(Image.open(file))
    return image[:, :, None] if image.ndim == 2 else image


@pytest.mark.parametrize("in_memory", [True, False])
def test_images_of_equal_names_belong_together(animals: dict[str, str], in_memory: bool, root: Path):
    images = pairs(**animals, in_memory=in_memory)
    assert (len(images), images.streamed) == (3, not in_memory)
    for position, name in enumerate(("cat", "dog", "far/cow")):
        assert (pixels(images, "source")[position] == of_file(root / "photo" / f"{name}.png")).all()
        assert (pixels(images, "target")[position] == of_file(root / "drawing" / f"{name}.png")).all()


def test_the_suffix_may_differ(root: Path):
    fill(root / "a", "1.png", "2.v2.png")
    fill(root / "b", "1.webp", "2.v2.bmp")
    assert len(pairs(source=str(root / "a"), target=str(root / "b"))) == 2


def test_both_folders_may_lie_below_one_path_or_in_one_zip(animals: dict[str, str], root: Path):
    expected = pixels(pairs(**animals), "target")
    for path in (root, zipped(root)):
        images = pairs(path=str(path), source="photo", target="drawing/")
        assert (pixels(images, "target") == expected).all()


def test_either_direction_can_be_learnt(animals: dict[str, str]):
    forth, back = pairs(**animals), pairs(**animals, direction="ba")
    assert (pixels(forth, "source") == pixels(back, "target")).all()
    assert (forth.shape, forth.source_shape) == (back.source_shape, back.shape) == ((4, 8, 8), (3, 8, 8))


def test_images_without_a_partner_are_left_out_and_counted(
    animals: dict[str, str], root: Path, caplog: pytest.LogCaptureFixture
):
    fill(root / "photo", "horse.png", "mouse.png")
    fill(root / "drawing", "bird.png")
    assert len(pairs(**animals)) == 3
    assert "2 images of data.source and 1 of data.target have no partner" in caplog.text
    assert "photo" not in caplog.text.partition("name: ")[0]
    for name in ("horse", "mouse", "bird"):
        assert f"{name}.png" in caplog.text


def test_folders_without_any_equal_name_are_refused(root: Path):
    fill(root / "a", "1.png")
    fill(root / "b", "one.png")
    message = refused(pairs, source=str(root / "a"), target=str(root / "b"))
    assert "1.png here and one.png there" in message


def test_two_images_with_one_partner_are_refused(animals: dict[str, str], root: Path):
    fill(root / "photo", "cat.bmp")
    message = refused(pairs, **animals)
    assert "data.source: cat.bmp and cat.png would have the same partner" in message


def test_a_corrupt_image_takes_its_partner_with_it(
    animals: dict[str, str], root: Path, caplog: pytest.LogCaptureFixture
):
    (root / "drawing" / "dog.png").write_text("no image")
    images = pairs(**animals)
    assert len(images) == 2
    assert (pixels(images, "source")[1] == of_file(root / "photo" / "far" / "cow.png")).all()
    assert "dog.png (not an image)" in caplog.text
    assert "no partner" not in caplog.text
    assert "dog.png (not an image)" in refused(pairs, **animals, on_corrupt="fail")


def test_an_image_that_becomes_unreadable_ends_training_instead_of_making_a_wrong_pair(
    animals: dict[str, str], root: Path
):
    images = pairs(**animals, in_memory=False)
    (root / "drawing" / "dog.png").write_text("no image")
    with pytest.raises(ValueError, match="dog.png .* cannot be read any more"):
        images[[1]]


def test_the_two_sides_may_have_different_channels(animals: dict[str, str]):
    for source_channels in (1, 2, 3, 4):
        images = pairs(**animals, channels=3, source_channels=source_channels, background="red")
        assert (images.shape, images.source_shape) == ((3, 8, 8), (source_channels, 8, 8))


def test_transparency_shows_the_background(root: Path):
    fill(root / "a", "1.png")
    save(root / "b" / "1.png", np.zeros((8, 8, 4), np.uint8))
    options = {"source": str(root / "a"), "target": str(root / "b"), "channels": 3}
    for name, colour in (("white", [255, 255, 255]), ("#102030", [16, 32, 48])):
        assert (pixels(pairs(**options, background=name), "target") == colour).all()


def test_images_take_the_size_of_the_targets(root: Path):
    fill(root / "a", "1.png", "2.png", size=(30, 20))
    fill(root / "b", "1.png", "2.png", size=(15, 10))
    options = {"source": str(root / "a"), "target": str(root / "b")}
    images = pairs(**options)
    assert (images.shape, images.source_shape) == ((3, 15, 10), (3, 15, 10))
    assert pairs(**options, resolution=12).shape == (3, 12, 12)
    fill(root / "b", "2.png", size=(9, 9))
    assert pairs(**options).shape == (3, 64, 64)


def test_jitter_enlarges_images_and_cuts_them_to_size(animals: dict[str, str]):
    images, larger = pairs(**animals, jitter=5), pairs(**animals, resolution=13)
    assert (images.shape, images.source_shape, larger.shape) == ((4, 8, 8), (3, 8, 8), (4, 13, 13))
    assert (pixels(images, "target") == pixels(larger, "target")[:, 2:10, 2:10]).all()
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
        ("source", "nowhere"),
        ("target", "nowhere"),
    ],
)
def test_an_impossible_choice_is_refused_by_its_name(animals: dict[str, str], key: str, value: Any):
    assert f"data.{key}={value}" in refused(pairs, **{**animals, key: value})


def test_an_empty_folder_is_named(animals: dict[str, str], root: Path):
    (root / "empty").mkdir()
    assert "data.source=" in refused(pairs, **{**animals, "source": str(root / "empty")})
    below = {"path": str(root), "source": "photo", "target": "emptiness"}
    assert f"data.target=emptiness in {root} holds no images" in refused(pairs, **below)


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
    assert (pixels(images, "source") == np.stack(sheets)[:, :, :6]).all()
    assert (pixels(images, "target") == np.stack(sheets)[:, :, -6:]).all()
    back = pairs(path=str(root), layout="side_by_side", direction="ba", in_memory=in_memory)
    assert (pixels(back, "source") == pixels(images, "target")).all()


def test_halves_are_brought_to_size_each_for_itself(root: Path):
    sheet = np.zeros((20, 40, 3), np.uint8)
    sheet[:, 20:] = 255  # no grey may come from the other half
    save(root / "1.png", sheet)
    images = pairs(path=str(root), layout="side_by_side", resolution=7, channels=1, source_channels=4)
    assert images.source_shape == (4, 7, 7)
    assert (pixels(images, "source")[..., :3] == 0).all()
    assert (pixels(images, "target") == 255).all()


def test_what_holds_no_two_images_is_refused(root: Path):
    fill(root, "1.png", size=(4, 1))
    assert "1.png is too narrow" in refused(pairs, path=str(root), layout="side_by_side")
    assert "drop data.source=b" in refused(pairs, path=str(root), source="b", layout="side_by_side")


def test_sheets_can_be_read_by_other_processes(root: Path):
    fill(root, "1.png", "2.png", size=(4, 8))
    images = pairs(path=str(root), layout="side_by_side", in_memory=False)
    copy = pickle.loads(pickle.dumps(images))
    assert (pixels(copy, "target") == pixels(images, "target")).all()


# A table.


def test_a_table_names_partners(root: Path):
    fill(root, "x/1.png", "x/2.png", "y/one.png", "y/two.png", "y/spare.png")
    table = root / "pairs.csv"
    table.write_text("photo,drawing\nx/1.png,y/two.png\n\nx\\2.png, ./y/one.png\nx/1.png,y/one.png\n")
    images = pairs(table=str(table))
    names = [("1", "two"), ("2", "one"), ("1", "one")]
    for position, (one, other) in enumerate(names):
        assert (pixels(images, "source")[position] == of_file(root / "x" / f"{one}.png")).all()
        assert (pixels(images, "target")[position] == of_file(root / "y" / f"{other}.png")).all()


def test_names_of_a_table_start_from_the_given_folders(root: Path, tmp_path: Path):
    fill(root, "x/1.png", "y/2.png")
    (tmp_path / "pairs.csv").write_text("1.png,2.png\n")
    table = str(tmp_path / "pairs.csv")
    below = {"path": str(root), "source": "x", "target": "y"}
    for places in (below, {"source": str(root / "x"), "target": str(root / "y")}):
        assert (pixels(pairs(**places, table=table), "source")[0] == of_file(root / "x/1.png")).all()


def test_a_corrupt_image_of_a_table_takes_its_rows_with_it(root: Path):
    fill(root, "1.png", "2.png", "3.png")
    (root / "4.png").write_text("no image")
    (root / "pairs.csv").write_text("1.png,2.png\n4.png,3.png\n2.png,4.png\n3.png,1.png\n")
    images = pairs(table=str(root / "pairs.csv"))
    assert (pixels(images, "target") == [of_file(root / "2.png"), of_file(root / "1.png")]).all()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1.png,2.png\n1.png,away.png\n", "names 1 images that are not in"),
        ("1.png\n", "has a row 1.png; expected source.png,target.png"),
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


# Two folders without pairs.


def test_two_folders_are_two_piles(root: Path):
    fill(root / "horse", "1.png", "2.png", "3.png", channels=1)
    fill(root / "zebra", "a.png", "b.png", channels=4)
    images = two_folders(path=str(root), a="horse", b="zebra")
    assert (len(images), images.source_shape, images.shape) == (3, (1, 8, 8), (4, 8, 8))
    assert (pixels(images, "a") == [of_file(root / f"horse/{k}.png") for k in (1, 2, 3)]).all()
    other = two_folders(a=str(zipped(root / "horse")), b=str(root / "zebra"), channels=3, jitter=4)
    assert (other.shape, other.ways) == ((3, 8, 8), 1)
    crops = shown(other, 0, 60)
    assert {entry: len(crops[entry].unique(dim=0)) > 30 for entry in "ab"} == {"a": True, "b": True}
    assert "data.b is missing" in refused(two_folders, a=str(root / "horse"))
    assert "data.a=nowhere is not there" in refused(two_folders, a="nowhere", b=str(root / "zebra"))


# A held-out part.


@pytest.mark.parametrize("load", [pairs, two_folders, superres])
def test_what_is_held_out_is_never_shown_and_the_rest_always(load: Callable[..., ImageSet], root: Path):
    for k in range(20):
        save(root / "x" / f"{k}.png", np.full((4, 4, 3), k, np.uint8))
        save(root / "y" / f"{k}.png", np.full((4, 4, 3), k, np.uint8))
    places = {
        pairs: {"path": str(root), "source": "x", "target": "y"},
        two_folders: {"path": str(root), "a": "x", "b": "y"},
        superres: {"path": str(root), "subset": "x", "scale": 2},
    }[load]

    def numbers(**options: Any) -> list[set[int]]:
        images = load(**places, **options)
        batch = shown(images, 0, 2 * len(images))
        return [set(value[:, 0, 0, 0].tolist()) for value in batch.values()]

    training, kept = numbers(hold_out=6), numbers(hold_out=6, held_out=True)
    for one, other in zip(training, kept, strict=True):
        assert (len(one), len(other), len(one | other)) == (14, 6, 20)
    assert kept == numbers(hold_out=6, held_out=True)
    assert "data.hold_out=0" in refused(load, **places, held_out=True)
    assert "data.hold_out=20" in refused(load, **places, hold_out=20)


def test_the_configuration_builds_both_parts(animals: dict[str, str]):
    places = [f"data.{key}={value}" for key, value in animals.items()]
    data = composed("data=pairs", *places, "data.hold_out=1", "data.jitter=3", "data.channels=3").data
    training, kept = instantiate(data.set), instantiate(data.held_out)
    assert (len(training), len(kept)) == (2, 1)
    assert training.shape == kept.shape == (3, 8, 8)
    assert (training.ways > 1, kept.ways) == (True, 1)


# Super-resolution.


def pillow(image: np.ndarray, scale: int) -> np.ndarray:
    height, width = image.shape[0] // scale, image.shape[1] // scale
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).reshape(height, width, -1)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_made_smaller_as_pillow_does_it_within_rounding(scale: int, channels: int):
    image = RANDOM.integers(0, 256, (48, 72, channels), np.uint8)
    mine = shrunk(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], scale)[0].permute(1, 2, 0)
    assert np.abs(mine.numpy().astype(int) - pillow(image, scale)).max() <= 1  # Pillow rounds twice


def test_transparency_is_made_smaller_as_pillow_does_it():
    image = RANDOM.integers(0, 256, (40, 40, 4), np.uint8)
    image[..., 3] |= 128
    mine = shrunk(torch.from_numpy(image.transpose(2, 0, 1).copy())[None], 4)[0].permute(1, 2, 0)
    assert np.abs(mine.numpy().astype(int) - pillow(image, 4)).max() <= 3  # Pillow multiplies 8 bits by alpha


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_plain_images_stay_plain_and_fine_stripes_become_grey(dtype: torch.dtype):
    full = torch.iinfo(dtype).max
    plain = torch.full((2, 3, 12, 12), full).to(dtype)
    assert torch.equal(shrunk(plain, 3), plain[:, :, :4, :4])
    stripes = (torch.arange(48) % 2 * full).expand(1, 1, 48, 48).to(dtype)
    assert (shrunk(stripes, 4).int()[..., 2:-2] - full / 2).abs().max() <= 0.01 * full


def test_making_smaller_preserves_the_mean_of_smooth_images():
    y, x = np.mgrid[0:64, 0:64] / 64
    image = torch.from_numpy(np.rint(100 + 60 * x + 40 * y**2).astype(np.uint8))[None, None]
    means = avg_pool2d(image.float(), 4)
    assert (shrunk(image, 4).float() - means)[..., 1:-1, 1:-1].abs().max() <= 1


def test_invisible_pixels_lend_no_colour():
    image = torch.zeros(1, 4, 16, 16, dtype=torch.uint8)
    image[:, 1, :, :8], image[:, 3, :, :8] = 255, 255  # opaque green on the left
    image[:, 0, :, 8:] = 255  # invisible red on the right
    [result] = shrunk(image, 4)
    visible = result[3] > 10
    assert result[0][visible].max() == 0
    assert result[1][visible].min() > 250
    for channel, value in enumerate([255, 0, 0]):  # what is hidden keeps its colour
        assert (result[channel, :, -1] == value).all()


def test_mirror_images_are_made_smaller_alike():
    images = torch.from_numpy(RANDOM.integers(0, 256, (2, 3, 24, 24), np.uint8))
    assert torch.equal(shrunk(images.flip(3), 3), shrunk(images, 3).flip(3))


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_source_is_the_target_made_smaller(in_memory: bool, root: Path):
    fill(root, "1.png", "2.png", size=(24, 16))
    images = superres(str(root), scale=4, in_memory=in_memory)
    assert (images.shape, images.source_shape, images.streamed) == ((3, 24, 16), (3, 6, 4), not in_memory)
    assert (pixels(images, "target")[1] == of_file(root / "2.png")).all()
    batch = shown(images.mirrored(), 0, 8)
    assert torch.equal(batch["source"], shrunk(batch["target"], 4))


def test_targets_are_crops_from_anywhere_in_images_of_any_size(root: Path):
    large = [save(root / f"{k}.png", noise(*size)) for k, size in enumerate([(9, 20), (14, 8)])]
    images = superres(str(root), scale=2, resolution=8)
    windows = {
        image[top : top + 8, left : left + 8].tobytes()
        for image in large
        for top in range(image.shape[0] - 7)
        for left in range(image.shape[1] - 7)
    }
    crops = shown(images, 0, 600)["target"].permute(0, 2, 3, 1).contiguous()
    assert {crop.numpy().tobytes() for crop in crops} == windows


def test_sizes_that_are_no_multiples_of_the_scale_are_cropped(root: Path):
    [image] = [save(root / "1.png", noise(11, 14))]
    images = superres(str(root), scale=4)
    assert images.shape == (3, 8, 12)
    assert (pixels(images, "target")[0] == image[1:9, 1:13]).all()


def test_images_smaller_than_the_crops_are_left_out(root: Path, caplog: pytest.LogCaptureFixture):
    fill(root, "1.png", size=(16, 16))
    fill(root, "2.png", "3.png", size=(7, 16))
    assert len(superres(str(root), scale=2, resolution=8)) == 1
    assert "2 of 3 images" in caplog.text
    assert "give 16 or less" in refused(superres, str(root), scale=2)  # 96 by default


@pytest.mark.parametrize("wrong", [{"resolution": 10}, {"scale": 1}, {"scale": 0}, {"scale": 2.5}])
def test_an_impossible_scale_is_refused(wrong: dict[str, Any], root: Path):
    fill(root, "1.png", size=(16, 16))
    assert "data.scale=" in refused(superres, str(root), **{"resolution": 16, "scale": 4, **wrong})


# The published sets.


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", [*PAIRS, *PILES])
def test_a_set_that_cannot_be_downloaded_says_which_folder_to_fill(name: str, tmp_path: Path):
    cfg = composed(f"data={name}", f"data.root={tmp_path}").data
    with pytest.raises(InstantiationException, match="no network") as error:
        instantiate(cfg.set)
    message = str(error.value.__cause__)
    family, suffix = ("pix2pix", "tar.gz") if name in PAIRS else ("cyclegan", "zip")
    assert str(tmp_path / family / name / "train") in message
    assert f"/{family}/datasets/{name}.{suffix}" in message
    assert "data=synthetic_" in message
    assert "\n" not in message


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", PAIRS)
def test_a_set_of_pairs_that_is_there_is_read_and_needs_no_network(name: str, tmp_path: Path):
    cfg = composed(f"data={name}", f"data.root={tmp_path}", "data.resolution=8", "data.jitter=0").data
    folder = tmp_path / "pix2pix" / name
    fill(folder / "train", "1.jpg", "2.jpg", "3.jpg", size=(8, 16))
    fill(folder / cfg.test, "1.jpg", size=(8, 16))
    images = instantiate(cfg.set)
    assert (len(images), images.shape, images.source_shape) == (3, (3, 8, 8), (3, 8, 8))
    left, right = ("source", "target") if cfg.direction == "ab" else ("target", "source")
    sheet = of_file(folder / "train" / "2.jpg")
    assert (pixels(images, left)[1] == sheet[:, :8]).all()
    assert (pixels(images, right)[1] == sheet[:, 8:]).all()
    assert len(instantiate(cfg.held_out)) == 1


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", PILES)
def test_two_piles_that_are_there_are_read_and_need_no_network(name: str, tmp_path: Path):
    folder = tmp_path / "cyclegan" / name
    fill(folder / "trainA", "1.jpg", "2.jpg", channels=1)  # a grey photograph among others
    fill(folder / "trainB", "1.jpg", "2.jpg", "3.jpg")
    fill(folder / "testA", "1.jpg")
    fill(folder / "testB", "1.jpg")
    cfg = composed(f"data={name}", f"data.root={tmp_path}", "data.resolution=8").data
    images = instantiate(cfg.set)
    assert (len(images), images.shape, images.source_shape) == (3, (3, 8, 8), (3, 8, 8))
    assert images.a.ways > 1
    assert len(instantiate(cfg.held_out)) == 1


def tar_of(entries: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("facades/train/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return content.getvalue()


def zip_of(entries: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return content.getvalue()


def png(height: int = 8, width: int = 16) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(height, width)).save(file, "PNG")
    return file.getvalue()


class Answer(io.BytesIO):
    """What a server sends, and how much it says it will."""

    def __init__(self, content: bytes, size: int | None = None):
        super().__init__(content)
        self.headers = {"Content-Length": str(len(content) if size is None else size)}


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes, size: int | None = None) -> list[str]:
    """Let every URL be this content; answers the list of those that are asked for."""
    asked: list[str] = []

    def answer(url: str, timeout: float) -> Answer:
        asked.append(url)
        return Answer(content, size)

    monkeypatch.setattr("urllib.request.urlopen", answer)
    return asked


def test_an_archive_is_downloaded_once_and_leaves_nothing_but_its_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    entries = {f"facades/{name}.png": png() for name in ("train/1", "train/2", "val/1", "test/1")}
    others = {"facades/README.txt": b"text", "facades/train/._1.png": b"hidden", "1.png": png()}
    asked = serve(monkeypatch, tar_of({**entries, **others}))
    for _ in range(2):
        assert len(pix2pix("facades", str(tmp_path), resolution=8)) == 2
    assert asked == ["http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/facades.tar.gz"]
    found = {str(file.relative_to(tmp_path / "pix2pix")) for file in tmp_path.rglob("pix2pix/**/*.*")}
    assert found == {*entries, ".lock"}


def test_a_zip_of_two_piles_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    serve(monkeypatch, zip_of({f"horse2zebra/{part}/1.png": png() for part in ("trainA", "trainB", "testA")}))
    assert len(cyclegan("horse2zebra", str(tmp_path), resolution=8)) == 1


@pytest.mark.parametrize("packed", [tar_of, zip_of])
@pytest.mark.parametrize("name", ["facades/../../../out.png", "/out.png", "facades/train/../../../out.png"])
def test_an_archive_cannot_write_outside_of_its_folder(
    name: str, packed: Callable[[dict[str, bytes]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    serve(monkeypatch, packed({"facades/train/1.png": png(), name: png()}))
    message = refused(pix2pix, "facades", str(tmp_path / "root"))
    assert "outside of its folder" in message
    assert [file for file in tmp_path.rglob("*.png")] == []


@pytest.mark.parametrize("cut", [300, 1500, 3000])
def test_half_an_archive_is_refused_and_removed(cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    content = tar_of({f"facades/train/{k}.png": png() for k in range(9)})
    serve(monkeypatch, content[:-cut], size=len(content))
    assert "the download ended after" in refused(pix2pix, "facades", str(tmp_path))
    serve(monkeypatch, content[:-cut])
    assert "has no complete facades" in refused(pix2pix, "facades", str(tmp_path))
    assert [file.name for file in (tmp_path / "pix2pix").iterdir()] == [".lock"]


def test_what_somebody_put_there_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = serve(monkeypatch, tar_of({"facades/train/1.png": png()}))
    fill(tmp_path / "pix2pix" / "facades", "mine.png")
    assert "complete or delete it" in refused(pix2pix, "facades", str(tmp_path))
    assert asked == []


# Made up on the spot.


def centres(images: Tensor) -> Tensor:
    """(N, 2), the centre of mass of each image."""
    mass = images.float().mean(1)  # (N, H, W)
    places = torch.arange(mass.shape[1]) + 0.5
    down, right = (mass.sum(axis) * places for axis in (2, 1))
    return torch.stack([down.sum(1), right.sum(1)], 1) / mass.sum((1, 2))[:, None]


def test_a_ring_and_the_blob_that_belongs_to_it_lie_at_the_same_place():
    batch = synthetic_pairs(resolution=48, count=64)[range(64)]
    assert (centres(batch["source"]) - centres(batch["target"])).abs().max() < 2
    grey, coloured = batch["source"].float(), batch["target"].float().sum((2, 3))
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert (coloured.amax(1) > 1.2 * coloured.amin(1)).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_synthetic_sides_have_any_shape(channels: int):
    for make in (synthetic_pairs, synthetic_piles):
        images = make([5, 9], channels, source_channels=2, count=3)
        assert (images.shape, images.source_shape, len(images)) == ((channels, 5, 9), (2, 5, 9), 3)
    shrunken = synthetic_superres([8, 12], channels, scale=4, count=3)
    assert isinstance(shrunken, Shrunk)
    assert shrunken.source_shape == (channels, 2, 3)


@pytest.mark.parametrize("name", ["synthetic_pairs", "synthetic_piles", "synthetic_superres"])
def test_a_set_without_files_is_what_its_configuration_says(name: str):
    cfg = composed(f"data={name}").data
    known = summary(instantiate(cfg.set))
    assert {key: cfg[key] for key in known if key != "names"} == {
        key: value for key, value in known.items() if key != "names"
    }


def test_numbers_that_make_no_set_are_refused():
    assert "data.source_channels=0" in refused(synthetic_pairs, source_channels=0)
    assert "data.count=0" in refused(synthetic_superres, count=0)


# Worker processes, and gantool data check.


def test_worker_processes_change_nothing(root: Path):
    fill(root, *(f"{k}.png" for k in range(7)), size=(12, 24))
    images = pairs(path=str(root), layout="side_by_side", in_memory=False, jitter=3).mirrored()
    batches = []
    for workers in (0, 2):
        sampler = Batches(images.walk(3), 4, lambda: 8)
        loader: Any = DataLoader(images, sampler=sampler, batch_size=None, num_workers=workers)  # pyright: ignore
        batches.append(list(islice(iter(loader), 5)))
    for one, other in zip(*batches, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in ("source", "target"))


RUNS = {
    "pix2pix": ("data=pairs", "data.source={}/x", "data.target={}/y", "data.hold_out=2"),
    "cyclegan": ("data=two_folders", "data.a={}/x", "data.b={}/z"),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("model", RUNS)
def test_a_run_on_random_crops_that_is_stopped_and_goes_on_equals_one_that_was_not(
    model: str, workers: int, root: Path, tmp_path: Path
):
    """The second epoch begins between the end of the first part and the end of the whole run."""
    fill(root, *(f"{side}/{k}.png" for side in "xy" for k in range(10)), *(f"z/{k}.png" for k in range(7)))
    places = [place.format(root) for place in RUNS[model]]
    looks = ["data.resolution=16", "data.jitter=6", "data.mirror=true", "data.in_memory=false"]
    quiet = ["logger=none", "trainer.accelerator=cpu", "samples=4", "+data.width=4", "optimizer=adam"]
    given = [f"model={model}", *places, *looks, *quiet, "batch_size=4"]

    def run(name: str, *overrides: str) -> dict[str, Any]:
        cfg = small.composed(*overrides)
        assert train(cfg, tmp_path / name, list(overrides), Console(quiet=True)) == 0
        return read(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"]

    whole = run("whole", *given, "images=28", "data.workers=0")
    run("parts", *given, "images=12", f"data.workers={workers}")
    parts = run("parts", f"resume={tmp_path / 'parts'}", "images=28")
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def printed(capsys: pytest.CaptureFixture[str], *overrides: str) -> list[str]:
    """The lines of `gantool data check`, without frame and alignment."""
    main(composed(*overrides))
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    return [" ".join(line.strip("│╭╮╰╯├┤─ ").replace("│", " ").split()) for line in lines]


def test_a_check_counts_sizes_and_partners_of_both_sides(
    animals: dict[str, str], root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    fill(root / "photo", "horse.png")
    fill(root / "drawing", "cat.png", size=(16, 8), channels=4)
    lines = printed(capsys, "data=pairs", *(f"data.{k}={v}" for k, v in animals.items()), "data.hold_out=1")
    assert lines.count("images 3") == 2
    assert lines.count("held out 1 of them, which training never sees") == 2
    assert "alone 1 have no partner, and are left out: horse.png" in lines
    assert "modes RGBA: colour and alpha, 8 bits" in lines
    assert "training 64 x 64, 4 channels of 8 bits; 0.0 MB, held in memory" in lines
    assert "1 sources have other proportions than their targets" in " ".join(lines)


def test_a_check_of_corrupt_pairs_ends_with_status_1(
    animals: dict[str, str], root: Path, capsys: pytest.CaptureFixture[str]
):
    (root / "drawing" / "dog.png").write_text("no image")
    with pytest.raises(SystemExit) as stop:
        main(composed("data=pairs", *(f"data.{key}={value}" for key, value in animals.items())))
    assert stop.value.code == 1
    assert "dog.png: not an image" in capsys.readouterr().out


def test_every_kind_of_translation_can_be_checked(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    fill(root / "sheets", "1.png", "2.png", size=(8, 16))
    fill(root / "pix2pix/facades/train", "1.png", size=(8, 16))
    fill(root / "cyclegan/horse2zebra/trainA", "1.png", "2.png")
    fill(root / "cyclegan/horse2zebra/trainB", "1.png", "2.png", "3.png")
    sheets = printed(capsys, "data=pairs", f"data.path={root}/sheets", "data.layout=side_by_side")
    assert "training 8 x 8, 3 channels of 8 bits; 0.0 MB, held in memory" in sheets
    assert "images 1" in printed(capsys, "data=facades", f"data.root={root}")
    piles = printed(capsys, "data=horse2zebra", f"data.root={root}")
    assert {"images 2", "images 3", "training 256 x 256, 3 channels of 8 bits; 0.5 MB, held in memory"} <= {
        *piles
    }
    crops = printed(capsys, "data=superres", f"data.path={root}/sheets", "data.scale=3")
    assert any(line.startswith("training 15 x 6, 3 channels") for line in crops)
    made = printed(capsys, "data=synthetic_piles", "data.source_channels=1")
    assert {"a gantool.data.synthetic.synthetic_piles", "modes L: grey, 8 bits"} <= {*made}


# Emoji in two styles.


def test_emoji_have_a_partner_each(emoji: dict[str, str], caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    images = pairs(**emoji, source="twitter", target="google", channels=3, in_memory=False)
    assert (len(images), images.shape, images.source_shape) == (1911, (3, 64, 64), (4, 64, 64))
    assert caplog.text == ""
    batch = images[range(0, 1911, 100)]
    assert (batch["target"][:, :, 0, 0] == 255).float().mean() > 0.8  # white shines through


def test_pictures_show_what_training_never_sees(tmp_path: Path):
    given = ["model=pix2pix", "data=pairs", "+data.width=4", "data.hold_out=2", "samples=2", "images=2"]
    given += ["logger=none", "trainer.accelerator=cpu", f"data.path={tmp_path}"]
    given += ["data.source=source", "data.target=target"]
    for side, shift in (("source", 1), ("target", 101)):
        (tmp_path / side).mkdir()
        for k in range(10):
            picture = np.full((16, 16, 3), 10 * k + shift, np.uint8)
            Image.fromarray(picture).save(tmp_path / side / f"{k}.png")
    cfg = small.composed(*given)
    assert train(cfg, tmp_path / "run", given, Console(quiet=True)) == 0

    with Image.open(tmp_path / "run" / "samples" / "real.png") as picture:
        shown = set(np.unique(np.asarray(picture)).tolist()) - {0}  # the gap
    data = small.composed(*given).data
    training, kept = (
        {int(images[[index]][side].max()) for index in range(len(images)) for side in ("source", "target")}
        for images in (instantiate(data.set), instantiate(data.held_out))
    )
    assert shown == kept
    assert len(kept) == 4
    assert not kept & training


def test_what_is_held_out_of_photographs_is_measured_in_pieces_of_all_of_them(root: Path):
    shapes = [(40, 16), (16, 16), (70, 35), (16, 200), (18, 50)]
    for number, (height, width) in enumerate(shapes):
        picture = np.arange(height * width, dtype=np.uint32).reshape(
            height, width
        )  # every pixel its own number
        pixels = np.stack([picture % 256, picture // 256, np.full_like(picture, number)], 2).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    options: Any = {"path": str(root), "scale": 2, "resolution": 16, "hold_out": 4}
    pieces = superres(**options, held_out=True)
    images = pieces[range(len(pieces))]["target"].numpy()
    [kept] = {number for number in range(5)} - set(images[:, 2, 0, 0].tolist())
    assert len(superres(**options)) == 1
    counts = {0: 2, 1: 1, 2: 8, 3: 4, 4: 3}  # side // 16 along each side, 4 at most
    for number in set(counts) - {kept}:
        own = images[images[:, 2, 0, 0] == number].astype(np.uint32)
        assert len(own) == counts[number]
        seen = (own[:, 0] + 256 * own[:, 1]).ravel()
        assert len(set(seen.tolist())) == len(seen)  # no pixel in two pieces
    assert len(set(images[:4, 2, 0, 0].tolist())) == 4  # the first of each picture come first
