"""gantool sample: from the checkpoint alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from small import composed, trained
from torch import nn

from gantool.checkpoint import load
from gantool.finished import generate, truncate
from gantool.images import picture_of, save, to_uint8
from gantool.priors import Gaussian
from gantool.sample import main
from gantool.standing import standing_statistics
from gantool.tasks.generation import Generation


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    trained(folder, "images=64")
    return folder


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditional")
    trained(folder, "model=cgan", "images=64")
    return folder


def request(*overrides: str) -> DictConfig:
    return composed(*overrides, "device=cpu", name="sample")


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_it_writes_a_grid_and_the_same_images_one_by_one(run: Path, tmp_path: Path):
    main(request(f"run={run}", "count=6", f"out={tmp_path}"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [*(f"{i:06d}.png" for i in range(6)), "grid.png"]
    singles = np.stack([pixels(tmp_path / f"{i:06d}.png") for i in range(6)])
    assert np.array_equal(pixels(tmp_path / "grid.png"), picture_of(singles))


def test_images_are_numbered_across_batches(run: Path, tmp_path: Path):
    main(request(f"run={run}", "count=7", "batch_size=3", f"out={tmp_path / 'three'}"))
    main(request(f"run={run}", "count=7", "batch_size=7", f"out={tmp_path / 'seven'}"))
    assert len(list((tmp_path / "three").iterdir())) == 8
    three, seven = (pixels(tmp_path / name / "grid.png").astype(int) for name in ("three", "seven"))
    assert abs(three - seven).max() <= 1  # rounding may differ by batch


def test_by_default_images_go_to_the_run_folder_named_by_moment_and_seed(run: Path):
    main(request(f"run={run}", "count=2", "seed=7", "singles=false"))
    assert [path.name for path in (run / "samples-000000064-seed7").iterdir()] == ["grid.png"]


def test_the_seed_decides_and_the_batch_size_does_not(run: Path):
    gan, _ = load(run / "checkpoints" / "last.ckpt")
    labels = torch.zeros(10, dtype=torch.long)

    def made(seed: int, batch_size: int) -> torch.Tensor:
        return torch.cat(list(generate(gan, labels, seed, batch_size, "auto")))

    torch.testing.assert_close(made(1, 10), made(1, 3))
    assert not torch.allclose(made(1, 10), made(2, 10))


def test_sampling_is_what_the_generator_makes_of_these_latents(run: Path):
    gan, _ = load(run / "checkpoints" / "last.ckpt")
    first = next(generate(gan, torch.zeros(4, dtype=torch.long), 0, 4, "auto"))
    assert first.shape == (4, 3, 16, 16)
    assert first.abs().max() <= 1
    assert not gan.generator.training


def test_a_conditional_model_makes_each_class_in_turn_or_those_that_are_asked_for(
    conditional: Path, tmp_path: Path
):
    for i, label in enumerate(["label=3", "label='3'", "label=[3,3]"]):
        main(request(f"run={conditional}", "count=5", label, f"out={tmp_path / str(i)}"))
    three = pixels(tmp_path / "0" / "grid.png")
    assert np.array_equal(three, pixels(tmp_path / "1" / "grid.png"))
    assert np.array_equal(three, pixels(tmp_path / "2" / "grid.png"))
    main(request(f"run={conditional}", "count=5", f"out={tmp_path / 'all'}"))
    assert not np.array_equal(three, pixels(tmp_path / "all" / "grid.png"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["label=11"], "label=11: the classes are 0 to 9"),
        (["label=cat"], "label=cat: the classes are 0 to 9"),
        (["count=0"], "count=0: give the number of images"),
        (["batch_size=0"], "batch_size=0: give the images of one pass"),
        (["count=many"], "count=many: give the number of images"),
        (["grid=false", "singles=false"], "leaves nothing to write"),
        (["device=nowhere"], "device=nowhere: not available here"),
    ],
)
def test_a_wrong_request_is_refused_with_the_cure(overrides: list[str], message: str, conditional: Path):
    cfg = composed("device=cpu", f"run={conditional}", *overrides, name="sample")
    with pytest.raises(ValueError, match=message):
        main(cfg)


def test_a_label_for_an_unconditional_model_is_refused(run: Path):
    with pytest.raises(ValueError, match="label=3: this model is not conditional"):
        main(request(f"run={run}", "label=3"))


def test_standing_statistics_are_the_mean_and_variance_of_what_the_layer_sees():
    """A generator that only normalises: its statistics must be those of the prior."""

    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.norm(z)

    torch.manual_seed(0)
    task = Generation(Norm, nn.Identity, Gaussian(3))
    G = Norm()
    G.norm.running_mean += 5
    standing_statistics(G.eval(), task, {"label": torch.zeros(500)}, batches=40)
    torch.testing.assert_close(G.norm.running_mean, torch.zeros(3), atol=0.03, rtol=0)
    torch.testing.assert_close(G.norm.running_var, torch.ones(3), atol=0.03, rtol=0)
    assert G.norm.momentum == 0.1
    assert not G.training


def test_images_go_from_minus_one_to_one_onto_0_to_255():
    images = torch.tensor([-2.0, -1.0, 0.0, 1.0, 3.0]).reshape(1, 1, 1, 5)
    assert to_uint8(images).flatten().tolist() == [0, 0, 128, 255, 255]


def test_files_to_numbers_and_back_lose_nothing():
    from gantool.data.module import to_range

    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert np.array_equal(to_uint8(to_range(every, torch.float32))[0, :, :, 0], every[0, 0].numpy())


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_pictures_keep_their_channels(channels: int, mode: str, tmp_path: Path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    save(picture, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as image:
        assert image.mode == mode
        assert np.array_equal(np.array(image).reshape(5, 7, channels), picture)


def test_a_picture_has_its_images_row_by_row():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1).repeat(4, 1).repeat(6, 2) + 1
    picture = picture_of(images, columns=3, gap=1)
    assert picture.shape == (2 * 5 + 1, 3 * 7 + 1, 1)
    assert picture[1:5, 1:7].min() == picture[1:5, 1:7].max() == 1
    assert picture[6:10, 8:14].min() == picture[6:10, 8:14].max() == 5
    assert picture[6:10, 15:21].max() == 0  # the last row is filled up with black


def test_by_default_a_grid_is_as_square_as_may_be():
    assert picture_of(np.zeros((64, 8, 8, 1), np.uint8), gap=0).shape[:2] == (64, 64)
    assert picture_of(np.zeros((64, 32, 8, 1), np.uint8), gap=0).shape[:2] == (128, 128)


def test_truncation_brings_every_latent_within_the_threshold_and_says_so_in_the_folder(run: Path):
    gan, _ = load(run / "checkpoints" / "last.ckpt")
    truncate(gan, 0.5)
    latent = gan.task.draw({"label": torch.zeros(500)})["latent"]
    assert latent.abs().max() <= 0.5
    main(request(f"run={run}", "count=4", "seed=3", "truncation=0.5"))
    assert (run / "samples-000000064-seed3-truncation0.5" / "grid.png").exists()


@pytest.mark.parametrize(
    ("value", "message"), [("-1", "above 0"), ("word", "above 0"), ("0.5", "Gaussian latents")]
)
def test_truncation_that_cannot_be_is_refused(value: str, message: str, conditional: Path):
    with pytest.raises(ValueError, match=message):
        main(request(f"run={conditional}", f"truncation={value}"))
