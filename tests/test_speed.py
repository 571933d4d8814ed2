"""Switches for speed and precision: each gives what the plain way gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import composed, trained
from torch import nn

from gantool import machine
from gantool.checkpoint import read
from gantool.compiled import backend_of, members
from gantool.data.image_set import InMemory
from gantool.data.module import ImageData
from gantool.duel import apply, apply_exactly


def state(folder: Path) -> dict[str, torch.Tensor]:
    return read(folder / "checkpoints" / "last.ckpt")["state_dict"]


def farthest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max((a[name].double() - b[name].double()).abs().max().item() for name in a)


RECIPES = {
    "dcgan": ["share_fakes=true"],
    "wgan_gp": ["model=wgan_gp", "n_critic=2"],
    "r1_r2": ["loss=relativistic_r1_r2", "model.D.norm=none"],
}


@pytest.mark.parametrize("name", RECIPES)
def test_compiled_networks_train_to_the_same_weights(name: str, tmp_path: Path):
    """Names of weights included; with penalties, whose second derivatives torch.compile refuses."""
    given = [*RECIPES[name], "ema=100", "trainer.precision=64-true", "images=48"]
    trained(tmp_path / "eager", *given)
    trained(tmp_path / "compiled", *given, "compile=aot_eager")
    assert farthest(state(tmp_path / "eager"), state(tmp_path / "compiled")) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_networks_compiled_by_inductor_train_to_the_same_weights(name: str, tmp_path: Path):
    given = [*RECIPES[name], "ema=100", "trainer.precision=64-true", "images=48"]
    trained(tmp_path / "eager", *given)
    trained(tmp_path / "compiled", *given, "compile=true")
    assert farthest(state(tmp_path / "eager"), state(tmp_path / "compiled")) < 1e-9


def test_a_compiled_network_is_passed_by_where_a_penalty_differentiates():
    calls: list[str] = []

    def backend(graph: Any, inputs: Any) -> Any:
        calls.append("compiled")
        return graph.forward

    network = nn.Linear(3, 1)
    network.compile(backend=backend)
    apply_exactly(network, torch.ones(2, 3), None)
    assert calls == []
    apply(network, torch.ones(2, 3), None)
    assert calls == ["compiled"]
    torch.compiler.reset()


@pytest.mark.parametrize("wanted", [True, False])
def test_tf32_is_a_choice(wanted: bool):
    machine.settings(composed(f"trainer.tf32={wanted}"), [])
    assert torch.backends.cuda.matmul.allow_tf32 == wanted
    assert torch.backends.cudnn.allow_tf32 == wanted


@pytest.mark.parametrize("given", [[], ["data.mirror=true", "data.count=20"], ["data.classes=0"]])
def test_a_set_on_the_device_gives_the_same_batches(given: list[str], tmp_path: Path):
    for on_device in ("true", "false"):
        trained(tmp_path / on_device, *given, f"on_device={on_device}")
    assert farthest(state(tmp_path / "true"), state(tmp_path / "false")) == 0


def test_only_sets_in_memory_lie_on_a_device():
    deep = InMemory(np.zeros((4, 1, 16, 16), np.uint16))
    with pytest.raises(ValueError, match="on_device=true: this set is read from files as it is needed, or"):
        ImageData(deep, 4, seed=0, on_device=True)
    with pytest.raises(ValueError, match="on_device=maybe: give true, false or auto"):
        ImageData(deep, 4, seed=0, on_device="maybe")  # pyright: ignore


def test_a_team_is_compiled_member_by_member():
    team = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})
    assert list(members(team)) == [team["a"], team["b"]]
    assert list(members(team["a"])) == [team["a"]]


def test_compile_takes_a_backend_and_wants_a_compiler(monkeypatch: pytest.MonkeyPatch):
    assert backend_of(False) is None
    assert backend_of(True) == "inductor"
    assert backend_of("aot_eager") == "aot_eager"
    with pytest.raises(ValueError, match="compile=fast: give true, false, or a backend of torch: aot_eager"):
        backend_of("fast")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler"):
        backend_of(True)
