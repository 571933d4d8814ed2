"""Batches: every image once an epoch, in an order that depends on the seed alone."""

import numpy as np
import pytest
import torch

from gantool.data.image_set import InMemory, Mirrored
from gantool.data.module import Batches, ImageData, Order, by_class, to_range


def numbered(count: int, classes: int = 0) -> InMemory:
    """Images whose left pixel is their number and whose right pixel is 255."""
    images = np.full((count, 1, 1, 2), 255, np.uint8)
    images[:, 0, 0, 0] = np.arange(count)
    labels = np.arange(count) % classes if classes else None
    return InMemory(images, labels, [str(k) for k in range(classes)])


@pytest.mark.parametrize("batch_size", [1, 7, 10, 23])
def test_every_epoch_shows_every_image_once_whatever_the_batch_size(batch_size: int):
    order = Order(10, seed=1)
    walk = [i for k in range(0, 70, batch_size) for i in order(k, batch_size)][:70]
    for epoch in range(7):
        assert sorted(walk[epoch * 10 : epoch * 10 + 10]) == list(range(10))


def test_epochs_have_orders_of_their_own_and_so_have_seeds():
    order = Order(100, seed=1)
    assert order(0, 100) != order(100, 100)
    assert order(0, 100) != Order(100, seed=2)(0, 100)


def test_any_stretch_of_the_walk_can_be_had_without_what_came_before():
    whole = Order(10, seed=1)(0, 100)
    for start, length in [(0, 1), (37, 25), (9, 2), (90, 10)]:
        assert Order(10, seed=1)(start, length) == whole[start : start + length]


def test_batches_begin_where_training_stands():
    order = Order(10, seed=1)
    later = iter(Batches(order, 4, lambda: 20))
    assert next(later) == Order(10, seed=1)(20, 4)
    assert next(later) == Order(10, seed=1)(24, 4)


def test_a_set_indexed_by_a_batch_answers_a_batch():
    batch = numbered(10, classes=5)[[3, 3, 9]]
    assert batch["image"][:, 0, 0, 0].tolist() == [3, 3, 9]
    assert batch["label"].tolist() == [3, 3, 4]


def test_mirroring_doubles_the_set_and_exchanges_left_and_right():
    mirrored = Mirrored(numbered(10))
    assert len(mirrored) == 20
    plain, flipped = mirrored[[4, 14]]["image"]
    assert plain.flatten().tolist() == [4, 255]
    assert flipped.flatten().tolist() == [255, 4]


def test_bytes_become_numbers_from_minus_one_to_one():
    image = torch.tensor([0, 255], dtype=torch.uint8)
    assert to_range(image, torch.float32).tolist() == [-1.0, 1.0]
    deep = torch.tensor([0, 65535], dtype=torch.uint16)
    assert to_range(deep, torch.float64).tolist() == [-1.0, 1.0]
    assert to_range(torch.tensor([0.5]), torch.float32).tolist() == [0.5]


def test_sixteen_bits_are_finer_than_eight():
    steps = to_range(torch.tensor([1000, 1001], dtype=torch.uint16), torch.float64)
    assert 0 < (steps[1] - steps[0]).item() < 1 / 32767


def test_a_preview_shows_class_after_class_and_is_the_same_each_time():
    data = ImageData(numbered(100, classes=5), batch_size=8, seed=3)
    first, second = data.preview(20), data.preview(20)
    assert torch.equal(first["image"], second["image"])
    assert first["label"].tolist() == [k for k in range(5) for _ in range(4)]


def test_a_preview_of_a_tiny_set_repeats_it():
    assert len(ImageData(numbered(3), batch_size=8, seed=3).preview(8)["image"]) == 8


def test_classes_share_a_picture_evenly():
    labels = torch.arange(100) % 10
    walk = (list(range(start, start + 20)) for start in range(0, 100, 20))
    assert labels[by_class(walk, labels, 13, 10)].bincount(minlength=10).tolist() == [2, 2, 2, *[1] * 7]


def test_labels_without_names_are_refused():
    with pytest.raises(ValueError, match="labels and names of classes belong together"):
        InMemory(np.zeros((2, 1, 4, 4), np.uint8), np.array([0, 1]))


def test_images_must_be_whole_numbers():
    with pytest.raises(ValueError, match="uint8 or uint16"):
        InMemory(np.zeros((2, 1, 4, 4), np.float32))
