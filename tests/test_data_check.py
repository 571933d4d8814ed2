"""`gantool data check`: what it counts, says and returns."""

import os
from pathlib import Path

import hydra
import numpy as np
import pytest
from PIL import Image

from gantool.data_check import main


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four cats, one of them twice, and one dog of another size and mode."""
    random = np.random.default_rng(0)
    for name in ("cat/1.png", "cat/2.png", "cat/3.png"):
        save(tmp_path / "photos" / name, random.integers(0, 256, (20, 30, 3), np.uint8))
    (tmp_path / "photos/cat/4.png").write_bytes((tmp_path / "photos/cat/1.png").read_bytes())
    save(tmp_path / "photos/dog/1.png", random.integers(0, 256, (10, 10), np.uint8))
    return tmp_path / "photos"


def save(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)


def check(*overrides: str) -> None:
    with hydra.initialize_config_module("gantool.conf", version_base="1.3"):
        main(hydra.compose("data_check", overrides=list(overrides)))


def printed(capsys: pytest.CaptureFixture[str], *overrides: str) -> list[str]:
    """Its lines, without frame and alignment."""
    check(*overrides)
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    return [" ".join(line.strip("│╭╮╰╯├┤─ ").replace("│", " ").split()) for line in lines]


def test_a_folder_is_counted(photos: Path, capsys: pytest.CaptureFixture[str]):
    lines = printed(capsys, "data=folder", f"data.path={photos}")
    assert "images 5" in lines
    assert "sizes 30 x 20 4 80.0%" in lines
    assert "10 x 10 1 20.0%" in lines
    assert "modes RGB: colour, 8 bits 4 80.0%" in lines
    assert "classes cat 4 80.0%" in lines
    assert "dog 1 20.0%" in lines
    assert "corrupt none" in lines


def test_the_shape_of_training_and_its_memory_are_told(photos: Path, capsys: pytest.CaptureFixture[str]):
    lines = printed(capsys, "data=folder", f"data.path={photos}", "data.resolution=[100,200]")
    assert "training 200 x 100, 3 channels of 8 bits; 0.3 MB, held in memory" in lines  # 5 x 3 x 100 x 200
    lines = printed(capsys, "data=folder", f"data.path={photos}", "data.memory=1000")
    assert "training 64 x 64, 3 channels of 8 bits; 0.1 MB, streamed from files" in lines


def test_duplicates_are_found_whatever_their_format(photos: Path, capsys: pytest.CaptureFixture[str]):
    Image.open(photos / "cat/2.png").save(photos / "cat/2.bmp")
    lines = printed(capsys, "data=folder", f"data.path={photos}")
    assert "duplicates 2 images have the very pixels of another:" in lines
    assert "cat/1.png = cat/4.png" in lines
    assert "cat/2.bmp = cat/2.png" in lines


def test_advice_names_what_is_wrong(photos: Path, capsys: pytest.CaptureFixture[str]):
    text = " ".join(printed(capsys, "data=folder", f"data.path={photos}"))
    assert "5 images are few" in text
    assert "data.mirror=true" in text
    assert "uneven, 1 of dog but 4 of cat" in text
    assert "Sizes differ: all become 64 x 64, 5 of them enlarged" in text
    assert "Modes differ: all become 3 channels" in text


def test_a_set_that_is_mirrored_already_is_not_told_to(photos: Path, capsys: pytest.CaptureFixture[str]):
    assert "data.mirror" not in " ".join(
        printed(capsys, "data=folder", f"data.path={photos}", "data.mirror=true")
    )


def test_corrupt_files_are_named_and_end_with_status_1(photos: Path, capsys: pytest.CaptureFixture[str]):
    whole = (photos / "cat/1.png").read_bytes()
    (photos / "cat/half.png").write_bytes(whole[: len(whole) // 2])
    (photos / "dog/text.jpg").write_text("no image")
    for overrides in ([], ["data.on_corrupt=fail"]):  # a check reports what training would stop at
        with pytest.raises(SystemExit) as stop:
            check("data=folder", f"data.path={photos}", *overrides)
        assert stop.value.code == 1
        text = capsys.readouterr().out
        assert "2 cannot be read" in text
        assert "cat/half.png" in text
        assert "dog/text.jpg: not an image" in text


def test_a_folder_of_nothing_but_corrupt_files_is_reported_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/1.png").write_text("no image")
    with pytest.raises(SystemExit) as stop:
        check("data=folder", f"data.path={tmp_path / 'bad'}")
    assert stop.value.code == 1
    assert "1.png: not an image" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "count"), [("digits", "1,797"), ("synthetic", "256")])
def test_every_other_set_can_be_checked(name: str, count: str, capsys: pytest.CaptureFixture[str]):
    lines = printed(capsys, f"data={name}")
    assert f"images {count}" in lines
    assert "corrupt none" in lines


def test_a_class_list_of_any_length_stays_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for k in range(40):
        save(tmp_path / "many" / f"class{k}" / "a.png", np.full((4, 4), k, np.uint8))
    lines = printed(capsys, "data=folder", f"data.path={tmp_path / 'many'}")
    assert "28 more, 1 each 28 70.0%" in lines
    assert len(lines) < 40


@pytest.mark.skipif("GANTOOL_DATA" not in os.environ, reason="GANTOOL_DATA names no folder with emoji/")
def test_emoji_are_few_and_transparent(capsys: pytest.CaptureFixture[str]):
    emoji = Path(os.environ["GANTOOL_DATA"], "emoji")
    lines = printed(capsys, "data=folder", f"data.path={emoji}", "data.subset=twitter")
    assert "images 1,911" in lines
    assert "modes RGBA: colour and alpha, 8 bits" in lines
    assert "1,911 images are few" in " ".join(lines)
