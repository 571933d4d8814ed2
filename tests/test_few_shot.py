"""Presets for few images: what they switch on, and that a run tells whether it copies."""

import csv
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image
from rich.console import Console
from small import composed

from gantool.build import augment_of
from gantool.data.folder import folder
from gantool.train import train

PRESETS = {"few_shot": "diffaug", "few_shot_ada": "ada"}


@pytest.fixture(name="images")
def few_images(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(40):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(
            tmp_path / "images" / f"{number}.png"
        )
    return tmp_path / "images"


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_for_few_images_mirrors_them_changes_them_and_watches_for_copies(preset: str):
    cfg = composed(f"experiment={preset}", "data.path=DIR")
    assert cfg.data.mirror
    assert list(cfg.augment) == [PRESETS[preset]]
    assert augment_of(cfg) is not None
    assert cfg.loss.D.lecam.weight == 3e-7
    assert "memorisation" in cfg.metrics
    assert cfg.data.hold_out >= 16  # fewer tell the doctor nothing
    assert cfg.health_every


def test_the_stronger_of_the_two_is_that_of_the_paper_for_a_hundred_images():
    policy = composed("experiment=few_shot", "data.path=DIR").augment.diffaug.policy
    assert OmegaConf.to_container(policy) == ["color", "translation", "cutout"]


def test_holding_out_all_but_some_leaves_these(images: Path):
    """So `data.hold_out` also chooses how many images there are to learn from."""
    seen, unseen = (folder(str(images), hold_out=30, held_out=side) for side in (False, True))
    assert (len(seen), len(unseen)) == (10, 30)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_of_a_preset_tells_copies_and_what_d_makes_of_held_out_images(
    preset: str, images: Path, tmp_path: Path
):
    settings = [f"experiment={preset}", f"data.path={images}", "data.resolution=16"]
    tiny = ["model.G.width=4", "model.G.style=4", "model.G.depth=1", "metrics.memorisation.count=8"]
    often = ["images=32", "evaluate_every=16", "health_every=16", f"metrics.memorisation.cache={tmp_path}"]
    quick = ["batch_size=8", "samples=4", "logger=none", "trainer.accelerator=cpu"]
    overrides = [*settings, *tiny, *often, *quick]
    assert train(composed(*overrides), tmp_path / "run", overrides, Console(quiet=True)) == 0
    with (tmp_path / "run" / "metrics.csv").open() as file:
        columns = {name for row in csv.DictReader(file) for name, value in row.items() if value}
    assert {"metric/copies_pixels", "metric/authenticity_pixels", "health/memorised"} <= columns
