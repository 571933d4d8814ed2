"""gantool translate of videos: frame by frame, with the same size, rate and moments."""

import importlib.util
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401, the fixture
from PIL import Image
from small import composed, trained
from torch import Tensor, nn

from gantool import videos
from gantool.data.colours import WHITE
from gantool.data.decode import Corrupt
from gantool.tiles import Tiles
from gantool.translate import main
from gantool.translate_video import translate_video
from gantool.translator import Translator
from gantool.videos import Frame, Writer, look_at

pytest.importorskip("av")


class Changed(nn.Module):
    """Enlarges, and turns light to dark."""

    def __init__(self, scale: int = 1):
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.zeros(1)), scale

    def forward(self, x: Tensor) -> Tensor:
        return -x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)


class Noisy(Changed):
    def forward(self, x: Tensor) -> Tensor:
        return torch.rand_like(x[:, :, ::8, ::8]).repeat_interleave(8, 2).repeat_interleave(8, 3) * 2 - 1


def translator(network: nn.Module, **changes: Any) -> Translator:
    plain = {
        "trained": 16,
        "background": WHITE,
        "side": None,
        "tiles": Tiles(),
        "transparent": True,
        "seed": 0,
    }
    return Translator(network, 3, **{**plain, **changes})


def pictures(count: int, height: int = 16, width: int = 24) -> np.ndarray:
    """(T, H, W, 3), each darker than the one before."""
    light = np.linspace(220, 20, count).astype(np.uint8)
    return np.broadcast_to(light[:, None, None, None], (count, height, width, 3)).copy()


