"""Folders and zips of images: formats, shapes, labels, corrupt files, streaming."""

import json
import logging
import os
import pickle
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import hydra
import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from PIL import Image
from torch.utils.data import DataLoader

from gantool.data import scan, source, threads
from gantool.data.colours import change_depth, recolour
from gantool.data.folder import folder
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.names import Names
from gantool.data.resize import Format, resize
from gantool.data.source import natural
from gantool.data.streamed import Streamed

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def data() -> Path:
    if "GANTOOL_DATA" not in os.environ:
        pytest.skip("GANTOOL_DATA names no folder with mnist/, cifar10_small.zip and emoji/")
    return Path(os.environ["GANTOOL_DATA"])


def noise(height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    pixels = RANDOM.integers(0, 256, (height, width, channels), np.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def save(file: Path, pixels: np.ndarray, **options: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)


def zipped(root: Path) -> Path:
    archive = root.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(root.rglob("*")):
            file.write(path, path.relative_to(root).as_posix())
    return archive


def load(path: Path, **options: Any) -> ImageSet:
    return folder(str(path), **options)


def everything(images: ImageSet) -> np.ndarray:
    """(N, H, W, C)"""
    return images[range(len(images))]["image"].numpy().transpose(0, 2, 3, 1)


def labels(images: ImageSet) -> list[str]:
    """The name of the class of each image."""
    return [images.names[label] for label in images[range(len(images))]["label"].tolist()]


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(ValueError, match=".") as error:
        load(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


# Formats and modes


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "TIFF", "bmp"])
def test_lossless_formats_are_read_bit_for_bit(suffix: str, root: Path):
    pixels = noise()
    save(root / f"a.{suffix}", pixels, lossless=True)
    assert (everything(load(root))[0] == pixels).all()


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "JPG"])
def test_jpeg_is_read_as_pillow_reads_it(suffix: str, root: Path):
    save(root / f"a.{suffix}", noise(16, 16))
    assert (everything(load(root))[0] == np.asarray(Image.open(root / f"a.{suffix}"))).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_are_those_of_the_files(channels: int, root: Path):
    pixels = noise(6, 9, channels)
    save(root / "a.png", pixels)
    images = load(root)
    assert images.shape == (channels, 6, 9)
    assert (everything(images)[0] == pixels.reshape(6, 9, channels)).all()


