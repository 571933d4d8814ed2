"""Fine-tuning: runs that begin with the weights of another, and layers that do not learn."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from small import composed, trained

from gantool.checkpoint import read
from gantool.freeze import lowest
from gantool.tasks.task import Task


def build_networks(model: str) -> Task:
    return instantiate(composed(f"model={model}", "data=synthetic", "data.width=8").task, _convert_="all")


def test_frozen_layers_are_bit_identical_after_training_and_the_others_move(tmp_path: Path):
    assert trained(tmp_path / "first", "model=dcgan", "images=16") == 0
    first = tmp_path / "first" / "checkpoints" / "last.ckpt"
    settings = ["model=dcgan", f"start={first}", "freeze.D=1", "seed=7", "images=16", "ema=50"]
    assert trained(tmp_path / "second", *settings) == 0
    before, after = (
        read(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"] for run in ("first", "second")
    )
    assert torch.equal(before["task.D.layers.0.weight"], after["task.D.layers.0.weight"])
    moved = [name for name, value in before.items() if name.endswith("weight") and name in after]
    moved = [name for name in moved if not torch.equal(before[name], after[name])]
    assert {"task.D.layers.2.weight", "task.G.layers.0.weight"} <= set(moved)


@pytest.mark.parametrize("model", ["progan", "stylegan1", "stylegan2"])
def test_the_first_layer_of_a_network_with_equalised_layers_is_the_one_that_sees_the_image(model: str):
    D = build_networks(model).D
    [bias, weight] = sorted(lowest(D, 1), key=lambda parameter: parameter.ndim)
    assert weight.shape[1:] == (3, 1, 1)
    assert bias.shape == weight.shape[:1]


def test_a_run_that_is_trained_no_further_is_the_one_it_started_from(tmp_path: Path):
    settings = ["model=dcgan", "images=8", "ema=50"]
    assert trained(tmp_path / "first", *settings) == 0
    still = [*settings, f"start={tmp_path / 'first'}", "optimizer.lr=0.0"]
    with pytest.raises(ValueError, match=r"start=.*networks are others: \S+ is of"):
        trained(tmp_path / "other", *settings, f"start={tmp_path / 'first'}", "data.resolution=32")
    assert trained(tmp_path / "second", *still) == 0
    before, after = (
        read(tmp_path / run / "checkpoints" / "last.ckpt")["state_dict"] for run in ("first", "second")
    )
    for name, value in before.items():
        if name.startswith("task.") and name.endswith("weight"):
            torch.testing.assert_close(value, after[name])


def test_freezing_more_layers_than_there_are_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="layers are all that Discriminator has"):
        trained(tmp_path, "model=dcgan", "freeze.D=99")
    with pytest.raises(ValueError, match=r"freeze\.G=-1"):
        trained(tmp_path, "model=dcgan", "freeze.G=-1")
