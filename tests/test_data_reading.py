"""Folders of images: corrupt files, the index, streaming."""

import logging
import os
import pickle
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from image_files import (  # noqa: F401  # fixtures
    RANDOM,
    _clean_slate,
    animals,
    everything,
    load,
    noise,
    refused,
    root_here,
    save,
    zipped,
)
from torch.utils.data import DataLoader

from gantool.data import scan, threads
from gantool.data.image_set import InMemory
from gantool.data.streamed import Streamed

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
    message = refused(load, damaged(root), on_corrupt="fail")
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
    assert "1 of 1 images" in refused(load, root)


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