def test_the_first_frame_of_an_animation_is_taken(root: Path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(root / "a.gif", save_all=True, append_images=frames[1:])
    assert (everything(load(root, channels=3)) == [255, 0, 0]).all()


@pytest.mark.parametrize("transparent", [False, True])
def test_palettes_become_rgb_or_with_transparency_rgba(transparent: bool, root: Path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.info.update({"transparency": 1} if transparent else {})
    picture.save(root / "a.png")
    expected = [255, 255, 255, 0] if transparent else [40, 50, 60]  # what is hidden has the background's
    assert (everything(load(root)) == expected).all()


def test_hidden_colours_become_the_backgrounds_and_visible_ones_stay(root: Path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 0
    pixels[4:, :, 3] = 1
    Image.fromarray(pixels).save(root / "a.png")
    [image] = everything(load(root, background="red"))
    assert (image[:4] == [255, 0, 0, 0]).all()
    assert np.array_equal(image[4:], pixels[4:])


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("CMYK", 3), ("LAB", 3)])
def test_other_modes_become_the_nearest_of_ours(mode: str, channels: int, root: Path):
    Image.new(mode, (4, 4)).save(root / "a.tif")
    assert load(root).shape == (channels, 4, 4)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_keeps_every_bit(suffix: str, root: Path):
    pixels = RANDOM.integers(0, 65536, (8, 8)).astype(np.uint16)
    save(root / f"a.{suffix}", pixels)
    images = load(root)
    assert images[[0]]["image"].dtype == torch.uint16
    assert (everything(images)[0, :, :, 0] == pixels).all()


def test_big_endian_tiff_has_the_same_values(root: Path):
    pixels = RANDOM.integers(0, 65536, (8, 8)).astype(np.uint16)
    Image.frombytes("I;16B", (8, 8), pixels.astype(">u2").tobytes()).save(root / "a.tif")
    assert (everything(load(root))[0, :, :, 0] == pixels).all()


def test_depths_convert_into_each_other_and_keep_white():
    pixels = noise()
    deep = change_depth(pixels, np.dtype(np.uint16))
    assert (deep / 65535 == pixels / 255).all()
    assert (change_depth(deep, np.dtype(np.uint8)) == pixels).all()


def test_the_commonest_depth_wins(root: Path):
    save(root / "a.png", np.full((4, 4), 65535, np.uint16))
    save(root / "b.png", np.full((4, 4), 100, np.uint8))
    save(root / "c.png", np.full((4, 4), 100, np.uint8))
    images = load(root)
    assert images[[0]]["image"].dtype == torch.uint8
    assert everything(images).max((1, 2, 3)).tolist() == [255, 100, 100]


def test_the_commonest_mode_wins(root: Path):
    for name in ("a", "b"):
        save(root / f"{name}.png", noise(channels=4))
    save(root / "c.png", noise(channels=1))
    assert load(root).shape[0] == 4


def test_floating_point_images_are_corrupt_and_say_why(root: Path):
    save(root / "a.tif", np.zeros((4, 4), np.float32))
    assert "a.tif (floating-point pixels" in refused(root)


def test_exif_orientation_is_respected(root: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown upright after a quarter turn clockwise
    pixels = noise(4, 6)
    save(root / "a.png", pixels, exif=exif)
    images = load(root)
    assert images.shape == (3, 6, 4)
    assert (everything(images)[0] == np.rot90(pixels, -1)).all()


def test_an_images_content_counts_not_its_suffix(root: Path):
    pixels = noise()
    save(root / "a.png", pixels)
    (root / "a.png").rename(root / "a.jpg")
    assert (everything(load(root))[0] == pixels).all()


# Colours


def test_grey_becomes_rgb_by_repetition_and_back_again_exactly():
    grey = noise(channels=1)[:, :, None]
    colour = recolour(grey, 3)
    assert all((colour[:, :, c] == grey[:, :, 0]).all() for c in range(3))
    assert (recolour(colour, 1) == grey).all()


def test_luminance_is_pillows():
    pixels = noise(32, 32)
    assert (recolour(pixels, 1)[:, :, 0] == np.asarray(Image.fromarray(pixels).convert("L"))).all()


@pytest.mark.parametrize(("background", "behind"), [("white", 255), ("black", 0)])
def test_transparency_shows_the_background(background: str, behind: int, root: Path):
    pixels = noise(channels=4)
    save(root / "a.png", pixels)
    alpha = pixels[:, :, 3:] / 255
    expected = pixels[:, :, :3] * alpha + behind * (1 - alpha)
    shown = everything(load(root, channels=3, background=background))[0]
    np.testing.assert_allclose(shown, expected, atol=0.501)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("present", [1, 2, 3, 4])
@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_white_and_black_stay_what_they_are_in_any_channels(dtype: type, present: int, wanted: int):
    full = np.iinfo(dtype).max
    for level in (0, full):
        image = np.full((2, 2, present), level, dtype)
        if present in (2, 4):
            image[:, :, -1] = full
        expected = [level] * (wanted if wanted in (1, 3) else wanted - 1) + [full] * (wanted in (2, 4))
        assert (recolour(image, wanted) == expected).all()


def test_an_unknown_background_is_refused(root: Path):
    save(root / "a.png", noise())
    assert "data.background=nocolour" in refused(root, background="nocolour")


# Sizes


def test_images_of_one_size_keep_it(root: Path):
    for name in ("a", "b"):
        save(root / f"{name}.png", noise(5, 7))
    assert load(root).shape == (3, 5, 7)


def test_images_of_several_sizes_become_64(root: Path):
    save(root / "a.png", noise(5, 7))
    save(root / "b.png", noise(90, 30))
    assert load(root).shape == (3, 64, 64)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_image_takes_any_shape_and_a_plain_one_stays_plain(fit: str, channels: int, dtype: type):
    plain = np.full((20, 30, channels), np.iinfo(dtype).max, dtype)
    form = Format(channels, (9, 31), depth=8 * plain.itemsize, fit=fit)
    shaped = form(plain)
    assert shaped.shape == (channels, 9, 31)
    opaque = shaped[:, shaped[-1] > 0]
    assert (opaque == np.iinfo(dtype).max).all()


def test_crop_keeps_the_middle(root: Path):
    pixels = noise(8, 14)
    save(root / "a.png", pixels)
    assert (everything(load(root, resolution=8))[0] == pixels[:, 3:11]).all()


def test_pad_adds_background_on_both_sides(root: Path):
    pixels = noise(8, 4)
    save(root / "a.png", pixels)
    padded = everything(load(root, resolution=8, fit="pad", background="#010203"))[0]
    assert (padded[:, 2:6] == pixels).all()
    assert (padded[:, [0, 1, 6, 7]] == [1, 2, 3]).all()


def test_pad_of_transparent_images_is_transparent(root: Path):
    save(root / "a.png", np.full((8, 4, 4), 255, np.uint8))
    padded = everything(load(root, resolution=8, fit="pad"))[0]
    assert (padded[:, :, 3] == [0, 0, 255, 255, 255, 255, 0, 0]).all()


def test_stretch_uses_the_whole_image(root: Path):
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    save(root / "a.png", pixels)
    stretched = everything(load(root, resolution=8, fit="stretch"))[0]
    assert (stretched[:, :3] < 60).all()
    assert (stretched[:, 5:] > 195).all()


def test_resizing_is_pillows_lanczos(root: Path):
    pixels = noise(40, 40)
    save(root / "a.png", pixels)
    expected = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.LANCZOS))
    assert (everything(load(root, resolution=16))[0] == expected).all()


