"""Tar shards: every image is found, the walk is that of any other set, changes and errors are noticed."""

import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any, cast

import hydra
import numpy as np
import pytest
import torch
from PIL import Image
from shard_files import damaged, numbered, picture, tar
from torch.utils.data import DataLoader

from gantool.data import indexing
from gantool.data.image_set import ImageSet, Mirrored
from gantool.data.module import Batches, ImageData
from gantool.data.order import Order
from gantool.data.shards import shards
from gantool.data.tar import look
from gantool.shares import Share

COUNT = 19  # images of numbered()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return numbered(tmp_path / "shards")


def load(path: Path | str, **options: Any) -> ImageSet:
    return shards(str(path), **options)


def values(images: ImageSet) -> list[int]:
    """The numbers that the pictures of numbered() show."""
    return images[range(len(images))]["image"][:, 0, 0, 0].tolist()


def refused(path: Path | str, **options: Any) -> str:
    with pytest.raises(ValueError, match=".") as error:
        load(path, **options)[[0]]
    assert "\n" not in str(error.value)
    return str(error.value)


# What is in the shards


def test_every_image_is_there_in_the_order_of_the_shards(root: Path):
    images = load(root)
    assert images.shape == (3, 8, 8)
    assert values(images) == list(range(COUNT))
    assert images.streamed


def test_labels_come_from_cls_and_json_and_count_in_natural_order(root: Path):
    images = load(root)
    assert images.names == ("0", "1", "2")
    assert images.labels is not None
    assert images.labels.tolist() == [i % 3 for i in range(COUNT)]
    assert images[[4, 8]]["label"].tolist() == [1, 2]
    assert images[[4]]["label"].dtype == torch.int64
    assert load(root, labels="none").labels is None
    assert "label" not in load(root, labels="none")[[0]]


def test_names_of_classes_do_not_depend_on_which_shard_comes_first(tmp_path: Path):
    tar(tmp_path / "a.tar", {"1.png": picture(1), "1.cls": b"zebra", "2.png": picture(2), "2.cls": b"cat10"})
    tar(tmp_path / "b.tar", {"1.png": picture(3), "1.cls": b"cat9"})
    images = load(tmp_path)
    assert images.names == ("cat9", "cat10", "zebra")
    assert images[[0, 1, 2]]["label"].tolist() == [2, 1, 0]


def test_a_label_may_lie_anywhere_in_the_shard_and_cls_counts_more_than_json(tmp_path: Path):
    files = {"1.json": b'{"label": "no"}', "1.cls": b"yes", "2.json": b'{"label": "no", "text": "a dog"}'}
    tar(
        tmp_path / "a.tar",
        files | {"x/3.JPEG": picture(3), "1.png": picture(1), "2.png": picture(2), "x/3.cls": b"yes"},
    )
    images = load(tmp_path)
    assert [images.names[k] for k in images[[0, 1, 2]]["label"].tolist()] == ["yes", "yes", "no"]


