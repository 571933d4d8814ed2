"""Images between two classes: of every way in which a label enters a network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from PIL import Image
from small import FOLDER, MODELS, composed, small, trained
from torch import Tensor, nn
from torch.nn.functional import one_hot

from gantool import interpolate, sample
from gantool.between_classes import Between, images
from gantool.layers.conditional_norm import Table
from gantool.spaces import Latents, evenly

CONDITIONAL = [model for model in MODELS if "conditional: true" in (FOLDER / f"{model}.yaml").read_text()]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class OneHot(nn.Module):
    def forward(self, label: Tensor) -> Tensor:
        return one_hot(label, 10).float()


class Linear(nn.Module):
    """Pixels that are linear in the latent and in what is looked up by label."""

    def __init__(self, lookup: nn.Module, size: int):
        super().__init__()
        self.lookup = lookup
        self.linear = nn.Linear(4 + size, 12)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        return self.linear(torch.cat([z, self.lookup(label)], 1)).unflatten(1, (3, 2, 2))


@pytest.mark.parametrize("kind", ["one_hot", "embedding", "table"])
def test_of_a_linear_generator_an_image_between_classes_is_the_mean_of_theirs(kind: str):
    table = Table(10, 5)
    nn.init.normal_(table.weight)
    lookup = {"one_hot": OneHot(), "embedding": nn.Embedding(10, 5), "table": table}[kind]
    G = Linear(lookup, 10 if kind == "one_hot" else 5)
    z, start, end, t = torch.randn(6, 4), torch.arange(6), torch.arange(3, 9), torch.rand(6)
    made = torch.cat(list(images(Latents(G, True, True), z, start, end, t, batch_size=4)))
    t = t.view(-1, 1, 1, 1)
    torch.testing.assert_close(made, (1 - t) * G(z, start) + t * G(z, end))


@pytest.mark.parametrize("model", CONDITIONAL)
def test_every_conditional_model_goes_from_one_class_to_the_other(model: str):
    cfg = composed(*small(f"model={model}"))
    task = instantiate(cfg.task, _convert_="all")
    with torch.no_grad():
        for value in task.G.parameters():
            value += 0.1 * torch.randn_like(value)  # tables of classes are all 0 at first
    G = task.G.eval()
    latent = task.draw({"label": torch.zeros(1, dtype=torch.long)})["latent"].expand(3, -1)
    start, end = torch.full((3,), 2), torch.full((3,), 7)
    first, middle, last = torch.cat(list(images(Latents(G, True, True), latent, start, end, evenly(3), 3)))
    torch.testing.assert_close(first, G(latent, start)[0])
    torch.testing.assert_close(last, G(latent, end)[0])
    assert not torch.allclose(first, last, atol=1e-4)
    assert not torch.allclose(middle, first, atol=1e-5)
    assert not torch.allclose(middle, last, atol=1e-5)


def test_only_these_labels_are_mixed():
    start, end, other = torch.tensor([1]), torch.tensor([2]), torch.tensor([1])
    table = torch.eye(4)
    with Between(start, end, torch.tensor([0.25])) as between:
        assert torch.equal(table[other], table[1:2])
        assert torch.equal(table[:, 1], table[:, 1])
        assert not between.used
        assert table[start].tolist() == [[0, 0.75, 0.25, 0]]
    assert between.used
    assert torch.equal(table[start], table[1:2])


def test_a_generator_that_takes_labels_in_another_way_is_refused():
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, z: Tensor, label: Tensor) -> Tensor:
            return self.linear(z)[:, :, None, None] + label[:, None, None, None]

    space = Latents(Shifted(), conditional=True, curved=True)
    labels = torch.zeros(1, dtype=torch.long)
    made = images(space, torch.zeros(1, 4), labels, labels + 1, torch.zeros(1), 1)
    with pytest.raises(ValueError, match="Shifted looks nothing up by label.*give one label"):
        next(made)


def test_one_latent_walks_from_class_to_class_and_in_an_animation_back(tmp_path: Path):
    trained(tmp_path / "run", "model=acgan", "images=16")

    def do(verb: Any, out: str, *words: str) -> None:
        overrides = [f"run={tmp_path / 'run'}", f"out={tmp_path / out}", "device=cpu", *words]
        verb.main(composed(*overrides, name=verb.__name__.rpartition(".")[2]))

    def pixels(name: str) -> np.ndarray:
        with Image.open(tmp_path / name) as image:
            return np.array(image).astype(int)

    do(interpolate, "walk", "points=[3]", "label=[4,7]", "frames=2", "singles=true")
    do(interpolate, "pair", "points=[3,3]", "label=[4,7]")
    assert np.array_equal(pixels("walk/walk.png"), pixels("pair/walk.png"))
    for label, frame in ((4, 0), (7, 2)):
        do(sample, str(label), "count=4", f"label={label}")
        assert abs(pixels(f"{label}/000003.png") - pixels(f"walk/{frame:06d}.png")).max() <= 1
    assert abs(pixels("walk/000001.png") - pixels("walk/000003.png")).max() <= 1  # there and back
