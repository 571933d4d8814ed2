"""gantool timelapse: the pictures of a training as an animation; animations of all kinds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image
from small import composed, trained

from gantool.animation import animate, even
from gantool.timelapse import chosen, main, moments


def request(*overrides: str) -> DictConfig:
    return composed(*overrides, name="timelapse")


def run_of(folder: Path, **sizes: int) -> Path:
    """A run that has left pictures of these names and sides, each of another grey."""
    (folder / "samples").mkdir(parents=True)
    (folder / "config.yaml").write_text("{}")
    for number, (name, side) in enumerate(sizes.items()):
        grey = Image.new("RGB", (side, side), (20 * (number + 1),) * 3)
        grey.save(folder / "samples" / f"{name.removeprefix('_').replace('_', '-')}.png")
    return folder


def played(path: Path) -> tuple[list[np.ndarray], list[int]]:
    """Frames and milliseconds."""
    frames, times = [], []
    with Image.open(path) as animation:
        for number in range(animation.n_frames):  # pyright: ignore
            animation.seek(number)
            animation.load()
            frames.append(np.array(animation.convert("RGB")))
            times.append(int(animation.info["duration"]))
    return frames, times


@pytest.mark.parametrize("video", ["gif", "webp"])
def test_pictures_follow_each_other_in_the_order_of_training_and_the_last_one_stays(
    video: str, tmp_path: Path
):
    run = run_of(tmp_path, _000000030=8, _000000004=8, _1000000000=8, real=8)
    main(request(f"run={run}", f"video={video}", "fps=10", "hold=1.5", "caption=false"))
    frames, times = played(run / f"timelapse.{video}")
    assert [int(frame.mean()) for frame in frames] == [40, 20, 60]
    assert all(frame.shape == (8, 8, 3) for frame in frames)
    assert times == [100, 100, 1600]


def test_each_direction_of_a_translator_has_its_own(tmp_path: Path):
    run = run_of(tmp_path / "run", _000000001_ab=8, _000000002_ab=8, _000000001_ba=8, _000000002_ba=8)
    main(request(f"run={run}", f"out={tmp_path / 'out'}", "caption=false"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "timelapse-ab.gif",
        "timelapse-ba.gif",
    ]
    assert [int(frame.mean()) for frame in played(tmp_path / "out/timelapse-ba.gif")[0]] == [60, 80]


def test_pictures_of_a_network_that_grows_are_all_as_large_as_the_last(tmp_path: Path):
    run = run_of(tmp_path, _000000001=4, _000000002=8, _000000003=16)
    main(request(f"run={run}", "caption=false"))
    assert [frame.shape[:2] for frame in played(run / "timelapse.gif")[0]] == [(16, 16)] * 3
    main(request(f"run={run}", "caption=false", "width=6"))
    assert [frame.shape[:2] for frame in played(run / "timelapse.gif")[0]] == [(6, 6)] * 3


def test_a_caption_leaves_the_pictures_as_they_are_and_counts_images_below(tmp_path: Path):
    run = run_of(tmp_path, _000000001=200, _000012345=200)
    main(request(f"run={run}", "video=webp"))
    (first, second), _ = played(run / "timelapse.webp")
    assert first.shape[0] > 200
    assert first.shape[1] == 200
    assert (first[:200] == 20).all()
    assert (second[:200] == 40).all()
    assert first[200:].max() == second[200:].max() == 255
    assert not np.array_equal(first[200:], second[200:])


def test_a_caption_wider_than_the_picture_has_room(tmp_path: Path):
    run = run_of(tmp_path, _000000001=10)
    main(request(f"run={run}", "video=webp"))
    [frame], _ = played(run / "timelapse.webp")
    left = (frame.shape[1] - 10) // 2
    assert left > 0
    assert (frame[:10, left : left + 10] == 20).all()
    assert (frame[:, -2:] == 0).all()


def test_of_many_pictures_some_are_chosen_evenly_from_the_first_to_the_last(tmp_path: Path):
    run = run_of(tmp_path, **{f"_{number:09d}": 4 for number in range(11)})
    [some] = moments(run / "samples").values()
    assert [moment.images for moment in chosen(some, 3)] == [0, 5, 10]
    assert [moment.images for moment in chosen(some, 11)] == list(range(11))
    assert chosen(some, None) == some


def test_a_run_that_has_just_been_trained_can_be_watched(tmp_path: Path):
    trained(tmp_path, "sample_every=16")
    main(request(f"run={tmp_path}"))
    frames, _ = played(tmp_path / "timelapse.gif")
    assert len(frames) == 4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["video=avi"], "video=avi: choose one of gif, webp, mp4"),
        (["fps=0"], "fps=0: give a whole number of 1 or more"),
        (["frames=1"], "frames=1: give a whole number of 2 or more"),
        (["hold=-1"], "hold=-1: give seconds, from 0 to 600"),
        (["hold=1e400"], "hold=inf: give seconds, from 0 to 600"),
        (["hold=nan"], "hold=nan: give seconds, from 0 to 600"),
        (["fps=51"], "fps=51: a GIF plays 50 frames a second at most; choose webp or mp4"),
        ([], "samples has no pictures such as 000010000.png"),
    ],
)
def test_a_time_lapse_that_cannot_be_is_refused(overrides: list[str], message: str, tmp_path: Path):
    run = run_of(tmp_path, real=4)
    with pytest.raises(ValueError, match=message):
        main(request(f"run={run}", *overrides))


@pytest.mark.parametrize("video", ["gif", "webp", "mp4"])
def test_an_animation_that_is_interrupted_leaves_the_earlier_one(
    video: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted() -> Iterator[np.ndarray]:
        yield np.zeros((8, 8, 3), np.uint8)
        if video == "mp4":  # which is written while frames come
            raise KeyboardInterrupt

    def cut(image: Image.Image, path: Path, **_: Any) -> None:
        path.write_text("half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", cut)
    if video == "mp4":
        pytest.importorskip("av")
    file = tmp_path / f"a.{video}"
    file.write_text("earlier")
    with pytest.raises(KeyboardInterrupt):
        animate(interrupted(), file, fps=4)
    assert file.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [file]


def test_a_gif_tells_50_frames_a_second_and_webp_more(tmp_path: Path):
    frames = np.stack([np.full((8, 8, 3), grey, np.uint8) for grey in (0, 100, 200)])
    with pytest.raises(ValueError, match="fps=100: a GIF"):
        animate(frames, tmp_path / "a.gif", fps=100)
    assert not list(tmp_path.iterdir())
    animate(frames, tmp_path / "a.gif", fps=50)
    assert played(tmp_path / "a.gif")[1] == [20, 20, 20]
    animate(frames, tmp_path / "a.webp", fps=100)
    assert played(tmp_path / "a.webp")[1] == [10, 10, 10]


def test_without_its_package_mp4_is_refused_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    run = run_of(tmp_path, _000000001=4)
    with pytest.raises(ValueError, match=r"video=mp4 needs the package av: pip install 'gantool\[video\]'"):
        main(request(f"run={run}", "video=mp4"))


def test_an_mp4_has_even_sides_and_holds_its_last_frame(tmp_path: Path):
    av = pytest.importorskip("av")
    frames = np.stack([np.full((17, 33, 3), grey, np.uint8) for grey in (30, 120, 220)])
    animate(frames, tmp_path / "a.mp4", fps=4, hold=1.5)
    with av.open(str(tmp_path / "a.mp4")) as file:
        found = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert [round(frame.mean() / 10) for frame in found] == [3, 12, *[22] * 7]
    assert found[0].shape == (18, 34, 3)


def test_odd_sides_become_even_by_doubling_the_last_row_and_column():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
    padded = even(Image.fromarray(pixels))
    assert padded.shape == (6, 4, 3)
    assert np.array_equal(padded[:5], pixels)
    assert np.array_equal(padded[5], pixels[4])