def test_other_files_hidden_files_and_other_fields_are_no_images(tmp_path: Path):
    files = {
        "1.png": picture(1),
        "1.txt": b"a dog",
        "1.seg.png": picture(9),
        "._1.png": b"mac",
        "d/.x/2.png": b"",
    }
    assert values(load(tar(tmp_path / "a.tar", files))) == [1]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read_in_every_format_of_tar(form: int, tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        for number in (1, 2):
            header = tarfile.TarInfo("long" * 20 + f"/{number}" + "/long" * (number * 6) + "/ä.png")
            content = picture(number)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    assert values(load(tmp_path)) == [1, 2]


def test_what_images_are_is_found_out_without_decoding_them(tmp_path: Path):
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {}
    for name, mode, options in [
        ("1", "L", {}),
        ("2", "LA", {}),
        ("3", "RGB", {"exif": turned}),
        ("4", "I;16", {}),
    ]:
        file = io.BytesIO()
        Image.new(mode, (6, 4)).save(file, "PNG", **options)
        files[f"{name}.png"] = file.getvalue()
    with tar(tmp_path / "a.tar", files).open("rb") as file:
        contents = look(file, "a.tar")
    assert contents.modes == {"L": 1, "LA": 1, "RGB": 1, "I;16": 1}
    assert contents.sizes == {(4, 6), (6, 4)}


def test_images_of_several_sizes_become_64_and_those_of_one_keep_it(tmp_path: Path):
    tar(tmp_path / "a.tar", {"1.png": picture(1, (5, 7))})
    assert load(tmp_path).shape == (3, 5, 7)
    tar(tmp_path / "b.tar", {"1.png": picture(1, (9, 7))})
    assert load(tmp_path).shape == (3, 64, 64)
    assert load(tmp_path, resolution=16, channels=1).shape == (1, 16, 16)


# Where shards lie


def test_a_set_is_a_folder_a_tar_a_pattern_or_a_brace_pattern(root: Path):
    everything = list(range(COUNT))
    assert values(load(f"{root}/*.tar")) == everything
    assert values(load(f"{root}/a-{{000..004}}.tar")) == everything
    assert values(load(f"{root}/a-{{000,002}}.tar")) == [0, 1, 2, 3, 4, 8, 9, 10, 11]
    assert values(load(f"{root}/a-{{003..004}}.tar")) == everything[12:]
    assert values(load(root / "a-003.tar")) == [12]


def test_shards_come_in_natural_order(tmp_path: Path):
    for number in (10, 9, 1):
        tar(tmp_path / f"a{number}.tar", {"1.png": picture(number)})
    assert values(load(tmp_path)) == [1, 9, 10]
    assert values(load(f"{tmp_path}/a{{9..10}}.tar")) == [9, 10]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nowhere", "nowhere is not there"),
        ("empty", "holds no .tar files"),
        ("shards/x*.tar", "holds no .tar files"),
        ("shards/a-{000..009}.tar", "a-005.tar is not there"),
        ("shards/a-{x..y}.tar", "{x..y} is no pattern"),
        ("shards/a-{000,000}.tar", "a-000.tar twice"),
    ],
)
def test_a_wrong_path_is_named(path: str, says: str, root: Path):
    (root.parent / "empty").mkdir()
    assert says in refused(f"{root.parent}/{path}")


def test_a_missing_path_says_what_to_give():
    with pytest.raises(ValueError, match=r"give data\.path=DIR"):
        shards(None)


# The walk


@pytest.mark.parametrize("mixed", [1, 2, 3, 100])
@pytest.mark.parametrize("batch_size", [1, 7, 19, 23])
@pytest.mark.parametrize("mirror", [False, True])
def test_every_epoch_shows_every_image_once_whatever_the_batch_size(
    batch_size: int, mixed: int, mirror: bool, root: Path
):
    images = load(root, shuffle_shards=mixed)
    shown = Mirrored(images) if mirror else images
    order = Order(len(shown), 1, shown.stretches)
    walk = [i for k in range(0, 4 * len(shown), batch_size) for i in order(k, batch_size)]
    for epoch in range(4):
        assert sorted(walk[epoch * len(shown) :][: len(shown)]) == list(range(len(shown)))


def test_any_part_of_the_walk_can_be_had_without_what_came_before(root: Path):
    stretches = load(root, shuffle_shards=2).stretches
    whole = Order(COUNT, 1, stretches)(0, 100)
    for start, length in [(0, 1), (37, 25), (9, 2), (90, 10), (18, 3)]:
        assert Order(COUNT, 1, stretches)(start, length) == whole[start : start + length]


