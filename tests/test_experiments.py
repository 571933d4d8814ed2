"""conf/experiment: every published setting composes, fits together, and says what it repeats."""

import re
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from small import composed

from gantool.build import augment_of, check
from gantool.optim import Recipe

FOLDER = Path(__file__).parent.parent / "conf" / "experiment"
EXPERIMENTS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PLACES = ["data.path=DIR"]


def of(experiment: str) -> list[str]:
    text = (FOLDER / f"{experiment}.yaml").read_text()
    places = [*PLACES, "data.channels=5"] if "/data: table" in text else PLACES  # counted in the file
    return [f"experiment={experiment}", *(places if re.search("/data: (folder|table)", text) else [])]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_composes_and_its_numbers_go_together(experiment: str):
    cfg = composed(*of(experiment), "data.classes=10")
    assert OmegaConf.to_container(cfg, resolve=True)
    check(cfg)
    augment_of(cfg)
    recipes = {player: Recipe(instantiate(cfg.optimizer[player], _convert_="all")) for player in "DG"}
    with torch.device("meta"):  # shapes without numbers: even the largest networks, at once
        task = instantiate(cfg.task, _convert_="all")
    instantiate(cfg.loss, _convert_="all").check(task, recipes["D"])


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_an_experiment_names_its_paper_and_its_published_number(experiment: str):
    lines = (FOLDER / f"{experiment}.yaml").read_text().splitlines()
    header = [line for line in lines if line.startswith("#") and "@package" not in line]
    assert re.match(r"# .+: .+ \(\d{4}\), arXiv:\d{4}\.\d{4,5}", header[0]), header[0]
    assert re.search(r"\d", " ".join(header[1:])), "what was published, and how it was measured"


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_command_line_beats_an_experiment(experiment: str):
    cfg = composed(f"experiment={experiment}", "images=123", "optimizer=sgd", "data=synthetic")
    assert cfg.images == 123
    assert cfg.data.set._target_ == "gantool.data.synthetic.synthetic"
    assert cfg.optimizer.D._target_ == "torch.optim.SGD"
