"""gantool neighbours: the nearest training images are found, shown and told, and what has none is refused."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from omegaconf import DictConfig
from PIL import Image
from small import composed, trained
from torch import Tensor

from gantool import neighbours
from gantool.checkpoint import load
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.synthetic import synthetic
from gantool.finished import set_of
from gantool.metrics.manifold import share
from gantool.metrics.pixels import Pixels
from gantool.neighbours import LINE, TrainingSet, main, read, suspicious, usual

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert trained(folder, "model=cgan", "images=16") == 0
    return folder


def request(*overrides: str) -> DictConfig:
    return composed(*overrides, "device=cpu", name="neighbours")


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "neighbours.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def searched(images: ImageSet, mirror: bool = False) -> TrainingSet:
    return TrainingSet(images, Pixels(), read(images, Pixels(), CPU), mirror)


def noise(count: int, seed: int = 0) -> Tensor:
    """Images that are all far from each other."""
    chance = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, 8, 8), generator=chance, dtype=torch.uint8)


def by_hand(one: Tensor, other: Tensor) -> Tensor:
    """Root mean square difference of each of (N, C, H, W) from each of (M, C, H, W): (N, M)."""
    difference = one[:, None].double() - other[None].double()
    return difference.square().mean((2, 3, 4)).sqrt()


# The search.


@pytest.mark.parametrize("mirror", [False, True])
def test_neighbours_are_those_of_a_whole_table_of_distances(mirror: bool):
    real, fake = noise(30), noise(7, 1)
    training = searched(InMemory(real.numpy()), mirror)
    distances = by_hand(fake, real)
    if mirror:
        distances = torch.minimum(distances, by_hand(fake, real.flip(3)))
    expected, places = distances.sort(dim=1)
    found = training.nearest(fake, 4)
    torch.testing.assert_close(found.distances, expected[:, :4], rtol=1e-5, atol=1e-5)
    assert torch.equal(found.places, places[:, :4])

    among = by_hand(real, real).fill_diagonal_(torch.inf)
    if mirror:
        among = torch.minimum(among, by_hand(real, real.flip(3)).fill_diagonal_(torch.inf))
    nearest, second = among.topk(2, 1, largest=False)[0].unbind(1)
    everyone = torch.arange(30)
    torch.testing.assert_close(training.own(everyone), nearest, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(training.own(everyone, among.argmin(1)), second, rtol=1e-5, atol=1e-5)


def test_a_mirrored_copy_is_found_where_training_mirrors_and_told_as_such():
    real = noise(20)
    copies = real[[3, 11]].clone()
    copies[1] = copies[1].flip(2)
    found = searched(InMemory(real.numpy()), mirror=True).nearest(copies, 2)
    assert found.places[:, 0].tolist() == [3, 11]
    assert found.mirrored[:, 0].tolist() == [False, True]
    assert found.distances[:, 0].tolist() == [0, 0]
    assert found.distances[:, 1].min() > 50
    assert searched(InMemory(real.numpy())).nearest(copies, 2).distances[1, 0] > 50


def test_an_image_that_is_its_own_mirror_image_is_shown_once():
    real = noise(10)
    real = torch.maximum(real, real.flip(3))
    found = searched(InMemory(real.numpy()), mirror=True).nearest(real, 3)
    assert not found.mirrored.any()
    assert all(len(set(row)) == 3 for row in found.places.tolist())


def test_copies_come_first_then_what_is_nearest_for_its_place():
    """1 is a copy of an image with a twin; 3 is nearer than 0 to an image whose neighbours are as far."""
    distance, own = torch.tensor([5.0, 0, 9, 4]), torch.tensor([10.0, 0, 3, 10])
    assert suspicious(distance, own) == [1, 3, 0, 2]


@pytest.mark.parametrize("mirror", [False, True])
def test_real_images_among_themselves_score_what_fresh_ones_do(mirror: bool):
    """It is less than one half where many dimensions make some images the neighbours of many."""
    training = searched(InMemory(noise(400).numpy()), mirror)
    found = training.nearest(noise(400, 1), 1)
    fresh = share(found.distances[:, 0] <= training.own(found.places[:, 0]))
    assert usual(training, 400, 0) == pytest.approx(fresh, abs=0.07)
    assert 0.1 < fresh < 0.5


def test_the_training_set_is_read_block_by_block(monkeypatch: pytest.MonkeyPatch):
    images = synthetic(count=50, resolution=8)
    whole = read(images, Pixels(), CPU)
    sizes: list[int] = []
    index = InMemory.__getitem__

    def counted(self: InMemory, indices: Any) -> Any:
        sizes.append(len(indices))
        return index(self, indices)

    monkeypatch.setattr(InMemory, "__getitem__", counted)
    monkeypatch.setattr(neighbours, "TOGETHER", 16)
    assert torch.equal(read(images, Pixels(), CPU), whole)
    assert sizes == [16, 16, 16, 2]


# The verb.


def test_the_table_says_which_images_are_how_near_the_most_suspicious_first(run: Path, tmp_path: Path):
    main(request(f"run={run}", "count=9", "neighbours=3", "rows=4", f"out={tmp_path}"))
    found = table(tmp_path)
    assert list(found[0]) == ["fake", "neighbour", "image", "mirrored", "distance", "own"]
    assert [row["neighbour"] for row in found] == ["1", "2", "3"] * 9
    assert sorted(int(row["fake"]) for row in found[::3]) == list(range(9))
    ratios = [float(row["distance"]) / float(row["own"]) for row in found[::3]]
    assert ratios == sorted(ratios)
    assert {row["mirrored"] for row in found} == {"0"}


def test_the_picture_is_a_row_of_each_of_the_first_fakes_and_of_the_images_that_the_table_names(
    run: Path,
    tmp_path: Path,
    gantool: Gantool,  # noqa: F811
):
    out = [f"out={tmp_path}", f"run={run}", "device=cpu", "count=9"]
    answer = gantool("neighbours", *out, "neighbours=3", "rows=4")
    assert answer.code == 0, answer.err
    assert "How to read it: left of the line a fake" in answer.out
    assert "of the fakes are nearer to a training image than" in answer.out
    assert gantool("sample", *out).code == 0
    picture, found = pixels(tmp_path / "neighbours.png"), table(tmp_path)
    side = 16 + 2
    assert picture.shape == (4 * side + 2, side + 2 + LINE + 3 * side + 2, 3)
    assert (picture[:, side + 2 : side + 2 + LINE] == 255).all()
    images = set_of(load(run / "checkpoints" / "last.ckpt")[1], trust=False)
    for row in range(4):
        top = row * side + 2
        fake = pixels(tmp_path / f"{int(found[3 * row]['fake']):06d}.png")
        assert abs(picture[top : top + 16, 2:18].astype(int) - fake).max() <= 1  # rounding differs by batch
        for k in range(3):
            left = side + 2 + LINE + k * side + 2
            real = images[[int(found[3 * row + k]["image"])]]["image"][0].permute(1, 2, 0)
            assert np.array_equal(picture[top : top + 16, left : left + 16], real.numpy())


def test_features_of_a_classifier_and_where_the_files_go_by_default(run: Path, tmp_path: Path):
    main(request(f"run={run}", "by=classifier", "count=4", "learn=256", f"cache={tmp_path}", "seed=3"))
    folder = run / "neighbours-000000016-classifier-seed3"
    assert {path.name for path in folder.iterdir()} == {"neighbours.csv", "neighbours.png"}
    assert len(table(folder)) == 4 * 5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["by=eyes"], "by=eyes: choose one of pixels, classifier, inception, dinov2"),
        (["neighbours=0"], "neighbours=0: give a whole number of 1 or more"),
        (["neighbours=255"], "neighbours=255: of 256 training images, give 1 to 254"),
        (["rows=0"], "rows=0: give a whole number"),
        (["count=none"], "count=none: give a whole number"),
        (["label=11"], "label=11: the classes are 0 to 9"),
        (["by=inception", "weights=nowhere.pth"], r"nowhere.pth is no file of weights; give weights=PATH"),
    ],
)
def test_a_wrong_request_is_refused_with_the_cure(run: Path, overrides: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        main(request(f"run={run}", *overrides))


def test_data_without_labels_have_no_classifier():
    with pytest.raises(ValueError, match="by=classifier learns from labels, .* use by=pixels"):
        neighbours.check(Pixels(), "classifier", DictConfig({"classes": 0}))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=mlp", "data=ring"], "makes points, not images"),
        (["model=pix2pix"], "makes images of images"),
    ],
)
def test_what_makes_no_images_of_latents_is_refused(overrides: list[str], message: str, tmp_path: Path):
    assert trained(tmp_path, *overrides, "images=8") == 0
    with pytest.raises(ValueError, match=message):
        main(request(f"run={tmp_path}"))
