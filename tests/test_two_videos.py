"""Frames that follow each other: windows, clips, videos, shapes in motion."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from small import composed

from gantool import videos
from gantool.data import two_videos as module
from gantool.data.decode import Corrupt
from gantool.data.films import Films, Reel, kept, reels
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.moving_shapes import Scene, drawn, moving_shapes, places
from gantool.data.piles import Piles
from gantool.data.two_videos import two_videos
from gantool.train import train
from gantool.videos import Writer, look_at


def numbered(count: int, first: int = 0) -> np.ndarray:
    """Frames (count, 4, 4, 3) that are known by their value."""
    return np.full((count, 4, 4, 3), np.arange(first, first + count)[:, None, None, None], np.uint8)


def put(folder: Path, frames: np.ndarray, name: str = "{}.png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name.format(number))
    return folder


def film(path: Path, frames: np.ndarray, rate: Fraction = Fraction(25)) -> Path:
    pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(path, rate)
    for frame in frames:
        writer.add(frame)
    writer.close()
    return path


def shown(images: ImageSet, side: str) -> list[tuple[int, ...]]:
    """The values of every window of a side, in the order of the side itself."""
    assert isinstance(images, Films)
    pile = images.piles.a if side == "a" else images.piles.b
    windows = pile[list(range(len(pile)))]["image"][:, ::3, 0, 0]
    return [tuple(row) for row in windows.tolist()]


@pytest.fixture
def b(tmp_path: Path) -> Path:
    return put(tmp_path / "b", numbered(5, 200))


# Windows.


def test_windows_never_cross_clips():
    frames = InMemory(numbered(9).transpose(0, 3, 1, 2))
    reel = Reel(frames, np.array([0, 4, 6, 9]), 3)  # a clip of two frames holds no window
    assert reel[range(len(reel))]["image"][:, ::3, 0, 0].tolist() == [[0, 1, 2], [1, 2, 3], [6, 7, 8]]
    assert len(reel.lasting(1)) == 9
    assert reel.lasting(2)[range(6)]["image"][:, 0, 0, 0].tolist() == [0, 1, 2, 4, 6, 7]


def test_frames_follow_each_other_by_the_numbers_in_their_names(tmp_path: Path, b: Path):
    a = put(tmp_path / "a", numbered(12), "frame{}.png")  # frame10 comes after frame9
    images = two_videos(a=str(a), b=str(b), frames=3)
    assert shown(images, "a") == [(i, i + 1, i + 2) for i in range(10)]
    assert images.entries == ("a0", "a1", "a2", "b0", "b1", "b2")
    assert images.shape == images.source_shape == (3, 4, 4)


def test_every_sub_folder_is_a_clip_of_its_own_and_a_corrupt_frame_ends_one(
    tmp_path: Path, b: Path, caplog: pytest.LogCaptureFixture
):
    put(tmp_path / "a" / "one", numbered(3))
    put(tmp_path / "a" / "two", numbered(7, 10))
    (tmp_path / "a" / "two" / "3.png").write_bytes(b"no image")
    images = two_videos(a=str(tmp_path / "a"), b=str(b), frames=3)
    assert shown(images, "a") == [(0, 1, 2), (10, 11, 12), (14, 15, 16)]
    assert "3.png" in caplog.text
    with pytest.raises(ValueError, match=r"3\.png"):
        two_videos(a=str(tmp_path / "a"), b=str(b), frames=3, on_corrupt="fail")


def test_both_sides_are_walked_through_for_themselves_each_window_once_an_epoch(tmp_path: Path, b: Path):
    a = put(tmp_path / "a", numbered(8))
    images = two_videos(a=str(a), b=str(b), frames=3)
    assert len(images) == 6
    batch = images[images.walk(3)(0, 6)]
    assert sorted(batch["a0"][:, 0, 0, 0].tolist()) == [0, 1, 2, 3, 4, 5]
    assert sorted(batch["b0"][:, 0, 0, 0].tolist()) == [200, 200, 201, 201, 202, 202]
    for side in "ab":
        for frame in (1, 2):
            assert torch.equal(batch[f"{side}{frame}"], batch[f"{side}0"] + frame)


def test_what_happens_to_a_window_happens_to_all_its_frames_alike(tmp_path: Path):
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8)[:, None], (5, 16, 1, 3))
    sides = [str(put(tmp_path / side, np.ascontiguousarray(ramp))) for side in "ab"]
    images = two_videos(a=sides[0], b=sides[1], frames=3, resolution=12, jitter=4).mirrored()
    batch = images[images.walk(0)(0, 24)]
    assert batch["a0"].shape == (24, 3, 12, 12)
    assert torch.equal(batch["a0"], batch["a1"])
    assert torch.equal(batch["b0"], batch["b2"])
    kinds = {tuple(row) for row in batch["a0"][:, 0, 0].tolist()}
    assert len(kinds) > 4  # crops at several places, mirrored and not
    assert any(row[0] > row[-1] for row in kinds)


def test_single_frames_are_two_piles(tmp_path: Path, b: Path):
    images = two_videos(a=str(put(tmp_path / "a", numbered(3))), b=str(b))
    assert isinstance(images, Piles)
    assert images[[0]]["a"].shape == (1, 3, 4, 4)
    assert len(images) == 5


def test_the_last_frames_are_held_out_and_no_window_reaches_from_one_part_into_the_other(
    tmp_path: Path, b: Path
):
    put(tmp_path / "a" / "one", numbered(4))
    put(tmp_path / "a" / "two", numbered(6, 10))
    both = {"a": str(tmp_path / "a"), "b": str(b), "frames": 2, "hold_out": 3}
    assert shown(two_videos(**both), "a") == [(0, 1), (1, 2), (2, 3), (10, 11), (11, 12)]
    assert shown(two_videos(**both, held_out=True), "a") == [(13, 14), (14, 15)]
    assert kept(np.array([0, 4, 10]), 8, False).tolist() == [0, 2]
    assert kept(np.array([0, 4, 10]), 8, True).tolist() == [2, 4, 10]
    assert kept(np.array([0, 4, 10]), 6, True).tolist() == [4, 10]


def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, b: Path):
    a = str(put(tmp_path / "a", numbered(3)))

    def refused(**wanted: object) -> str:
        with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
            two_videos(**{"a": a, "b": str(b), **wanted})  # pyright: ignore
        return str(caught.value)

    assert "the longest clip has 3 frames, but 4 that follow each other are needed" in refused(frames=4)
    assert f"data.a={a}" in refused(frames=4)
    assert "the longest clip has 2 frames" in refused(frames=3, hold_out=1)
    assert "data.b is missing" in refused(b=None)
    assert "data.a=nowhere is not there" in refused(a="nowhere")
    assert "data.a=nowhere.mp4 is not there" in refused(a="nowhere.mp4")
    assert "of 3 frames, give 0 to 2" in refused(hold_out=3)
    assert "training sees all frames" in refused(held_out=True)
    assert "data.frames=0" in refused(frames=0)


# Videos.


def test_a_video_a_folder_of_videos_and_its_frames_show_the_same(tmp_path: Path, b: Path):
    frames = [numbered(4, 40), numbered(3, 90)]
    file = film(tmp_path / "one.mp4", frames[0])
    film(tmp_path / "clips" / "2.mp4", frames[0])
    film(tmp_path / "clips" / "10.mov", frames[1])
    alone = two_videos(a=str(file), b=str(b), frames=3)
    both = two_videos(path=str(tmp_path), a="clips", b="b", frames=3)
    assert [row[0] for row in shown(alone, "a")] == pytest.approx([40, 41], abs=1)
    assert [row[2] for row in shown(both, "a")] == pytest.approx([42, 43, 92], abs=1)
    assert two_videos(a=str(file), b=str(b), frames=3, resolution=8, source_channels=1).source_shape == (
        1,
        8,
        8,
    )


def test_the_size_of_videos_is_their_own_where_all_are_alike(tmp_path: Path):
    tall = film(tmp_path / "tall.mp4", np.zeros((4, 12, 8, 3), np.uint8))
    wide = film(tmp_path / "wide.mp4", np.zeros((4, 8, 12, 3), np.uint8))
    assert two_videos(a=str(tall), b=str(tall), frames=3).shape == (3, 12, 8)
    assert two_videos(a=str(tall), b=str(wide), frames=3).shape == (3, 64, 64)


def test_videos_that_do_not_fit_into_memory_are_refused_with_the_cure(tmp_path: Path, b: Path):
    file = film(tmp_path / "one.mp4", numbered(20))
    with pytest.raises(ValueError, match=r"more than 10 frames do not fit.*ffmpeg -i"):
        two_videos(a=str(file), b=str(b), memory=2 * 10 * 48)


def test_damaged_videos_are_skipped_or_refused_as_asked(
    tmp_path: Path, b: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    film(tmp_path / "a" / "1.mp4", numbered(4))
    (tmp_path / "a" / "2.mp4").write_bytes(b"no video")
    wanted = {"a": str(tmp_path / "a"), "b": str(b), "frames": 3}
    assert len(shown(two_videos(**wanted), "a")) == 2
    assert "2.mp4" in caplog.text
    with pytest.raises(ValueError, match=r"2\.mp4"):
        two_videos(**wanted, on_corrupt="fail")
    (tmp_path / "a" / "2.mp4").unlink()

    plain = videos.decoded

    def torn(file: object):
        for number, frame in enumerate(plain(file)):
            if number == 3:
                raise Corrupt("torn")
            yield frame

    monkeypatch.setattr(videos, "decoded", torn)
    assert len(shown(two_videos(**wanted), "a")) == 1
    assert "cannot be read to its end: torn" in caplog.text
    with pytest.raises(ValueError, match="cannot be read to its end: torn"):
        two_videos(**wanted, on_corrupt="fail")


def test_a_folder_of_videos_and_images_is_refused(tmp_path: Path, b: Path):
    film(tmp_path / "a" / "1.mp4", numbered(4))
    put(tmp_path / "a", numbered(1))
    with pytest.raises(ValueError, match="holds videos and images"):
        two_videos(a=str(tmp_path / "a"), b=str(b))


def test_without_the_package_for_videos_it_is_named(tmp_path: Path, b: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setattr(module.videos.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"a\.mp4: videos need the package av: pip install 'gantool\[video\]'"
    ):
        two_videos(a=str(tmp_path / "a.mp4"), b=str(b))


def test_a_video_keeps_its_size_rate_and_pictures(tmp_path: Path):
    frames = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    frames = frames.repeat(8, 1).repeat(8, 2)  # blocks, whose colours 4:2:0 keeps
    video = look_at(film(tmp_path / "a.mp4", frames, Fraction(30000, 1001)))
    assert (video.size, video.rate, video.count) == ((32, 32), Fraction(30000, 1001), 6)
    assert np.abs(np.stack([frame.pixels for frame in video]).astype(int) - frames).mean() < 6


def test_a_turned_video_is_shown_upright(tmp_path: Path):
    """As phones write them: lying, with a note on how to turn it."""
    av = pytest.importorskip("av")
    plain = np.zeros((16, 32, 3), np.uint8)
    plain[:, :16] = 255  # the left half is white
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 16, 32, "yuv420p"
        if "set_display_rotation" not in dir(stream):
            pytest.skip("this PyAV cannot write such a note")
        stream.set_display_rotation(90)  # to the left
        for _ in range(2):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(plain, format="rgb24")))
        file.mux(stream.encode())
    video = look_at(tmp_path / "a.mp4")
    assert video.size == (32, 16)
    upright = next(iter(video)).pixels
    assert upright[:16].mean() < 10  # what lay left is below now
    assert upright[16:].mean() > 245


# Shapes in motion.


def centre(frame: np.ndarray) -> np.ndarray:
    """Of what is not black, in sides of the image."""
    weight = frame.astype(float).sum(0)
    side = (np.arange(len(weight)) + 0.5) / len(weight)
    return np.array([weight.sum(1) @ side, weight.sum(0) @ side]) / weight.sum()


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_shape_moves_by_its_velocity_and_bounces(kind: int):
    velocity = np.array([[0.03, -0.02]])
    scene = Scene(np.array([kind]), np.array([0.15]), np.array([[0.5, 0.5]]), velocity)
    frames = [drawn(scene, time, "filled", 3, (64, 64)) for time in range(60)]
    for time, (before, after) in enumerate(zip(frames[:10], frames[1:11], strict=True)):
        np.testing.assert_allclose(centre(after) - centre(before), velocity[0], atol=2e-3)
        np.testing.assert_allclose(centre(before), places(scene, time)[0], atol=2e-3)
    way = np.stack([places(scene, time)[0] for time in range(60)])
    assert way.min() >= 0.15 - 1e-9
    assert way.max() <= 0.85 + 1e-9
    np.testing.assert_allclose(np.abs(np.diff(way, axis=0)).max(0), np.abs(velocity[0]))


def test_what_happens_depends_on_the_seed_alone_and_differs_between_the_sides():
    one, same, other = (moving_shapes(seed=seed, frames=3) for seed in (1, 1, 2))
    some = [0, 5, 70]
    assert all(torch.equal(one[some][name], same[some][name]) for name in one.entries)
    assert not torch.equal(one[some]["a0"], other[some]["a0"])
    sides = reels(one)
    assert sides is not None
    assert sides[0].scenes != sides[1].scenes


def test_what_is_held_out_shows_the_same_on_both_sides_in_two_looks():
    images = moving_shapes(32, hold_out=3, held_out=True, frames=3)
    sides = reels(images)
    assert sides is not None
    assert sides[0].scenes == sides[1].scenes
    batch = images[list(range(len(images)))]
    assert len(images) == 3 * 14
    for frame in "012":
        a, b = batch[f"a{frame}"].float(), batch[f"b{frame}"].float()
        inked = (b - b.median(0).values).abs().amax(1) > 60  # (N, H, W): outlines
        covered = a.amax(1) > 0
        assert (inked & ~covered).float().mean() < 0.002  # they lie on the shapes
        assert inked.float().mean() > 0.02


def test_the_ground_stands_still():
    images = moving_shapes(32, frames=3, hold_out=4, held_out=True)
    batch = images[list(range(len(images)))]
    free = (batch["a0"].amax(1) == 0) & (batch["a2"].amax(1) == 0)  # no shape is there
    assert free.float().mean() > 0.5
    for before, after in zip(batch["b0"].unbind(1), batch["b2"].unbind(1), strict=True):
        assert torch.equal(before[free], after[free])
    assert len(batch["b0"][0, 0][free[0]].unique()) > 10  # although it is woven


@pytest.mark.parametrize("key", ["clips", "shapes", "channels"])
def test_numbers_that_make_no_video_are_refused(key: str):
    with pytest.raises(ValueError, match=f"data.{key}=0 makes no video"):
        moving_shapes(**{key: 0})  # pyright: ignore
    with pytest.raises(ValueError, match=r"data\.length=2: a window has 3 frames"):
        moving_shapes(length=2, frames=3)
    with pytest.raises(ValueError, match=r"no clips are held out"):
        moving_shapes(held_out=True)


# In use.


def test_videos_are_trained_on_and_held_out_frames_are_measured(tmp_path: Path):
    frames = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8).repeat(24, 0)
    sides = [film(tmp_path / f"{side}.mp4", frames) for side in "ab"]
    given = ["data=two_videos", f"data.a={sides[0]}", f"data.b={sides[1]}", "data.resolution=16"]
    narrow = ["model=recyclegan", "model.G.width=4", "data.hold_out=4", "metrics=[flicker]", "images=4"]
    overrides = [*given, *narrow, "samples=2", "logger=none", "trainer.accelerator=cpu"]
    assert train(composed(*overrides), tmp_path / "run", overrides, Console(quiet=True)) == 0
    assert "metric/ab_flicker" in (tmp_path / "run" / "metrics.csv").read_text()


def test_the_keys_of_the_files_reach_the_sets():
    for data in ("two_videos", "moving_shapes"):
        assert composed("model=recyclegan", f"data={data}").data.frames == 3
        assert composed("model=cyclegan", f"data={data}").data.frames == 1