def film(
    path: Path, frames: np.ndarray, rate: Fraction = Fraction(25), moments: list[int] | None = None
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(path, rate)
    for number, frame in enumerate(frames):
        unit = Fraction(1, 50)
        writer.add(frame, None if moments is None else Frame(frame, moments[number], unit))
    writer.close()
    return path


def seen(path: Path) -> np.ndarray:
    return np.stack([frame.pixels for frame in look_at(path)]).astype(int)


def moments(path: Path) -> list[Fraction | None]:
    return [None if it.moment is None else it.moment * it.unit for it in look_at(path)]


def nothing(count: int) -> None: ...


def do(run: Path, source: Path, out: Path | None, *overrides: str) -> None:
    target = [] if out is None else [f"out={out}"]
    main(composed(f"run={run}", f"input={source}", *target, "device=cpu", *overrides, name="translate"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recyclegan")
    assert trained(folder, "model=recyclegan", "images=8") == 0
    return folder


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(12)])
def test_frame_rate_number_size_and_order_of_frames_are_kept(rate: Fraction, tmp_path: Path):
    source = film(tmp_path / "in.mp4", pictures(9), rate)
    assert not translate_video(translator(Changed()), source, tmp_path / "out.mp4", None, nothing)
    one, other = look_at(source), look_at(tmp_path / "out.mp4")
    assert (one.size, one.rate, one.count) == (other.size, other.rate, other.count) == ((16, 24), rate, 9)
    assert moments(source) == moments(tmp_path / "out.mp4")
    assert np.abs(seen(source) + seen(tmp_path / "out.mp4") - 255).max() <= 4  # of the coding


def test_uneven_moments_are_kept(tmp_path: Path):
    uneven = [0, 1, 2, 5, 6, 20]
    source = film(tmp_path / "in.mp4", pictures(6), Fraction(50), uneven)
    translate_video(translator(Changed()), source, tmp_path / "out.mp4", None, nothing)
    assert moments(tmp_path / "out.mp4") == [Fraction(it, 50) for it in uneven]


def test_a_film_that_begins_late_is_shown_at_once(tmp_path: Path):
    """As a piece of a broadcast, whose clock has been running."""
    late = [180_000, 180_001, 180_004]
    writer = Writer(tmp_path / "late.mp4", Fraction(50))
    for moment, picture in zip(late, pictures(3), strict=True):
        writer.add(picture, Frame(picture, moment, Fraction(1, 50)))
    writer.close()
    assert moments(tmp_path / "late.mp4") == [Fraction(it - late[0], 50) for it in late]


def test_odd_sides_are_kept_and_a_network_that_enlarges_does(tmp_path: Path):
    source = film(tmp_path / "in.mp4", pictures(3, 17, 23))
    translate_video(translator(Changed()), source, tmp_path / "same.mp4", None, nothing)
    translate_video(translator(Changed(scale=2)), source, tmp_path / "large.mp4", None, nothing)
    assert look_at(tmp_path / "same.mp4").size == (17, 23)
    assert look_at(tmp_path / "large.mp4").size == (34, 46)


def test_noise_is_the_same_in_every_frame_and_another_for_another_seed(tmp_path: Path):
    source = film(tmp_path / "in.mp4", pictures(4))
    made = []
    for seed in (0, 1):
        translate_video(translator(Noisy(), seed=seed), source, tmp_path / "out.mp4", None, nothing)
        made.append(seen(tmp_path / "out.mp4"))
        assert np.abs(np.diff(made[-1], axis=0)).max() <= 8  # of the coding
    assert np.abs(made[0] - made[1]).mean() > 20


def test_never_more_than_a_frame_is_in_memory_and_each_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A frame is decoded when the one before it has been written."""
    steps: list[str] = []

    def decoded(file: Any, plain: Any = videos.decoded) -> Iterator[Frame]:
        for frame in plain(file):
            steps.append("read")
            yield frame

    source = film(tmp_path / "in.mp4", pictures(5))
    monkeypatch.setattr(videos, "decoded", decoded)
    translate_video(
        translator(Changed()), source, tmp_path / "out.mp4", None, lambda count: steps.append("written")
    )
    assert steps == ["read", *["read", "written"] * 5]  # the first, once more, for its size


def test_strips_show_both_side_by_side(tmp_path: Path):
    source = film(tmp_path / "in.mp4", pictures(3))
    translate_video(translator(Changed()), source, tmp_path / "out.mp4", tmp_path / "s" / "both.mp4", nothing)
    assert look_at(tmp_path / "s" / "both.mp4").size == (16 + 4, 2 * 24 + 6)
    both = seen(tmp_path / "s" / "both.mp4")[0]
    assert both[6:14, 6:20].mean() > 200
    assert both[6:14, 34:46].mean() < 60


def test_of_a_video_that_breaks_off_what_there_is_is_translated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def torn(file: Any, plain: Any = videos.decoded) -> Iterator[Frame]:
        for number, frame in enumerate(plain(file)):
            if number == 3:
                raise Corrupt("torn")
            yield frame

    source = film(tmp_path / "in" / "a.mp4", pictures(5))
    monkeypatch.setattr(videos, "decoded", torn)
    with pytest.raises(Corrupt, match="only its first 3 frames: torn"):
        translate_video(translator(Changed()), source, tmp_path / "out" / "a.mp4", None, nothing)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]
    monkeypatch.undo()
    assert look_at(tmp_path / "out" / "a.mp4").count == 3


def test_an_interruption_leaves_no_half_of_a_video(tmp_path: Path):
    def stop(count: int) -> None:
        raise KeyboardInterrupt

    source = film(tmp_path / "in" / "a.mp4", pictures(5))
    with pytest.raises(KeyboardInterrupt):
        translate_video(translator(Changed()), source, tmp_path / "out" / "a.mp4", None, stop)
    assert not list((tmp_path / "out").iterdir())


def test_videos_of_quite_another_size_than_in_training_are_remarked(tmp_path: Path):
    for side, far in ((16, False), (32, False), (34, True)):
        source = film(tmp_path / "in.mp4", pictures(2, side, 64))
        assert translate_video(translator(Changed()), source, tmp_path / "out.mp4", None, nothing) is far


# By the command.


@pytest.mark.parametrize("model", ["recyclegan", "cyclegan", "pix2pix"])
def test_every_kind_of_translator_translates_a_video_in_each_of_its_directions(model: str, tmp_path: Path):
    assert trained(tmp_path / "run", f"model={model}", "images=8") == 0
    source = film(tmp_path / "clip.mp4", pictures(3))
    results = []
    for way in [None] if model == "pix2pix" else ["ab", "ba"]:
        out = tmp_path / f"{way}.mp4"
        do(tmp_path / "run", source, out, *([] if way is None else [f"direction={way}"]))
        assert look_at(out).size == (16, 24)
        results.append(seen(out))
    assert len(results) == 1 or np.abs(results[0] - results[1]).max() > 8


def test_a_folder_of_videos_and_images_becomes_one_of_videos_and_images(run: Path, tmp_path: Path):
    film(tmp_path / "in" / "sub" / "b.mp4", pictures(2))
    film(tmp_path / "in" / "a.mov", pictures(2))
    Image.new("RGB", (16, 16)).save(tmp_path / "in" / "a.jpg")
    Image.new("RGB", (16, 16)).save(tmp_path / "in" / ".hidden.mp4", "PNG")
    do(run, tmp_path / "in", tmp_path / "out", "strips=true")
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    names = ["a.jpg.png", "a.mov.mp4", "sub/b.mp4"]
    assert made == sorted([*names, *(f"strips/{name}" for name in names)])


def test_by_default_a_video_goes_to_the_run_folder(run: Path, tmp_path: Path, gantool: Gantool):  # noqa: F811
    film(tmp_path / "clip.mp4", pictures(2))
    answer = gantool("translate", f"run={run}", f"input={tmp_path / 'clip.mp4'}", "device=cpu")
    assert answer.code == 0, answer.err
    assert "1 video by" in answer.out
    [file] = run.glob("translated-*-clip/clip.mp4")
    assert look_at(file).count == 2


def test_files_that_are_no_videos_are_named_and_the_others_translated(
    run: Path,
    tmp_path: Path,
    gantool: Gantool,  # noqa: F811
):
    film(tmp_path / "in" / "a.mp4", pictures(2))
    (tmp_path / "in" / "b.mp4").write_bytes(b"no video")
    answer = gantool(
        "translate", f"run={run}", f"input={tmp_path / 'in'}", f"out={tmp_path / 'out'}", "device=cpu"
    )
    assert answer.code == 1
    assert "1 video by" in answer.out
    assert "1 of 2 files" in answer.err
    assert "b.mp4: " in answer.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]


def test_a_result_is_not_replaced_unasked_and_never_its_source(run: Path, tmp_path: Path):
    source = film(tmp_path / "a.mp4", pictures(2))
    do(run, source, tmp_path / "b.mp4")
    with pytest.raises(ValueError, match="overwrite=true"):
        do(run, source, tmp_path / "b.mp4")
    do(run, source, tmp_path / "b.mp4", "overwrite=true")
    with pytest.raises(ValueError, match="would replace its source"):
        do(run, source, tmp_path / "a.mp4", "overwrite=true")


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        ("b.avi", r"videos are written as \.mp4"),
        ("b.png", "give a folder"),
        ("in/b.mp4", "needs one video as input"),
    ],
)
def test_a_name_that_does_not_fit_is_refused_before_anything_is_written(
    run: Path, tmp_path: Path, out: str, sentence: str
):
    film(tmp_path / "in" / "a.mp4", pictures(2))
    source = tmp_path / "in" if out.startswith("in") else tmp_path / "in" / "a.mp4"
    with pytest.raises(ValueError, match=sentence):
        do(run, source, tmp_path / out)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["a.mp4"]


def test_without_the_package_it_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    film(tmp_path / "in" / "a.mp4", pictures(2))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for source in (tmp_path / "in", tmp_path / "in" / "a.mp4"):
        with pytest.raises(ValueError, match=r"input=.*need the package av: pip install 'gantool\[video\]'"):
            do(run, source, tmp_path / "out")
