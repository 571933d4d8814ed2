"""Folders and zips of images: where they lie, and their labels."""

import json
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
from hydra.errors import InstantiationException
from image_files import (  # noqa: F401  # fixtures
    RANDOM,
    _clean_slate,
    animals,
    data_here,
    everything,
    labels,
    load,
    noise,
    refused,
    root_here,
    save,
    zipped,
)

from gantool.data import source
from gantool.data.image_set import InMemory
from gantool.data.names import Names
from gantool.data.source import natural

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
    message = refused(load, root, subset="tests")
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
    assert "not there" in refused(load, root / "nowhere")
    assert f"data.path={root} holds no images" in refused(load, root)
    (root / "list.txt").write_text("no images")
    assert "neither a folder nor a zip" in refused(load, root / "list.txt")


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
    assert "columns: file, name, kind" in refused(load, root, labels="labels.csv", label_column="breed")
    assert "data.labels=FILE.csv" in refused(load, root, label_column="kind")


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
    assert "names 2 images that are not in" in refused(load, root, labels="labels.csv")
    assert "such as 11.png" in refused(load, root, labels="labels.csv")


def test_an_image_without_a_label_is_refused(root: Path):
    (animals(root) / "labels.csv").write_text("1.png,a\n")
    message = refused(load, root, labels="labels.csv")
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
    message = refused(load, root, labels=name)
    assert name in message
    assert says in message


def test_a_missing_label_file_is_named(root: Path):
    assert "data.labels=labels.csv is neither a file here nor in" in refused(
        load, animals(root), labels="labels.csv"
    )


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
    assert "of 12 images, give 0 to 11" in refused(load, root, hold_out=12)