def test_shrinking_is_antialiased():
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))[:, :, None]
    grey = resize(stripes, (8, 8))
    assert abs(grey[2:-2, 2:-2].astype(int) - 127).max() <= 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_resized_as_8_bits_are(channels: int):
    pixels = 80 + noise(31, 23, channels).reshape(31, 23, channels) // 3  # far from where 8 bits are cut
    deep = resize(change_depth(pixels, np.dtype(np.uint16)), (10, 12))
    np.testing.assert_allclose(deep / 257, resize(pixels, (10, 12)), atol=3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparent_pixels_do_not_bleed(dtype: type):
    full = np.iinfo(dtype).max
    image = np.zeros((32, 32, 4), dtype)
    image[:, :16] = [0, full, 0, full]  # opaque green on the left
    image[:, 16:] = [full, 0, 0, 0]  # invisible red on the right
    for size in ((11, 11), (50, 50)):
        small = resize(image, size)
        visible = small[small[:, :, 3] > full // 50]
        assert visible[:, 0].max() == 0
        assert visible[:, 1].min() > 0.9 * full


@pytest.mark.parametrize("resolution", [0, -4, [8], [8, 8, 8], "64x64", [8, 0], 7.5])
def test_an_impossible_resolution_is_refused(resolution: Any, root: Path):
    save(root / "a.png", noise())
    assert "data.resolution=" in refused(root, resolution=resolution)


@pytest.mark.parametrize(("key", "value"), [("channels", 5), ("fit", "squeeze"), ("on_corrupt", "ignore")])
def test_an_impossible_choice_is_refused(key: str, value: Any, root: Path):
    save(root / "a.png", noise())
    assert f"data.{key}={value}" in refused(root, **{key: value})


# Where images lie


def test_folders_are_searched_to_any_depth_in_natural_order(root: Path):
    for k in (10, 9, 1):
        save(root / "deep" / f"folder{k}" / f"image{k}.png", np.full((4, 4), k, np.uint8))
    assert everything(load(root, labels="none")).max((1, 2, 3)).tolist() == [1, 9, 10]


def test_natural_order_counts_numbers_and_stays_within_folders():
    names = ["b/1", "a10/1", "a2/10", "a2/9", "a-b/1", "a/1"]
    assert sorted(names, key=natural) == ["a/1", "a2/9", "a2/10", "a10/1", "a-b/1", "b/1"]


def test_natural_order_is_that_of_letters_and_numbers_in_turn():
    def meant(name: str) -> list[list[tuple[int, str]]]:
        parts = [re.split(r"(\d+)", folder) for folder in name.split("/")]
        return [[(int(p) if k % 2 else 0, p) for k, p in enumerate(part)] for part in parts]

    letters = np.array(list("ab01289./- é٣𝟗\udc80"))
    names = ["".join(RANDOM.choice(letters, RANDOM.integers(1, 9))) for _ in range(2000)]
    assert sorted(names, key=natural) == sorted(names, key=meant)


def test_packed_names_are_the_names():
    names = ["a.png", "", "ä/ö.png", "\udcff.png", "日本.png", *(f"{k}.png" for k in range(20_000))]
    packed = Names.of(iter(names))
    assert list(packed) == names
    assert (packed[3], packed[-1], packed[2:5], len(packed)) == (names[3], names[-1], names[2:5], len(names))
    assert list(packed.chosen(np.array([4, 0]))) == [names[4], names[0]]
    assert list(pickle.loads(pickle.dumps(packed))) == names
    with pytest.raises(IndexError):
        packed[len(names)]
    assert list(Names.of([])) == []


def test_a_folder_that_may_not_be_read_is_skipped_with_a_warning(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    animals(root, ["a/1.png", "b/1.png"])
    scandir = os.scandir

    def denied(path: Any) -> Any:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(source.os, "scandir", denied)
    assert len(load(root)) == 1
    assert f"{root / 'a'} cannot be read (Permission denied). It is skipped." in caplog.text


def test_hidden_files_and_other_files_are_ignored(root: Path):
    save(root / "a.png", noise())
    for name in (".hidden.png", "._a.png", "__MACOSX/a.png", ".git/a.png", "notes.txt", "Thumbs.db"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("no image")
    assert len(load(root)) == 1
    assert len(load(zipped(root))) == 1


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_zip_is_worth_its_folder(in_memory: bool, root: Path):
    for name in ("train/cat/1.png", "train/dog/1.png", "train/dog/2.png", "test/cat/1.png"):
        save(root / name, noise())
    one, other = load(root, in_memory=in_memory), load(zipped(root), in_memory=in_memory)
    assert (everything(one) == everything(other)).all()
    assert labels(one) == labels(other) == ["cat", "cat", "dog", "dog"]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_is_read_whatever_its_compression(method: int, root: Path, tmp_path: Path):
    animals(root)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        for name in ("1.png", "2.png", "10.png"):
            archive.write(root / name, f"ä/{name}")
    (tmp_path / "b.zip").write_bytes(b"a program that unpacks itself" + (tmp_path / "a.zip").read_bytes())
    assert (everything(load(tmp_path / "a.zip")) == everything(load(root))).all()
    assert (everything(load(tmp_path / "b.zip")) == everything(load(root))).all()


def test_damage_within_a_zip_is_noticed(root: Path, caplog: pytest.LogCaptureFixture):
    archive = zipped(animals(root))
    content, image = archive.read_bytes(), (root / "2.png").read_bytes()
    archive.write_bytes(content.replace(image, image[:-30] + bytes(30)))
    assert len(load(archive)) == 2
    assert "2.png (Bad CRC-32 of 2.png)" in caplog.text


def test_a_subset_is_one_folder_of_many(root: Path):
    for name in ("train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "training/cat/1.png"):
        save(root / name, noise())
    assert len(load(root, subset="train")) == 2
    assert len(load(root, subset="test/cat/")) == 1
    message = refused(root, subset="tests")
    assert "data.subset=tests" in message
    assert "test, train, training" in message


def test_links_to_folders_are_followed_but_not_in_circles(root: Path, tmp_path: Path):
    save(tmp_path / "elsewhere" / "a.png", noise())
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "circle").symlink_to(root)
    assert len(load(root)) == 1


def test_a_missing_path_says_what_to_give():
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = hydra.compose("data_check", overrides=["data=folder"])
    with pytest.raises(InstantiationException, match=r"give data\.path=DIR"):
        hydra.utils.instantiate(cfg.data.set)


def test_a_wrong_path_is_named(root: Path):
    assert "not there" in refused(root / "nowhere")
    assert f"data.path={root} holds no images" in refused(root)
    (root / "list.txt").write_text("no images")
    assert "neither a folder nor a zip" in refused(root / "list.txt")


def test_the_configuration_builds_the_set(root: Path):
    save(root / "a.png", noise(12, 8))
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = hydra.compose(
            "data_check", overrides=["data=folder", f"data.path={root}", "data.resolution=[6,4]"]
        )
    images = hydra.utils.instantiate(cfg.data.set)
    assert isinstance(images, InMemory)
    assert images.shape == (3, 6, 4)


# Labels


def animals(root: Path, names: Sequence[str] = ("1.png", "2.png", "10.png")) -> Path:
    for name in names:
        save(root / name, noise())
    return root


def test_folders_name_the_classes(root: Path):
    animals(root, ["cat/1.png", "dog/1.png", "dog/2.png"])
    assert labels(load(root)) == ["cat", "dog", "dog"]
    assert load(root).names == ("cat", "dog")
    assert load(root, labels="none").labels is None


@pytest.mark.parametrize(
    "names", [["1.png", "2.png"], ["all/1.png", "all/2.png"], ["train/a/1.png", "test/a/1.png"]]
)
def test_one_folder_names_no_class(names: list[str], root: Path):
    images = load(animals(root, names))
    assert images.labels is None
    assert images.names == ()


def test_images_beside_the_class_folders_leave_a_warning_and_no_labels(
    root: Path, caplog: pytest.LogCaptureFixture
):
    animals(root, ["cat/1.png", "dog/1.png", "stray.png"])
    assert load(root).labels is None
    assert "1 of 3 images lie outside" in caplog.text
    assert "stray.png" in caplog.text


@pytest.mark.parametrize(
    "table",
    [
        "file,label\n1.png,cat\n2.png,dog\n10.png,cat\n",
        "1.png,cat\n2.png,dog\n10.png,cat\n",
        "\ufeffname,kind\r\n10.png,cat\r\n./2.png, dog\r\n\r\n1.png,cat\r\n",
    ],
)
def test_a_csv_labels_images(table: str, root: Path):
    (animals(root) / "labels.csv").write_text(table, encoding="utf-8", newline="")
    assert labels(load(root, labels=str(root / "labels.csv"))) == ["cat", "dog", "cat"]


def test_a_column_of_a_csv_can_be_chosen(root: Path):
    (animals(root) / "labels.csv").write_text(
        'file,name,kind\n1.png,"Tom, the",cat\n2.png,Rex,dog\n10.png,Kit,cat\n'
    )
    assert labels(load(root, labels="labels.csv", label_column="kind")) == ["cat", "dog", "cat"]
    assert labels(load(root, labels="labels.csv")) == ["Tom, the", "Rex", "Kit"]
    assert "columns: file, name, kind" in refused(root, labels="labels.csv", label_column="breed")
    assert "data.labels=FILE.csv" in refused(root, label_column="kind")


@pytest.mark.parametrize(
    "table",
    [{"labels": [["1.png", 3], ["2.png", 12], ["10.png", 3]]}, {"1.png": 3, "2.png": 12, "10.png": 3}],
)
def test_json_labels_images_and_numbers_keep_their_order(table: Any, root: Path):
    (animals(root) / "labels.json").write_text(json.dumps(table))
    images = load(root, labels="labels.json")
    assert labels(images) == ["3", "12", "3"]
    assert images.names == ("3", "12")


def test_nvidias_dataset_json_is_found_in_a_zip(root: Path):
    animals(root, ["00000/img0.png", "00001/img1.png"])
    (root / "dataset.json").write_text(json.dumps({"labels": [["00000/img0.png", 1], ["00001/img1.png", 0]]}))
    assert labels(load(zipped(root))) == ["1", "0"]
    (root / "dataset.json").write_text(json.dumps({"labels": None}))
    assert load(zipped(root)).labels is None


def test_a_label_file_may_name_images_below_the_subset(root: Path):
    animals(root, ["drawn/1.png", "photo/1.png"])
    (root / "labels.csv").write_text("1.png,cat\n")
    assert labels(load(root, labels="labels.csv", subset="photo")) == ["cat"]
    (root / "labels.csv").write_text("drawn/1.png,cat\nphoto/1.png,dog\n")
    assert labels(load(root, labels="labels.csv", subset="photo")) == ["dog"]


def test_a_label_of_a_missing_image_is_refused(root: Path):
    (animals(root) / "labels.csv").write_text("1.png,a\n2.png,b\n10.png,a\n11.png,a\n12.png,b\n")
    assert "names 2 images that are not in" in refused(root, labels="labels.csv")
    assert "such as 11.png" in refused(root, labels="labels.csv")


def test_an_image_without_a_label_is_refused(root: Path):
    (animals(root) / "labels.csv").write_text("1.png,a\n")
    message = refused(root, labels="labels.csv")
    assert "2 of 3 images have no label" in message
    assert "such as 2.png" in message


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "1.png,a\n2.png\n", "a row without a label: 2.png"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[1, 2]", "has another form"),
        ("a.json", '{"1.png": [0.5, 0.5]}', '["1.png", [0.5, 0.5]]'),
        ("a.txt", "1.png a", "data.labels="),
    ],
)
def test_a_broken_label_file_is_named(name: str, content: str, says: str, root: Path):
    (animals(root) / name).write_text(content)
    message = refused(root, labels=name)
    assert name in message
    assert says in message


def test_a_missing_label_file_is_named(root: Path):
    assert "data.labels=labels.csv is neither a file here nor in" in refused(
        animals(root), labels="labels.csv"
    )


# Corrupt files


def damage(root: Path) -> None:
    whole = (root / "2.png").read_bytes()
    (root / "2.png").write_bytes(whole[: len(whole) // 2])


def damaged(root: Path) -> Path:
    for k in (1, 2, 3):
        save(root / f"{k}.png", np.full((64, 64), k, np.uint8) ^ noise(64, 64, 1) & 128)
    damage(root)
    return root


@pytest.mark.parametrize("form", [Path, zipped])
def test_corrupt_images_are_skipped_and_named(form: Any, root: Path, caplog: pytest.LogCaptureFixture):
    path = form(damaged(root))
    for _ in range(2):  # looked at, and remembered
        caplog.clear()
        assert (everything(load(path)).max((1, 2, 3)) & 127).tolist() == [1, 3]
        assert "1 of 3 images" in caplog.text
        assert "2.png" in caplog.text


def test_corrupt_images_are_an_error_if_asked_for(root: Path):
    message = refused(damaged(root), on_corrupt="fail")
    assert "2.png" in message
    assert "data.on_corrupt=skip" in message


def test_of_many_corrupt_images_a_handful_is_named(root: Path, caplog: pytest.LogCaptureFixture):
    save(root / "good.png", noise())
    for k in range(20):
        (root / f"bad{k}.png").write_bytes(b"")
    assert len(load(root)) == 1
    assert "20 of 21 images" in caplog.text
    assert caplog.text.count("bad") == 5
    assert "and 15 more" in caplog.text


def test_nothing_but_corrupt_images_is_an_error(root: Path):
    (root / "a.png").write_text("no image")
    assert "1 of 1 images" in refused(root)


def test_a_link_to_nowhere_is_a_corrupt_image(root: Path, caplog: pytest.LogCaptureFixture):
    save(root / "a.png", noise())
    (root / "b.png").symlink_to(root / "nowhere.png")
    assert len(load(root)) == 1
    assert "b.png (" in caplog.text


# The index


def count_decoding(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    decoded: list[bytes] = []
    decode = scan.decode

    def counted(content: bytes) -> np.ndarray:
        decoded.append(content)
        return decode(content)

    monkeypatch.setattr(scan, "decode", counted)
    return decoded


def test_a_second_start_looks_at_no_image_until_one_changes(root: Path, monkeypatch: pytest.MonkeyPatch):
    animals(root)
    looked_at = count_decoding(monkeypatch)
    first = everything(load(root))
    assert len(looked_at) == 3
    assert (everything(load(root)) == first).all()
    assert len(looked_at) == 3
    save(root / "2.png", noise(12, 12))
    assert load(root).shape == (3, 64, 64)
    assert len(looked_at) == 6


def test_subsets_are_remembered_side_by_side(root: Path, monkeypatch: pytest.MonkeyPatch):
    animals(root, ["a/1.png", "b/1.png"])
    looked_at = count_decoding(monkeypatch)
    for _ in range(2):
        for subset in ("a", "b"):
            load(root, subset=subset)
    assert len(looked_at) == 2


def test_a_damaged_index_is_made_anew(root: Path, tmp_path: Path):
    load(animals(root))
    index = next((tmp_path / "cache/gantool/scans").glob("*.npz"))
    for content in ("", "{}", "PK", "no archive"):
        index.write_text(content)
        assert len(load(root)) == 3


def test_a_cache_that_cannot_be_written_is_no_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(load(animals(root))) == 3


def test_a_file_that_could_not_be_opened_is_tried_again(root: Path, tmp_path: Path):
    save(root / "a.png", noise())
    (root / "b.png").symlink_to(tmp_path / "later.png")
    assert len(load(root)) == 1
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_threads_answer_in_order_and_raise_what_was_raised():
    assert list(threads.in_threads(lambda k: k * k, range(1000), "Squares")) == [k * k for k in range(1000)]
    with pytest.raises(ZeroDivisionError):
        list(threads.in_threads(lambda k: 1 / k, range(100), "Ratios"))


def test_a_bar_appears_on_stderr_only_where_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as far as rich knows
    list(threads.in_threads(abs, range(100), "Quick work"))
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(threads, "PATIENCE", 0)
    list(threads.in_threads(abs, range(100), "Long work"))
    output = capsys.readouterr()
    assert output.out == ""
    assert "Long work" in output.err


# Streaming


@pytest.fixture
def mixed(root: Path) -> Path:
    for k, (height, width, channels) in enumerate(
        [(8, 8, 3), (20, 9, 4), (7, 30, 1), (16, 16, 2), (40, 50, 3)]
    ):
        save(root / f"class{k % 2}" / f"{k}.png", noise(height, width, channels))
    save(root / "class0" / "deep.png", RANDOM.integers(0, 65536, (16, 16)).astype(np.uint16))
    return root


@pytest.mark.parametrize(
    "options", [{}, {"channels": 4, "fit": "pad"}, {"channels": 1, "resolution": [10, 6]}]
)
def test_streamed_images_are_those_in_memory_bit_for_bit(options: Any, mixed: Path):
    held, streamed = load(mixed, in_memory=True, **options), load(mixed, in_memory=False, **options)
    assert isinstance(held, InMemory)
    assert isinstance(streamed, Streamed)
    assert (held.streamed, streamed.streamed) == (False, True)
    assert (held.shape, held.names) == (streamed.shape, streamed.names)
    one, other = held[[3, 0, 5, 3]], streamed[[3, 0, 5, 3]]
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) and one[key].dtype == other[key].dtype for key in one)


def test_a_set_is_streamed_when_it_takes_more_memory_than_allowed(mixed: Path):
    size = 6 * 3 * 8 * 8
    assert load(mixed, resolution=8, channels=3, memory=size).streamed
    assert not load(mixed, resolution=8, channels=3, memory=size + 1).streamed


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_from_one_zip_without_mixing(method: str, mixed: Path):
    streamed = load(zipped(mixed), in_memory=False)
    expected = everything(streamed)  # its handle is open before the workers start
    batches = [[k, (k + 1) % 6] for k in range(6)] * 3
    options: Any = {
        "sampler": batches,
        "batch_size": None,
        "num_workers": 2,
        "multiprocessing_context": method,
    }
    loader = DataLoader(cast(Any, streamed), **options)
    for indices, batch in zip(batches, loader, strict=True):
        assert (batch["image"].numpy().transpose(0, 2, 3, 1) == expected[indices]).all()


def test_a_pickled_set_reads_the_same_images(mixed: Path):
    streamed = load(zipped(mixed), in_memory=False)
    streamed[[0]]
    assert (everything(pickle.loads(pickle.dumps(streamed))) == everything(streamed)).all()


@pytest.mark.parametrize("in_memory", [True, False])
def test_an_image_that_turns_unreadable_gives_way_to_its_neighbour(
    in_memory: bool, root: Path, caplog: pytest.LogCaptureFixture
):
    for k in (1, 2, 3):
        save(root / f"class{k}" / "a.png", np.full((8, 8), k, np.uint8))
    load(root)
    stamp = (root / "class2/a.png").stat()
    (root / "class2/a.png").write_bytes(b"x" * stamp.st_size)
    os.utime(root / "class2/a.png", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # unknown to the index

    images = load(root, in_memory=in_memory)
    batch = images[[0, 1, 2, 1]]
    assert batch["image"][:, 0, 0, 0].tolist() == [1, 3, 3, 3]
    assert [images.names[label] for label in batch["label"]] == ["class1", "class3", "class3", "class3"]
    assert caplog.text.count("class2/a.png") == 1
    with pytest.raises(ValueError, match=r"class2/a\.png .* cannot be read any more"):
        load(root, in_memory=in_memory, on_corrupt="fail")[[0, 1, 2]]


def test_a_folder_that_disappears_is_an_error_not_an_endless_search(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.ERROR)
    images = load(animals(root), in_memory=False)
    root.rename(tmp_path / "moved")
    with pytest.raises(ValueError, match="is it still there"):
        images[[0]]


# Real data


def test_the_training_half_of_the_cifar_zip_has_1000_images_in_each_of_10_classes(data: Path):
    images = load(data / "cifar10_small.zip", subset="train")
    assert images.shape == (3, 32, 32)
    assert images.labels is not None
    assert images.labels.bincount().tolist() == [1000] * 10
    assert images.names[:2] == ("airplane", "automobile")


def test_emoji_are_rgba_and_take_their_labels_from_a_table(data: Path):
    images = load(
        data / "emoji", subset="twitter", labels=str(data / "emoji/captions.csv"), label_column="category"
    )
    assert images.shape == (4, 64, 64)
    assert len(images) == 1911
    assert "Animals & Nature" in images.names


# Images that training never sees


@pytest.mark.parametrize("in_memory", [True, False])
def test_images_that_are_held_out_are_in_no_training_and_keep_their_labels(in_memory: bool, root: Path):
    for number in range(12):
        save(root / f"class{number % 3}" / f"{number}.png", np.full((4, 4, 3), number, np.uint8))
    options = {"hold_out": 5, "in_memory": in_memory}
    parts = [load(root, **options), load(root, **options, held_out=True)]
    numbers = [everything(part)[:, 0, 0, 0].tolist() for part in parts]
    assert [len(some) for some in numbers] == [7, 5]
    assert sorted(numbers[0] + numbers[1]) == list(range(12))
    for part, some in zip(parts, numbers, strict=True):
        assert labels(part) == [f"class{number % 3}" for number in some]
    assert "of 12 images, give 0 to 11" in refused(root, hold_out=12)
