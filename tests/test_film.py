"""The pictures of training, and the time-lapse of them in TensorBoard."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from small import batch_of, composed, small, trained
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gantool.build import build
from gantool.callbacks.film import WIDTH, Film
from gantool.callbacks.samples import sample


def films(run: Path) -> dict[str, Image.Image]:
    events = EventAccumulator(str(run), size_guidance={"images": 0})
    events.Reload()
    names = [name for name in events.Tags()["images"] if name.startswith("timelapse/")]
    return {name: Image.open(io.BytesIO(events.Images(name)[-1].encoded_image_string)) for name in names}


def test_tensorboard_has_as_many_frames_as_training_left_pictures(tmp_path: Path):
    assert trained(tmp_path, "logger=tensorboard", "images=24", "sample_every=8") == 0
    pictures = sorted((tmp_path / "samples").glob("0*.png"))
    found = films(tmp_path)
    assert list(found) == ["timelapse/fake"]
    assert len(pictures) == 3
    assert found["timelapse/fake"].n_frames == 3  # pyright: ignore


def test_a_translator_has_one_film_for_each_way(tmp_path: Path):
    overrides = ["model=cyclegan", "data=synthetic_piles", "logger=tensorboard", "images=4", "sample_every=2"]
    assert trained(tmp_path, *overrides, "batch_size=1", "generator_batch_size=1", "samples=2") == 0
    assert sorted(films(tmp_path)) == ["timelapse/ab", "timelapse/ba"]


def test_the_same_weights_make_the_same_pictures_and_chance_goes_on_undisturbed():
    """Also where layers draw noise: dropout of pix2pix."""
    cfg = composed(*small("model=pix2pix"))
    gan, preview = build(cfg), batch_of(cfg, 20)
    pictures: list[list[torch.Tensor]] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        pictures += sample(gan, preview, 0).values()
        expected = torch.Generator().manual_seed(seed)
        assert torch.equal(torch.rand(3), torch.rand(3, generator=expected))
    for one, other in zip(*pictures, strict=True):
        assert torch.equal(one, other)
    [others] = sample(gan, preview, 1).values()
    assert not all(torch.equal(one, other) for one, other in zip(others, pictures[0], strict=True))


def test_one_picture_is_no_film(tmp_path: Path):
    assert trained(tmp_path, "logger=tensorboard", "images=8", "sample_every=0") == 0
    assert films(tmp_path) == {}


def test_large_pictures_become_small_ones(tmp_path: Path):
    """A browser loads an animation whole."""
    shown: list[tuple[int, int]] = []

    class Logger:
        look = ""

        def log_choices(self, choices: object) -> None: ...

        def log_picture(self, name: str, picture: np.ndarray, images: int) -> None: ...

        def log_film(self, name: str, gif: Path, images: int) -> None:
            with Image.open(gif) as film:
                shown.append(film.size)

    folder = tmp_path / "samples"
    folder.mkdir()
    for images in (1, 2):
        Image.new("RGB", (2 * WIDTH, WIDTH)).save(folder / f"{images:09d}.png")
    Film(tmp_path, Logger()).on_train_end(None, build(composed(*small())))  # pyright: ignore
    assert [width for width, _ in shown] == [WIDTH]
