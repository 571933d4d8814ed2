"""Two processes, talking through gloo, against one: the same weights."""

import os
import subprocess
import sys

import pytest
import ranks
import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from torch import Tensor

Weights = dict[str, dict[str, Tensor]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[Weights]:
    """The weights of every variant after training in two processes, by rank."""
    file = tmp_path_factory.mktemp("ranks") / "weights"
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
    command = [sys.executable, ranks.__file__, str(file)]
    started = [
        subprocess.Popen(command, env=os.environ | shared | {"LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
    return [torch.load(f"{file}.{rank}", weights_only=True) for rank in range(2)]


def farthest(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    assert a.keys() == b.keys()
    return max((a[name] - b[name]).abs().max().item() for name in a)


def test_running_statistics_of_batch_norm_agree_between_processes(both: list[Weights]):
    one, other = (weights[ranks.EACH_ITS_OWN] for weights in both)
    assert any("running_mean" in name for name in one)
    assert farthest(one, other) == 0
    untrained = ranks.weights(ranks.APART[ranks.EACH_ITS_OWN]())
    assert all((one[name] != untrained[name]).any() for name in one if "running_mean" in name)


@pytest.mark.parametrize("name", ranks.VARIANTS)
def test_two_processes_train_to_the_weights_of_one(both: list[Weights], name: str):
    torch.set_default_dtype(torch.float64)
    try:
        alone = ranks.VARIANTS[name]()
        before = {name: value.clone() for name, value in alone.named_parameters()}
        ranks.fit(alone)
    finally:
        torch.set_default_dtype(torch.float32)
    after = ranks.weights(alone)

    assert farthest(both[0][name], both[1][name]) == 0
    assert farthest(after, both[0][name]) < 1e-12
    assert farthest({name: after[name] for name in before}, before) > 1e-3
