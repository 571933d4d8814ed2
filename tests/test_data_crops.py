"""Random crops: of images, of pairs, of piles."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from image_files import (
    RANDOM,
    _clean_slate,  # noqa: F401  # fixtures
    numbered,
    shown,
)

from gantool.data.crops import SPOTS, Cropped, corner
from gantool.data.image_set import ImageSet, InMemory, Mirrored
from gantool.data.module import Batches, ImageData
from gantool.data.order import Order
from gantool.data.pairs import Pairs
from gantool.data.piles import Piles
from gantool.data.synthetic import synthetic_pairs, synthetic_piles, synthetic_superres
from gantool.shares import Share


def test_every_corner_is_equally_likely():
    images = Cropped(numbered(50, size=1), (1, 1))
    ways = [index // 50 for index in images.walk(3)(0, 6000)]
    corners = Counter(corner(way, (2, 3)) for way in ways)
    assert set(corners) == {(top, left) for top in range(3) for left in range(4)}
    assert all(abs(count - 500) < 5 * 500**0.5 for count in corners.values())
    assert corner(SPOTS**2, (2, 3)) == (2, 3)
    assert corner(1, (2, 3)) == (0, 0)


def test_without_chance_the_middle_is_shown():
    image = np.arange(7 * 9, dtype=np.uint8).reshape(1, 1, 7, 9)
    crop = Cropped(InMemory(image), (3, 5))[[0]]["image"]
    assert (crop.numpy() == image[:, :, 2:5, 2:7]).all()


def test_the_two_images_of_a_pair_are_cropped_alike():
    images = InMemory(RANDOM.integers(0, 256, (6, 3, 9, 9), np.uint8))
    batch = shown(Cropped(Pairs(images, images), (5, 4)).mirrored(), 0, 48)
    assert batch["source"].shape == (48, 3, 5, 4)
    assert torch.equal(batch["source"], batch["target"])
    assert len(batch["source"].unique(dim=0)) > 40


def test_a_crop_is_a_window_of_its_image():
    images = RANDOM.integers(0, 256, (3, 2, 6, 7), np.uint8)
    windows = {
        image[:, top : top + 4, left : left + 4].tobytes()
        for image in images
        for top in range(3)
        for left in range(4)
    }
    crops = shown(Cropped(InMemory(images), (4, 4)), 0, 300)["image"]
    assert {crop.numpy().tobytes() for crop in crops} == windows


def jittered_piles() -> ImageSet:
    return Piles(Cropped(numbered(6, size=5), (3, 3)), Cropped(numbered(9, size=5), (3, 3)))


KINDS: dict[str, Callable[[], ImageSet]] = {
    "pairs": lambda: synthetic_pairs(count=20),
    "piles": lambda: synthetic_piles(count=20),
    "superres": lambda: synthetic_superres(count=20),
    "jittered pairs": lambda: Cropped(synthetic_pairs(count=20), (12, 12)),
    "jittered piles": jittered_piles,
}


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_any_stretch_of_the_walk_can_be_had_without_what_came_before(kind: str, mirror: bool):
    images = KINDS[kind]().mirrored() if mirror else KINDS[kind]()
    whole = images.walk(1)(0, 100)
    for start, length in [(0, 1), (37, 25), (9, 2), (90, 10)]:
        assert images.walk(1)(start, length) == whole[start : start + length]
    assert images.walk(2)(0, 100) != whole


@pytest.mark.parametrize("kind", KINDS)
def test_processes_see_together_what_one_would_see(kind: str):
    images = KINDS[kind]().mirrored()
    walk = images.walk(5)
    alone = next(iter(Batches(walk, 8, lambda: 16)))
    parts = [next(iter(Batches(walk, 8, lambda: 16, Share(rank, 2)))) for rank in (0, 1)]
    assert [index for both in zip(*parts, strict=True) for index in both] == alone


@pytest.mark.parametrize("kind", KINDS)
def test_a_set_says_what_is_in_its_batches(kind: str):
    images = KINDS[kind]().mirrored()
    batch = images[[0, 1]]
    assert tuple(batch) == images.entries == (("a", "b") if "piles" in kind else ("source", "target"))
    shapes = {(2, *(shape or ())) for shape in (images.source_shape, images.shape)}
    assert {tuple(value.shape) for value in batch.values()} == shapes


def test_a_set_that_is_shown_in_one_way_is_walked_through_as_ever():
    images = numbered(10)
    assert images.walk(4)(0, 35) == Order(10, 4)(0, 35)
    assert images.mirrored().walk(4)(0, 35) == Order(20, 4)(0, 35)


def test_crops_are_mirrored_as_images_are():
    images = Cropped(InMemory(RANDOM.integers(0, 256, (4, 1, 6, 6), np.uint8)), (3, 3))
    index = 4 * 123_456_789 + 2
    way, place = divmod(index, 4)
    mirrored = Mirrored(images)
    assert torch.equal(mirrored[[way * 8 + place]]["image"], images[[index]]["image"])
    assert torch.equal(mirrored[[way * 8 + 4 + place]]["image"], images[[index]]["image"].flip(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_preview_leaves_nothing_to_chance(kind: str):
    data = [ImageData(KINDS[kind](), batch_size=8, seed=3, mirror=True) for _ in range(2)]
    first, second = (it.preview(12) for it in data)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(value.shape[0] == 12 for value in first.values())
