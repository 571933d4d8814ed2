"""Pairs and piles of sets, what is held out of them, and what becomes of them in training."""

import logging
import os
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch
from hydra.utils import instantiate
from image_files import (  # noqa: F401  # fixtures
    _clean_slate,
    composed,
    everything,
    fill,
    numbered,
    of_file,
    refused,
    root_here,
    save,
    shown,
    sides_here,
    zipped,
)
from PIL import Image
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader

from gantool.checkpoint import read
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.module import Batches, summary
from gantool.data.pairs import Pairs, pairs
from gantool.data.piles import Piles, two_folders
from gantool.data.superres import Shrunk, superres
from gantool.data.synthetic import synthetic_pairs, synthetic_piles, synthetic_superres
from gantool.data_check import main
from gantool.train import train


@pytest.fixture
def emoji() -> dict[str, str]:
    if "GANTOOL_DATA" not in os.environ:
        pytest.skip("GANTOOL_DATA names no folder with emoji/")
    return {"path": os.path.join(os.environ["GANTOOL_DATA"], "emoji")}


# Pairs and piles of sets.


def test_a_pair_is_what_has_the_same_position():
    images = Pairs(numbered(5), numbered(5, first=100))
    batch = images[[3, 0]]
    assert batch["source"][:, 0, 0, 0].tolist() == [3, 0]
    assert batch["target"][:, 0, 0, 0].tolist() == [103, 100]
    assert images.labels is None
    assert images.classes == 0


def test_sets_of_different_lengths_make_no_pairs():
    with pytest.raises(ValueError, match="as many sources as targets, not 5 and 4"):
        Pairs(numbered(5), numbered(4))


def test_the_configuration_learns_the_shape_of_the_target_and_the_channels_of_the_source():
    one, other = (InMemory(np.zeros((2, channels, 4, 6), np.uint8)) for channels in (4, 3))
    known = {"source_channels": 4, "channels": 3, "resolution": [4, 6], "classes": 0, "names": []}
    assert summary(Pairs(one, other)) == summary(Piles(one, other)) == known
    assert "source_channels" not in summary(one)


def test_pairs_are_mirrored_together():
    images = Pairs(numbered(4), numbered(4)).mirrored()
    batch = images[[1, 5]]
    for side in batch.values():
        assert side[:, 0, 0].tolist() == [[1, 255], [255, 1]]


@pytest.mark.parametrize("batch_size", [1, 7, 40])
@pytest.mark.parametrize("mirror", [False, True])
def test_each_pile_shows_every_image_once_in_each_epoch_of_its_own(batch_size: int, mirror: bool):
    images = Piles(numbered(6), numbered(10, first=100))
    images = images.mirrored() if mirror else images
    assert len(images) == 10 * (1 + mirror)
    batches = [shown(images, start, batch_size) for start in range(0, 280, batch_size)]
    for entry, count in (("a", 6), ("b", 10)):
        walk = torch.cat([batch[entry] for batch in batches]).flatten(1)
        epoch = count * (1 + mirror)
        for start in range(0, 240, epoch):
            assert len(walk[start : start + epoch].unique(dim=0)) == epoch


def test_partners_of_two_piles_change_from_epoch_to_epoch():
    batch = shown(Piles(numbered(20), numbered(20)), 0, 20 * 30)
    met = set(zip(batch["a"][:, 0, 0, 0].tolist(), batch["b"][:, 0, 0, 0].tolist(), strict=True))
    assert len(met) > 0.7 * 20 * 20  # 1 - exp(-30 / 20) of all, but for chance


def test_images_of_two_piles_are_mirrored_each_for_itself():
    batch = shown(Piles(numbered(8), numbered(8)).mirrored(), 0, 160)
    sides = zip(*(batch[entry][:, 0, 0, 0].eq(255).tolist() for entry in "ab"), strict=True)
    assert min(Counter(sides).values()) > 160 / 4 / 2


def test_a_position_below_the_length_means_the_images_of_this_number():
    images = Piles(numbered(3), numbered(5, first=100))
    batch = images[range(5)]
    assert batch["a"][:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1]
    assert batch["b"][:, 0, 0, 0].tolist() == [100, 101, 102, 103, 104]


# Two folders without pairs.


