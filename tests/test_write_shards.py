"""scripts/write_shards.py: what it writes is what was there."""

import importlib.util
import json
import os
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from image_files import RANDOM, _clean_slate  # noqa: F401  # a fixture
from PIL import Image

from gantool.data import indexing
from gantool.data.folder import folder
from gantool.data.image_set import ImageSet
from gantool.data.shards import shards


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parent.parent / "scripts" / "write_shards.py"
    spec = importlib.util.spec_from_file_location("write_shards", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of several sizes, modes, formats and depths in two classes."""
    kinds: list[tuple[str, tuple[int, ...]]] = [
        ("png", (9, 7, 3)), ("webp", (20, 9, 4)), ("bmp", (8, 8)), ("jpg", (16, 16, 3)), ("tif", (30, 8, 3))
    ]  # fmt: skip
    for number in range(23):
        suffix, shape = kinds[number % 5]
        file = tmp_path / "photos" / ("cat" if number % 3 else "dog") / f"{number}.{suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RANDOM.integers(0, 256, shape, np.uint8)).save(file)
    return tmp_path / "photos"


def write(script: ModuleType, *arguments: object) -> None:
    old, sys.argv = sys.argv, ["write_shards.py", *map(str, arguments)]
    try:
        script.main()
    finally:
        sys.argv = old


def refused(script: ModuleType, *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        write(script, *arguments)
    assert "\n" not in str(stop.value)
    return str(stop.value)


def everything(images: ImageSet) -> dict[bytes, str | None]:
    """The class of each image by its pixels."""
    batch = images[range(len(images))]
    labels = [images.names[k] for k in batch["label"].tolist()] if images.names else [None] * len(images)
    return dict(zip([image.numpy().tobytes() for image in batch["image"]], labels, strict=True))


@pytest.mark.parametrize(
    "options", [{}, {"channels": 4, "fit": "pad"}, {"channels": 1, "resolution": [10, 6]}]
)
def test_shards_hold_the_very_images_and_labels_of_the_folder(
    options: Any, script: ModuleType, photos: Path, tmp_path: Path
):
    write(script, photos, tmp_path / "out", "--images-per-shard", 5)
    one, other = folder(str(photos), **options), shards(str(tmp_path / "out"), **options)
    assert (one.shape, one.names) == (other.shape, other.names)
    assert one[[0]]["image"].dtype == other[[0]]["image"].dtype
    assert everything(one) == everything(other)
    assert len(one) == len(other) == 23


def test_the_files_are_the_original_bytes_and_name_their_origin(
    script: ModuleType, photos: Path, tmp_path: Path
):
    write(script, photos, tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "shard-000000.tar") as archive:
        names = archive.getnames()
        for number in range(23):
            image, facts = names[2 * number : 2 * number + 2]
            assert image.startswith(f"{number:02d}.")
            assert facts == f"{number:02d}.json"
            said = json.load(archive.extractfile(facts))  # pyright: ignore
            assert said["label"] == said["file"].split("/")[0]
            assert archive.extractfile(image).read() == (photos / said["file"]).read_bytes()  # pyright: ignore


def test_images_of_another_resolution_are_those_that_the_folder_would_give(
    script: ModuleType, photos: Path, tmp_path: Path
):
    write(script, photos, tmp_path / "out", "--resolution", 12, "--fit", "pad", "--background", "red")
    one = folder(str(photos), resolution=12, fit="pad", background="red")
    other = shards(str(tmp_path / "out"))
    assert one.shape == other.shape
    assert everything(one) == everything(other)


def test_deep_images_keep_every_bit(script: ModuleType, tmp_path: Path):
    (tmp_path / "deep").mkdir()
    for number in range(3):
        pixels = RANDOM.integers(0, 65536, (8, 8)).astype(np.uint16)
        Image.fromarray(pixels).save(tmp_path / "deep" / f"{number}.png")
    write(script, tmp_path / "deep", tmp_path / "out", "--resolution", 8)
    images = shards(str(tmp_path / "out"))
    assert images[[0]]["image"].dtype == torch.uint16
    assert everything(images) == everything(folder(str(tmp_path / "deep")))


def test_every_shard_is_a_mixture_and_the_seed_alone_decides(
    script: ModuleType, photos: Path, tmp_path: Path
):
    for name, seed in [("a", 1), ("b", 1), ("c", 2)]:
        write(script, photos, tmp_path / name, "--images-per-shard", 8, "--shuffle-seed", seed)
    a, b, c = ([path.read_bytes() for path in sorted((tmp_path / k).glob("*.tar"))] for k in "abc")
    assert a == b != c
    images = shards(str(tmp_path / "a"))
    assert [len(set(images[range(s, s + 7)]["label"].tolist())) for s in (0, 8, 16)] == [2, 2, 2]


def test_the_index_is_ready_and_stays_valid_elsewhere(
    script: ModuleType, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write(script, photos, tmp_path / "out", "--images-per-shard", 5)
    (tmp_path / "out").rename(tmp_path / "moved")
    monkeypatch.setattr(indexing, "look", None)  # nobody needs to look again
    assert len(shards(str(tmp_path / "moved"))) == 23


def test_subset_and_labels_are_those_of_a_folder(script: ModuleType, photos: Path, tmp_path: Path):
    write(script, photos, tmp_path / "cats", "--subset", "cat")
    assert len(shards(str(tmp_path / "cats"))) == 15
    assert shards(str(tmp_path / "cats")).names == ()
    write(script, photos, tmp_path / "plain", "--labels", "none")
    assert shards(str(tmp_path / "plain")).names == ()
    assert "data.subset=cow" in refused(script, photos, tmp_path / "out", "--subset", "cow")
    assert not (tmp_path / "out").exists()


def test_corrupt_images_are_left_out_or_refused(
    script: ModuleType, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (photos / "cat/bad.png").write_text("no image")
    write(script, photos, tmp_path / "out")
    assert "cat/bad.png" in caplog.text
    assert len(shards(str(tmp_path / "out"))) == 23
    assert "cat/bad.png" in refused(script, photos, tmp_path / "other", "--on-corrupt", "fail")


def test_a_folder_with_something_in_it_is_left_alone(script: ModuleType, photos: Path, tmp_path: Path):
    assert "not an empty folder" in refused(script, photos, photos)
    assert "not an empty folder" in refused(script, photos, photos / "cat/1.webp")
    assert "not there" in refused(script, tmp_path / "nowhere", tmp_path / "out")
    assert "--images-per-shard 0" in refused(script, photos, tmp_path / "out", "--images-per-shard", 0)


def test_an_interrupted_writer_leaves_nothing_behind(
    script: ModuleType, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    written = []
    addfile = tarfile.TarFile.addfile

    def interrupted(*arguments: Any) -> None:
        written.append(arguments)
        if len(written) == 30:
            raise KeyboardInterrupt
        addfile(*arguments)

    monkeypatch.setattr(tarfile.TarFile, "addfile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(script, photos, tmp_path / "out", "--images-per-shard", 5)
    assert list((tmp_path / "out").iterdir()) == []


def test_it_says_what_it_wrote(
    script: ModuleType, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write(script, photos, tmp_path / "out", "--images-per-shard", 5)
    said = capsys.readouterr().out
    assert "23 images of 2 classes in 5 shards" in said
    assert f"gantool train data=shards data.path={tmp_path / 'out'}" in said


@pytest.mark.skipif("GANTOOL_DATA" not in os.environ, reason="GANTOOL_DATA names no folder with emoji/")
def test_emoji_are_the_same_in_shards(script: ModuleType, tmp_path: Path):
    emoji = Path(os.environ["GANTOOL_DATA"], "emoji")
    table = ["--labels", emoji / "captions.csv", "--label-column", "category"]
    write(script, emoji, tmp_path / "out", "--subset", "twitter", "--images-per-shard", 500, *table)
    options = {"labels": str(emoji / "captions.csv"), "label_column": "category"}
    one = folder(str(emoji), subset="twitter", **options)
    assert everything(one) == everything(shards(str(tmp_path / "out")))
