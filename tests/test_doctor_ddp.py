"""The doctor, and what helps where a loss is infinite, in two processes: as in one, and alike in both."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sick_ranks
import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from small import trained
from test_resume import last, same

QUICK = ("without batch norm", "stop", "rollback", "ignore")
ALL = tuple(sick_ranks.CASES)


class Both:
    """What two processes saw of some cases."""

    def __init__(self, folder: Path, names: tuple[str, ...]):
        self.folder = folder
        shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
        given = [word for name in names for word in (name, str(find_free_network_port()))]
        command = [sys.executable, sick_ranks.__file__, str(folder), *given]
        started = [
            subprocess.Popen(
                command,
                env=os.environ | shared | {"LOCAL_RANK": str(rank)},
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        self.errors: list[dict[str, str]] = []  # of each process, by case
        try:
            for process in started:
                _, text = process.communicate(timeout=400)
                assert process.returncode == 0, text
                parts = (part.split("\n", 1) for part in text.split("\n== ")[1:])
                self.errors.append({name: " ".join(said.split()) for name, said in parts})
        finally:
            for process in started:
                process.kill()
                process.communicate()
        self.ranks = [torch.load(folder / str(rank), weights_only=True) for rank in range(2)]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [seen[name] for seen in self.ranks]

    def agree(self, name: str) -> list[dict[str, torch.Tensor]]:
        """The states after every iteration, which are the same in both."""
        one, other = self.of(name)
        assert one["code"] == other["code"]
        assert len(one["states"]) == len(other["states"]) > 0
        for a, b in zip(one["states"], other["states"], strict=True):
            assert [key for key in a if not torch.equal(a[key], b[key])] == []
        for a, b in zip(one["rows"], other["rows"], strict=True):
            assert {**a, "speed/images_per_second": 0} == {**b, "speed/images_per_second": 0}
        return one["states"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("both"), QUICK)


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(tmp_path_factory.mktemp("more"), tuple(name for name in ALL if name not in QUICK))


def health(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {name: float(value) for name, value in row.items() if value and name.startswith(("health/", "im"))}
        for row in rows
    ]


def as_in_one_process(both: Both, name: str, folder: Path) -> None:
    overrides = [it for it in sick_ranks.CASES[name].overrides if "sync_batchnorm" not in it]
    assert trained(folder, *overrides) == 0
    both.agree(name)
    alone, together = health(folder), health(both.folder / name)
    assert len(alone) == len(together) == 8 + 4
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-6)
    assert sum("health/diversity" in row for row in together) == 4
    one, other = (last(place)["doctor"] for place in (folder, both.folder / name))
    for sign, state in one["signs"].items():
        assert other["signs"][sign]["recent"] == pytest.approx(state["recent"], rel=1e-3, abs=1e-6)


# Healthy.


def test_the_doctor_of_two_processes_finds_what_that_of_one_does(both: Both, tmp_path: Path):
    as_in_one_process(both, "without batch norm", tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in sick_ranks.HEALTHY if name not in QUICK])
def test_so_it_does_where_samples_are_packed_or_share_statistics(more: Both, name: str, tmp_path: Path):
    as_in_one_process(more, name, tmp_path / "alone")


# One process alone falls ill.


@pytest.mark.parametrize("name", ["stop"])
def test_what_one_process_sees_stops_both_and_the_first_says_it(both: Both, name: str):
    stops(both, name, "D/adversarial = nan at 48 images.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("stop, gradient", "the gradient of D is infinite at 48 images."),
        ("stop, weight", "weights are infinite at 64 images."),
        ("rollback, used up", "the gradient of D is infinite at 80 images. rollback.times=1 are used up"),
        ("ignore, used up", "at 64 images. So it was in ignore.times=2 iterations in a row."),
    ],
)
def test_so_does_a_gradient_a_weight_or_a_rescue_that_is_used_up(more: Both, name: str, what: str):
    stops(more, name, what)


def stops(both: Both, name: str, what: str) -> None:
    for seen in both.of(name):
        assert seen["code"] == 1
    first, second = (errors[name] for errors in both.errors)
    assert what in first
    assert first.count("Training diverged") == 1
    assert second == ""
    one, other = (len(seen["states"]) for seen in both.of(name))
    assert one == other
    weights = last(both.folder / name)["state_dict"].values()
    assert all(bool(value.isfinite().all()) for value in weights if value.is_floating_point())


def test_a_rollback_brings_both_back_to_the_same_weights_and_lower_learning_rates(both: Both):
    states = both.agree("rollback")
    assert both.of("rollback")[0]["code"] == 0
    changed = [name for name in states[3] if not torch.equal(states[3][name], states[6][name])]
    assert set(changed) <= {"pace", "lr of D", "lr of G"}  # the lr changes with the next step
    assert [state["pace"].item() for state in states] == [1.0] * 6 + [0.5] * 4 + [0.25] * 6
    for player in "DG":
        lr = states[0][f"lr of {player}"].item()
        assert states[-1][f"lr of {player}"].item() == pytest.approx(0.25 * lr)
    told = both.of("rollback")[0]["told"]
    assert told.count("Rolled back") == 2
    assert "of 32 images, since D/adversarial = nan at 48 images." in told  # which only the second one saw
    assert "(rollback 2 of 3)" in told


def test_ignore_leaves_the_same_steps_out_in_both(both: Both):
    states = both.agree("ignore")
    assert both.of("ignore")[0]["code"] == 0
    still = [k for k in range(1, len(states)) if same(states[k], states[k - 1])]
    assert still == [6, 10]
    assert both.of("ignore")[0]["told"].count("Left out an iteration") == 2


@pytest.mark.slow
def test_infinite_weights_of_one_process_are_rolled_back_in_both(more: Both):
    states = more.agree("rollback, weight")
    assert same(
        {name: it for name, it in states[7].items() if name != "pace"},
        {name: it for name, it in states[3].items() if name != "pace"},
    )
    assert more.of("rollback, weight")[0]["told"].count("weights are infinite at 64 images.") == 1


@pytest.mark.slow
@pytest.mark.parametrize("way", ["rollback", "ignore"])
def test_the_first_iteration_of_all_may_be_the_bad_one(more: Both, way: str):
    states = more.agree(f"{way}, the first")
    assert len(states) == 16


@pytest.mark.slow
def test_counters_survive_a_kill_of_both_processes(both: Both, more: Both):
    for whole, killed, resumed in (
        (both, "rollback, killed", "rollback, resumed"),
        (more, "ignore, killed", "ignore, resumed"),
    ):
        name = "rollback" if whole is both else "ignore, three"
        assert [seen["code"] for seen in more.of(killed)] == ["killed", "killed"]
        after = more.agree(resumed)
        assert same(after[-1], whole.agree(name)[-1])
        one = last(whole.folder / name)
        other = last(more.folder / str(sick_ranks.CASES[resumed].folder))
        for part in ("pace", "rollbacks" if whole is both else "ignored", "clock", "optimizer_states"):
            assert same(one[part], other[part]), part
