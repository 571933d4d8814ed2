"""What is measured and shown is what the verbs make."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from small import batch_of, composed, small, trained

import gantool
from gantool.build import build
from gantool.callbacks import samples
from gantool.finished import set_of
from gantool.subject import Subject
from gantool.trained import load


@pytest.mark.parametrize("together", [3, 8])
def test_evaluation_measures_the_images_that_sampling_makes(together: int, tmp_path: Path):
    """With standing statistics too, and whatever the size of its passes."""
    assert trained(tmp_path, "model=acgan", "ema=50", "images=24") == 0
    gan, config = load(tmp_path / "checkpoints" / "last.ckpt", trust=False)
    subject = Subject(gan, config, instantiate(config.data.set), seed=0, together=together)
    assert subject.stands
    labels = torch.arange(8) % config.data.classes
    measured = subject.generated(subject.generator(), range(8), labels)
    assert torch.allclose(measured, gantool.load(str(tmp_path)).sample(8, seed=0), atol=1e-6)


def test_a_picture_made_in_parts_is_the_whole_picture(monkeypatch: pytest.MonkeyPatch):
    cfg = composed(*small("model=cyclegan"))
    gan = build(cfg)
    preview = batch_of(cfg, 5)
    whole = samples.sample(gan, preview, seed=0)
    monkeypatch.setattr(samples, "TOGETHER", 2)
    parts = samples.sample(gan, preview, seed=0)
    for way, columns in whole.items():
        for one, other in zip(columns, parts[way], strict=True):
            assert torch.allclose(one, other, atol=1e-5)


def test_parts_of_piles_of_unequal_lengths_are_all_there():
    batch = {"a": torch.arange(5), "b": torch.arange(2)}
    parts = list(samples.pieces(batch, 2))
    assert [sorted(part) for part in parts] == [["a", "b"], ["a"], ["a"]]
    assert torch.cat([part["a"] for part in parts]).tolist() == [0, 1, 2, 3, 4]


def test_what_translates_is_measured_as_it_translates(tmp_path: Path):
    """Whatever images it is measured on: its norms keep what the checkpoint says."""
    assert trained(tmp_path, "model=srresnet", "images=24", "ema=16") == 0
    gan, config = load(tmp_path / "checkpoints" / "last.ckpt")
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in gan.generator.modules())
    G = Subject(gan, config, set_of(config, False), seed=0, together=4).generator()
    for name, value in gan.generator.state_dict().items():
        assert torch.equal(G.state_dict()[name], value), name