def test_two_folders_are_two_piles(root: Path):
    fill(root / "horse", "1.png", "2.png", "3.png", channels=1)
    fill(root / "zebra", "a.png", "b.png", channels=4)
    images = two_folders(path=str(root), a="horse", b="zebra")
    assert (len(images), images.source_shape, images.shape) == (3, (1, 8, 8), (4, 8, 8))
    assert (everything(images, "a") == [of_file(root / f"horse/{k}.png") for k in (1, 2, 3)]).all()
    other = two_folders(a=str(zipped(root / "horse")), b=str(root / "zebra"), channels=3, jitter=4)
    assert (other.shape, other.ways) == ((3, 8, 8), 1)
    crops = shown(other, 0, 60)
    assert {entry: len(crops[entry].unique(dim=0)) > 30 for entry in "ab"} == {"a": True, "b": True}
    assert "data.b is missing" in refused(two_folders, a=str(root / "horse"))
    assert "data.a=nowhere is not there" in refused(two_folders, a="nowhere", b=str(root / "zebra"))


def test_folders_named_by_numbers_are_folders(root: Path, monkeypatch: pytest.MonkeyPatch):
    """YAML reads data.a=0 as a number."""
    fill(root / "0", "1.png")
    fill(root / "1", "1.png")
    monkeypatch.chdir(root)
    below: Any = {"path": str(root), "a": 0, "b": 1}
    here: Any = {"a": 0, "b": 1}
    assert len(two_folders(**below)) == len(two_folders(**here)) == 1
    assert "data.b=2 is not there" in refused(two_folders, a=0, b=2)
    assert len(pairs(**{"source": 0, "target": 1})) == 1  # pyright: ignore


# A held-out part.


@pytest.mark.parametrize("load", [pairs, two_folders, superres])
def test_what_is_held_out_is_never_shown_and_the_rest_always(load: Callable[..., ImageSet], root: Path):
    for k in range(20):
        save(root / "x" / f"{k}.png", np.full((4, 4, 3), k, np.uint8))
        save(root / "y" / f"{k}.png", np.full((4, 4, 3), k, np.uint8))
    places = {
        pairs: {"path": str(root), "source": "x", "target": "y"},
        two_folders: {"path": str(root), "a": "x", "b": "y"},
        superres: {"path": str(root), "subset": "x", "scale": 2},
    }[load]

    def numbers(**options: Any) -> list[set[int]]:
        images = load(**places, **options)
        batch = shown(images, 0, 2 * len(images))
        return [set(value[:, 0, 0, 0].tolist()) for value in batch.values()]

    training, kept = numbers(hold_out=6), numbers(hold_out=6, held_out=True)
    for one, other in zip(training, kept, strict=True):
        assert (len(one), len(other), len(one | other)) == (14, 6, 20)
    assert kept == numbers(hold_out=6, held_out=True)
    assert "data.hold_out=0" in refused(load, **places, held_out=True)
    assert "data.hold_out=20" in refused(load, **places, hold_out=20)


def test_the_configuration_builds_both_parts(sides: dict[str, str]):
    places = [f"data.{key}={value}" for key, value in sides.items()]
    data = composed("data=pairs", *places, "data.hold_out=1", "data.jitter=3", "data.channels=3").data
    training, kept = instantiate(data.set), instantiate(data.held_out)
    assert (len(training), len(kept)) == (2, 1)
    assert training.shape == kept.shape == (3, 8, 8)
    assert (training.ways > 1, kept.ways) == (True, 1)


# Made up on the spot.


def centres(images: Tensor) -> Tensor:
    """(N, 2), the centre of mass of each image."""
    mass = images.float().mean(1)  # (N, H, W)
    places = torch.arange(mass.shape[1]) + 0.5
    down, right = (mass.sum(axis) * places for axis in (2, 1))
    return torch.stack([down.sum(1), right.sum(1)], 1) / mass.sum((1, 2))[:, None]


def test_a_ring_and_the_blob_that_belongs_to_it_lie_at_the_same_place():
    batch = synthetic_pairs(resolution=48, count=64)[range(64)]
    assert (centres(batch["source"]) - centres(batch["target"])).abs().max() < 2
    grey, coloured = batch["source"].float(), batch["target"].float().sum((2, 3))
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert (coloured.amax(1) > 1.2 * coloured.amin(1)).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_synthetic_sides_have_any_shape(channels: int):
    for make in (synthetic_pairs, synthetic_piles):
        images = make([5, 9], channels, source_channels=2, count=3)
        assert (images.shape, images.source_shape, len(images)) == ((channels, 5, 9), (2, 5, 9), 3)
    shrunken = synthetic_superres([8, 12], channels, scale=4, count=3)
    assert isinstance(shrunken, Shrunk)
    assert shrunken.source_shape == (channels, 2, 3)


