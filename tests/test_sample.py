"""gantool sample: from the checkpoint alone."""

import os
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from small import composed, trained
from torch import nn

from gantool import sample
from gantool.checkpoint import load
from gantool.data.folder import folder
from gantool.data.shards import shards
from gantool.finished import generate, truncate
from gantool.images import picture_of, save, to_uint8
from gantool.outlets import Labels, Set, Shards, outlet
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


# In bulk


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def read(path: Path) -> Any:
    """The images as training would get them."""
    return shards(str(path)) if path.suffix == ".tar" else folder(str(path))


def per_class(images: Any) -> dict[str, int]:
    counts = Counter(images.labels.tolist())
    return {name: counts[number] for number, name in enumerate(images.names)}


@pytest.mark.parametrize("out", ["fakes.zip", "fakes", "fakes.tar", "fakes-%05d.tar"])
def test_a_data_set_of_fakes_has_the_classes_and_images_that_were_sampled(
    out: str, conditional: Path, tmp_path: Path
):
    words = [f"run={conditional}", "count=30", "label=balanced", "batch_size=8"]
    main(request(*words, f"out={tmp_path / out}", "dataset=true", "shard=12"))
    main(request(*words, f"out={tmp_path / 'loose'}"))
    images = read(tmp_path / out.replace("%05d", "*"))
    _, config = load(conditional / "checkpoints" / "last.ckpt")
    assert per_class(images) == dict.fromkeys(config.data.names, 3)

    loose = np.stack([pixels(tmp_path / "loose" / f"{i:06d}.png") for i in range(30)])  # (N, H, W, C)
    found = images[range(30)]["image"].numpy().transpose(0, 2, 3, 1)
    assert sorted(image.tobytes() for image in found) == sorted(image.tobytes() for image in loose)
    assert np.array_equal(pixels(tmp_path / "fakes-grid.png"), picture_of(loose))


def test_each_tar_of_a_pattern_holds_so_many_images(run: Path, tmp_path: Path):
    main(request(f"run={run}", "count=7", "shard=3", f"out={tmp_path / 'a-%03d.tar'}"))
    numbers = []
    for number in range(3):
        with tarfile.open(tmp_path / f"a-{number:03d}.tar") as tar:
            numbers.append(tar.getnames())
    assert numbers == [[f"{i:06d}.png" for i in some] for some in (range(3), range(3, 6), range(6, 7))]
    assert shards(str(tmp_path)).labels is None


def test_fakes_without_classes_have_no_labels(run: Path, tmp_path: Path):
    main(request(f"run={run}", "count=3", f"out={tmp_path / 'a.zip'}"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["000000.png", "000001.png", "000002.png"]
    assert folder(str(tmp_path / "a.zip")).labels is None


@pytest.mark.parametrize("out", ["a.zip", "a", "a.tar"])
@pytest.mark.parametrize(
    "names", [["../up", ".hidden"], ["T-shirt/top", "1"], ["only", "none"], ["é", "a: b"]]
)
def test_every_name_of_a_class_survives(out: str, names: list[str], tmp_path: Path):
    numbers = torch.zeros(4, dtype=torch.long) if "only" in names else torch.tensor([0, 1, 0, 1])
    place = outlet(tmp_path / "in" / out, True, Labels(numbers, names), 4, 10)
    with place.writing() as add:
        for i in range(4):
            add(i, sample.png(np.full((8, 8, 3), 60 * i, np.uint8)))
    images = read(tmp_path / "in" / out)
    values = images[range(4)]["image"][:, 0, 0, 0] // 60
    found = {int(value): images.names[int(label)] for value, label in zip(values, images.labels, strict=True)}
    assert found == {i: names[int(numbers[i])] for i in range(4)}
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_the_same_images_are_the_same_archive(conditional: Path, tmp_path: Path):
    for out in ("a.zip", "b.zip", "a.tar", "b.tar"):
        main(request(f"run={conditional}", "count=5", f"out={tmp_path / out}"))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


@pytest.mark.parametrize(("out", "found"), [("a.zip", "a.zip"), ("a-%d.tar", "a-7.tar"), ("a", "a/b.png")])
def test_a_data_set_that_exists_is_not_touched(out: str, found: str, run: Path, tmp_path: Path):
    (tmp_path / found).parent.mkdir(exist_ok=True)
    (tmp_path / found).write_text("mine")
    with pytest.raises(ValueError, match="exists already; remove it, or choose another name"):
        main(request(f"run={run}", "count=2", f"out={tmp_path / out}", "dataset=true"))
    assert (tmp_path / found).read_text() == "mine"


@pytest.mark.parametrize("out", ["a.zip", "a-%d.tar", "a"])
def test_an_interrupted_data_set_leaves_nothing(out: str, tmp_path: Path):
    place = outlet(tmp_path / out, True, Labels(torch.zeros(9, dtype=torch.long), ["x"]), 9, 2)

    def interrupted() -> None:
        with place.writing() as add:
            for i in range(5):
                add(i, sample.png(np.zeros((4, 4, 1), np.uint8)))
            assert len(os.listdir(tmp_path)) == (3 if "%d" in out else 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_a_grid_shows_the_first_images_however_many_are_made(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sample, "MOST", 5)
    main(request(f"run={run}", "count=9", "batch_size=3", f"out={tmp_path / 'both'}"))
    main(request(f"run={run}", "count=9", "batch_size=3", "singles=false", f"out={tmp_path / 'grid'}"))
    singles = np.stack([pixels(tmp_path / "both" / f"{i:06d}.png") for i in range(9)])
    for name in ("both", "grid"):
        assert np.array_equal(pixels(tmp_path / name / "grid.png"), picture_of(singles[:5]))


def test_single_images_of_any_class_do_not_depend_on_the_batch_size(conditional: Path, tmp_path: Path):
    for size in (1, 4, 12):
        main(request(f"run={conditional}", "count=12", f"batch_size={size}", f"out={tmp_path / str(size)}"))
    for i in range(12):
        one, four, twelve = (pixels(tmp_path / str(n) / f"{i:06d}.png").astype(int) for n in (1, 4, 12))
        assert abs(one - four).max() <= 1  # rounding may differ by batch
        assert abs(one - twelve).max() <= 1


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["label=balanced", "count=25"], "10 classes cannot have equally many .*count=20 or count=30"),
        (["label=balanced", "count=4"], "use count=10, or label=null"),
        (["out=a.zip", "singles=false"], "singles=false leaves nothing to write into a.zip"),
        (["out=a.tar.gz"], "shards are plain .tar files"),
        (["out=a-%05d.zip"], "only tars are numbered"),
        (["out=a-%05d-%05d.tar"], "one %05d, in the name of the file"),
        (["shard=0"], "shard=0: give a whole number of 1 or more"),
    ],
)
def test_a_data_set_that_cannot_be_is_refused(overrides: list[str], message: str, conditional: Path):
    with pytest.raises(ValueError, match=message):
        main(request(f"run={conditional}", *overrides))


def test_classes_of_a_model_that_has_none_cannot_be_balanced(run: Path):
    with pytest.raises(ValueError, match="label=balanced: this model is not conditional"):
        main(request(f"run={run}", "label=balanced"))


def test_the_grid_of_a_data_set_lies_beside_it():
    names = {"x.zip": "x-grid.png", "x-%05d.tar": "x-grid.png", "%d.tar": "grid.png", "x.y": "x.y-grid.png"}
    for out, grid in names.items():
        place = outlet(Path("in") / out, True, None, 4, 2)
        assert isinstance(place, Shards if out.endswith(".tar") else Set)
        assert place.grid() == Path("in") / grid