def test_the_walk_stays_within_a_group_of_shards_and_epochs_group_them_anew(tmp_path: Path):
    images = load(numbered(tmp_path, sizes=[4] * 6), shuffle_shards=2)
    walk = Order(24, 1, images.stretches)(0, 24 * 10)
    groups = [frozenset(i // 4 for i in walk[start : start + 8]) for start in range(0, 240, 8)]
    assert all(len(group) == 2 for group in groups)
    assert len(set(groups)) > 3
    assert len({tuple(sorted(walk[:8])) != tuple(walk[:8])}) == 1


def test_the_shards_of_a_group_are_mixed(tmp_path: Path):
    images = load(numbered(tmp_path, sizes=[8] * 2), shuffle_shards=2)
    walk = Order(16, 1, images.stretches)(0, 16)
    assert {i // 8 for i in walk[:8]} == {0, 1}


def test_the_walk_of_one_group_is_that_of_a_set_in_memory(root: Path):
    assert Order(COUNT, 1, load(root).stretches)(0, 10) != list(range(10))
    one = tar(root / "one.tar", {f"{k}.png": picture(k) for k in range(COUNT)})
    assert Order(COUNT, 1, load(one).stretches)(0, 3 * COUNT) == Order(COUNT, 1)(0, 3 * COUNT)


def test_each_group_and_the_next_are_announced_when_they_begin(tmp_path: Path):
    from gantool.data.order import Stretches

    heard: list[list[int]] = []
    stretches = Stretches(np.arange(0, 25, 4), 2, lambda soon: heard.append(list(soon)))
    order = Order(24, 1, stretches)
    shown = [{i // 4 for i in order(start, 8)} for start in range(0, 72, 8)]
    assert [set(soon[:2]) for soon in heard] == shown
    assert [set(soon[2:]) for soon in heard[:-1]] == shown[1:]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_goes_on_sees_what_it_would_have_seen(workers: int, root: Path):
    def batches(first: int, count: int) -> list[Any]:
        images = load(root, shuffle_shards=2)
        images[[0]]  # a shard is open before workers start
        sampler = Batches(Order(COUNT, 1, images.stretches), 4, lambda: 4 * first)
        options: Any = {"sampler": sampler, "batch_size": None, "num_workers": workers}
        loader = iter(DataLoader(cast(Any, images), **options))
        return [next(loader) for _ in range(count)]

    whole, rest = batches(0, 12), batches(7, 5)
    for one, other in zip(whole[7:], rest, strict=True):
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["label"], other["label"])
    shown = [int(batch["image"][k, 0, 0, 0]) for batch in whole for k in range(4)]
    assert sorted(shown[:COUNT]) == list(range(COUNT))


def test_a_pickled_set_shows_the_same_images(root: Path):
    images = load(root)
    again = pickle.loads(pickle.dumps(images))
    assert values(again) == values(images)
    assert torch.equal(again.labels, images.labels)


def test_two_processes_see_together_what_one_would_see(root: Path):
    def seen(share: Share) -> list[list[int]]:
        images = load(root, shuffle_shards=2)
        batches = iter(Batches(Order(COUNT, 1, images.stretches), 6, lambda: 18, share))
        return [images[next(batches)]["image"][:, 0, 0, 0].tolist() for _ in range(8)]

    for whole, first, second in zip(seen(Share()), seen(Share(0, 2)), seen(Share(1, 2)), strict=True):
        assert [image for pair in zip(first, second, strict=True) for image in pair] == whole


def test_a_preview_shows_class_after_class(root: Path):
    first, second = (
        ImageData(load(root, shuffle_shards=2), batch_size=8, seed=3).preview(9) for _ in range(2)
    )
    assert first["label"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert torch.equal(first["image"], second["image"])


# The index


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    looked_at: list[str] = []

    def counted(file: Any, shard: str) -> Any:
        looked_at.append(Path(shard).name)
        return look(file, shard)

    monkeypatch.setattr(indexing, "look", counted)
    return looked_at


def test_shards_are_looked_at_once_and_only_those_that_changed_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    looked_at = count_looks(monkeypatch)
    for _ in range(2):
        assert values(load(root)) == list(range(COUNT))
    assert len(looked_at) == 5
    assert (root / "shards.index").exists()

    tar(root / "a-001.tar", {"1.png": picture(77), "1.cls": b"1"})  # of another size
    assert values(load(root)) == [0, 1, 2, 3, 4, 77, *range(8, COUNT)]
    assert looked_at[5:] == ["a-001.tar"]

    stamp = (root / "a-001.tar").stat()
    tar(root / "a-001.tar", {"1.png": picture(78), "1.cls": b"2"})  # of the same size, later
    os.utime(root / "a-001.tar", ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    images = load(root)
    assert values(images)[5] == 78
    assert images[[5]]["label"].tolist() == [2]
    assert looked_at[6:] == ["a-001.tar"]


def test_a_choice_of_shards_takes_what_is_known_of_all(root: Path, monkeypatch: pytest.MonkeyPatch):
    load(root)
    looked_at = count_looks(monkeypatch)
    images = load(f"{root}/a-{{002..003}}.tar")
    assert values(images) == [8, 9, 10, 11, 12]
    assert images[range(5)]["label"].tolist() == [2, 0, 1, 2, 0]
    assert looked_at == []


def test_added_and_removed_shards_are_noticed(root: Path):
    load(root)
    (root / "a-000.tar").unlink()
    tar(root / "b.tar", {"1.png": picture(99), "1.cls": b"dog"})
    images = load(root)
    assert values(images) == [*range(5, COUNT), 99]
    assert images.names == ("0", "1", "2", "dog")


def test_a_folder_that_cannot_be_written_has_its_index_in_the_cache(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(indexing.os, "access", lambda path, mode: False)
    looked_at = count_looks(monkeypatch)
    for _ in range(2):
        assert values(load(root)) == list(range(COUNT))
    assert len(looked_at) == 5
    assert not (root / "shards.index").exists()
    assert len(list((tmp_path / "cache/gantool/indexes").glob("*.index"))) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"[1]\n", b"null\n", b'{"version": 0}\n', b"\xff\x00\n", b"{"]
)
def test_a_damaged_index_is_made_anew(content: bytes, root: Path):
    load(root)
    (root / "shards.index").write_bytes(content)
    assert values(load(root)) == list(range(COUNT))
    whole = (root / "shards.index").read_bytes()
    (root / "shards.index").write_bytes(whole[:-8])
    assert values(load(root)) == list(range(COUNT))


def test_an_index_takes_16_bytes_an_image_and_is_mapped(tmp_path: Path):
    tar(tmp_path / "a.tar", {f"{k}.png": picture(k) for k in range(100)})
    files = cast(Any, load(tmp_path)).files
    assert files.index.rows.nbytes == 1600
    assert isinstance(files.index.rows.base, np.memmap)
    assert len(pickle.dumps(files)) < 2000


# Errors


def test_a_file_that_is_no_tar_or_is_cut_short_is_named(root: Path):
    whole = (root / "a-002.tar").read_bytes()
    for content in (b"no tar" * 1000, whole[:700], whole[: len(whole) // 2 - 300], b""):
        (root / "a-002.tar").write_bytes(content)
        message = refused(root)
        assert "a-002.tar is no tar, is compressed, or is cut short" in message


def test_a_compressed_tar_is_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("1.png"))
    assert "is compressed" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("1.cls", b"", "1.cls in "),
        ("1.cls", b"\xff\xfe", "no text"),
        ("1.cls", b"a\nb", "expected the number or name"),
        ("1.json", b"{", "no JSON"),
        ("1.json", b'{"label": [0.5]}', "[0.5]"),
        ("1.json", b'{"label": true}', "true"),
        ("1.json", b'{"label": ""}', '""'),
    ],
)
def test_a_label_that_is_none_is_named(name: str, content: bytes, says: str, tmp_path: Path):
    tar(tmp_path / "a.tar", {"1.png": picture(1), name: content})
    message = refused(tmp_path)
    assert says in message
    assert "a.tar" in message


def test_some_labels_are_refused_and_none_are_no_error(tmp_path: Path):
    tar(tmp_path / "a.tar", {"1.png": picture(1), "1.cls": b"cat", "2.png": picture(2), "2.json": b"{}"})
    assert "1 of 2 images have no label, such as 2.png in a.tar" in refused(tmp_path)
    assert load(tmp_path, labels="none").labels is None
    tar(tmp_path / "a.tar", {"1.png": picture(1)})
    assert load(tmp_path).names == ()


def test_shards_without_images_are_refused(tmp_path: Path):
    tar(tmp_path / "a.tar", {"1.txt": b"text"})
    assert "holds no images named like 0001.png" in refused(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("on_corrupt", "ignore"), ("labels", "a.csv"), ("shuffle_shards", 0), ("fit", "squeeze")],
)
def test_an_impossible_choice_is_refused(key: str, value: Any, root: Path):
    assert f"data.{key}={value}" in refused(root, **{key: value})


def test_images_that_are_none_are_named_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    tar(tmp_path / "a.tar", {"1.png": b"no image", "2.png": picture(2)})
    for _ in range(2):  # looked at, and remembered
        caplog.clear()
        assert values(load(tmp_path)) == [2]
        assert "1 of 2 images" in caplog.text
        assert "a.tar/1.png (not an image)" in caplog.text
    assert "a.tar/1.png (not an image)" in refused(tmp_path, on_corrupt="fail")
    tar(tmp_path / "a.tar", {"1.png": b"no image"})
    assert "1 of 1 images" in refused(tmp_path)


def test_links_are_no_images(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "1.png").write_bytes(picture(1))
    os.link(tmp_path / "1.png", tmp_path / "2.png")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "1.png", "1.png")
        archive.add(tmp_path / "2.png", "2.png")
    assert values(load(tmp_path)) == [1]
    assert "2.png (a link; write the tar with --dereference --hard-dereference)" in caplog.text


def test_an_image_that_is_damaged_further_on_gives_way_to_its_neighbour(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    tar(tmp_path / "a.tar", {"1.png": picture(1), "2.png": damaged(), "3.png": picture(3)})
    images = load(tmp_path)
    assert images[[0, 1, 2, 1]]["image"][:, 0, 0, 0].tolist() == [1, 3, 3, 3]
    assert caplog.text.count("a.tar/2.png in ") == 1
    with pytest.raises(ValueError, match=r"a\.tar/2\.png in .* cannot be read any more"):
        load(tmp_path, on_corrupt="fail")[[0, 1]]


def test_a_shard_that_vanishes_or_changes_ends_training_at_once(root: Path):
    images = load(root)
    tar(root / "a-000.tar", {"1.png": picture(1)})
    with pytest.raises(ValueError, match=r"a-000\.tar has \d+ bytes but had \d+: it was changed"):
        images[[0]]
    (root / "a-001.tar").unlink()
    with pytest.raises(ValueError, match=r"a-001\.tar cannot be opened .* is it still there"):
        images[[5]]
    assert images[[8]]["image"][0, 0, 0, 0] == 8


# The command line


def test_the_configuration_builds_the_set(root: Path):
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        overrides = ["data=shards", f"data.path='{root}/a-{{000..001}}.tar'", "data.resolution=[6,4]"]
        cfg = hydra.compose("data_check", overrides=overrides)
    images = hydra.utils.instantiate(cfg.data.set)
    assert images.shape == (3, 6, 4)
    assert len(images) == 8


def test_shards_can_be_checked(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from gantool.data_check import main

    monkeypatch.setenv("COLUMNS", "80")
    tar(
        root / "b.tar",
        {"1.png": picture(3), "1.cls": b"1", "2.png": b"no image", "3.png": damaged(), "3.cls": b"0"},
    )
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = hydra.compose("data_check", overrides=["data=shards", f"data.path={root}"])
    with pytest.raises(SystemExit) as stop:
        main(cfg)
    assert stop.value.code == 1
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "images 20" in text
    assert "classes 0 7 35.0%" in text
    assert "2 cannot be read: b.tar/2.png: not an image b.tar/3.png: " in text
    assert "a-000.tar/0003.png = b.tar/1.png" in text