@pytest.mark.parametrize("name", ["synthetic_pairs", "synthetic_piles", "synthetic_superres"])
def test_a_set_without_files_is_what_its_configuration_says(name: str):
    cfg = composed(f"data={name}").data
    known = summary(instantiate(cfg.set))
    assert {key: cfg[key] for key in known if key != "names"} == {
        key: value for key, value in known.items() if key != "names"
    }


def test_numbers_that_make_no_set_are_refused():
    assert "data.source_channels=0" in refused(synthetic_pairs, source_channels=0)
    assert "data.count=0" in refused(synthetic_superres, count=0)


# Worker processes, and gantool data check.


def test_worker_processes_change_nothing(root: Path):
    fill(root, *(f"{k}.png" for k in range(7)), size=(12, 24))
    images = pairs(path=str(root), layout="side_by_side", in_memory=False, jitter=3).mirrored()
    batches = []
    for workers in (0, 2):
        sampler = Batches(images.walk(3), 4, lambda: 8)
        loader: Any = DataLoader(images, sampler=sampler, batch_size=None, num_workers=workers)  # pyright: ignore
        batches.append(list(islice(iter(loader), 5)))
    for one, other in zip(*batches, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in ("source", "target"))


RUNS = {
    "pix2pix": ("data=pairs", "data.source={}/x", "data.target={}/y", "data.hold_out=2"),
    "cyclegan": ("data=two_folders", "data.a={}/x", "data.b={}/z"),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("model", RUNS)
def test_a_run_on_random_crops_that_is_stopped_and_goes_on_equals_one_that_was_not(
    model: str, workers: int, root: Path, tmp_path: Path
):
    """The second epoch begins between the end of the first part and the end of the whole run."""
    fill(root, *(f"{side}/{k}.png" for side in "xy" for k in range(10)), *(f"z/{k}.png" for k in range(7)))
    places = [place.format(root) for place in RUNS[model]]
    looks = ["data.resolution=16", "data.jitter=6", "data.mirror=true", "data.in_memory=false"]
    quiet = ["logger=none", "trainer.accelerator=cpu", "samples=4", "+data.width=4", "optimizer=adam"]
    given = [f"model={model}", *places, *looks, *quiet, "batch_size=4"]

    def run(name: str, *overrides: str) -> dict[str, Any]:
        cfg = small.composed(*overrides)
        assert train(cfg, tmp_path / name, list(overrides), Console(quiet=True)) == 0
        return read(tmp_path / name / "checkpoints" / "last.ckpt")["state_dict"]

    whole = run("whole", *given, "images=28", "data.workers=0")
    run("parts", *given, "images=12", f"data.workers={workers}")
    parts = run("parts", f"resume={tmp_path / 'parts'}", "images=28")
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def printed(capsys: pytest.CaptureFixture[str], *overrides: str) -> list[str]:
    """The lines of `gantool data check`, without frame and alignment."""
    main(composed(*overrides))
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    return [" ".join(line.strip("│╭╮╰╯├┤─ ").replace("│", " ").split()) for line in lines]


def test_a_check_counts_sizes_and_partners_of_both_sides(
    sides: dict[str, str], root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    fill(root / "photo", "horse.png")
    fill(root / "drawing", "cat.png", size=(16, 8), channels=4)
    lines = printed(capsys, "data=pairs", *(f"data.{k}={v}" for k, v in sides.items()), "data.hold_out=1")
    assert lines.count("images 3") == 2
    assert lines.count("held out 1 of them, which training never sees") == 2
    assert "alone 1 have no partner, and are left out: horse.png" in lines
    assert "modes RGBA: colour and alpha, 8 bits" in lines
    assert "training 64 x 64, 4 channels of 8 bits; 0.0 MB, held in memory" in lines
    assert "1 sources have other proportions than their targets" in " ".join(lines)


def test_a_check_of_corrupt_pairs_ends_with_status_1(
    sides: dict[str, str], root: Path, capsys: pytest.CaptureFixture[str]
):
    (root / "drawing" / "dog.png").write_text("no image")
    with pytest.raises(SystemExit) as stop:
        main(composed("data=pairs", *(f"data.{key}={value}" for key, value in sides.items())))
    assert stop.value.code == 1
    assert "dog.png: not an image" in capsys.readouterr().out


def test_every_kind_of_translation_can_be_checked(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "80")
    fill(root / "sheets", "1.png", "2.png", size=(8, 16))
    fill(root / "pix2pix/facades/train", "1.png", size=(8, 16))
    fill(root / "cyclegan/horse2zebra/trainA", "1.png", "2.png")
    fill(root / "cyclegan/horse2zebra/trainB", "1.png", "2.png", "3.png")
    sheets = printed(capsys, "data=pairs", f"data.path={root}/sheets", "data.layout=side_by_side")
    assert "training 8 x 8, 3 channels of 8 bits; 0.0 MB, held in memory" in sheets
    assert "images 1" in printed(capsys, "data=facades", f"data.root={root}")
    piles = printed(capsys, "data=horse2zebra", f"data.root={root}")
    assert {"images 2", "images 3", "training 256 x 256, 3 channels of 8 bits; 0.5 MB, held in memory"} <= {
        *piles
    }
    crops = printed(capsys, "data=superres", f"data.path={root}/sheets", "data.scale=3")
    assert any(line.startswith("training 15 x 6, 3 channels") for line in crops)
    made = printed(capsys, "data=synthetic_piles", "data.source_channels=1")
    assert {"a gantool.data.synthetic.synthetic_piles", "modes L: grey, 8 bits"} <= {*made}


# Emoji in two styles.


def test_emoji_have_a_partner_each(emoji: dict[str, str], caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    images = pairs(**emoji, source="twitter", target="google", channels=3, in_memory=False)
    assert (len(images), images.shape, images.source_shape) == (1911, (3, 64, 64), (4, 64, 64))
    assert caplog.text == ""
    batch = images[range(0, 1911, 100)]
    assert (batch["target"][:, :, 0, 0] == 255).float().mean() > 0.8  # white shines through


def test_pictures_show_what_training_never_sees(tmp_path: Path):
    given = ["model=pix2pix", "data=pairs", "+data.width=4", "data.hold_out=2", "samples=2", "images=2"]
    given += ["logger=none", "trainer.accelerator=cpu", f"data.path={tmp_path}"]
    given += ["data.source=source", "data.target=target"]
    for side, shift in (("source", 1), ("target", 101)):
        (tmp_path / side).mkdir()
        for k in range(10):
            picture = np.full((16, 16, 3), 10 * k + shift, np.uint8)
            Image.fromarray(picture).save(tmp_path / side / f"{k}.png")
    cfg = small.composed(*given)
    assert train(cfg, tmp_path / "run", given, Console(quiet=True)) == 0

    with Image.open(tmp_path / "run" / "samples" / "real.png") as picture:
        shown = set(np.unique(np.asarray(picture)).tolist()) - {0}  # the gap
    data = small.composed(*given).data
    training, kept = (
        {int(images[[index]][side].max()) for index in range(len(images)) for side in ("source", "target")}
        for images in (instantiate(data.set), instantiate(data.held_out))
    )
    assert shown == kept
    assert len(kept) == 4
    assert not kept & training


def test_what_is_held_out_of_photographs_is_measured_in_pieces_of_all_of_them(root: Path):
    shapes = [(40, 16), (16, 16), (70, 35), (16, 200), (18, 50)]
    for number, (height, width) in enumerate(shapes):
        picture = np.arange(height * width, dtype=np.uint32).reshape(
            height, width
        )  # every pixel its own number
        pixels = np.stack([picture % 256, picture // 256, np.full_like(picture, number)], 2).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    options: Any = {"path": str(root), "scale": 2, "resolution": 16, "hold_out": 4}
    pieces = superres(**options, held_out=True)
    images = pieces[range(len(pieces))]["target"].numpy()
    [kept] = {number for number in range(5)} - set(images[:, 2, 0, 0].tolist())
    assert len(superres(**options)) == 1
    counts = {0: 2, 1: 1, 2: 8, 3: 4, 4: 3}  # side // 16 along each side, 4 at most
    for number in set(counts) - {kept}:
        own = images[images[:, 2, 0, 0] == number].astype(np.uint32)
        assert len(own) == counts[number]
        seen = (own[:, 0] + 256 * own[:, 1]).ravel()
        assert len(set(seen.tolist())) == len(seen)  # no pixel in two pieces
    assert len(set(images[:4, 2, 0, 0].tolist())) == 4  # the first of each picture come first
