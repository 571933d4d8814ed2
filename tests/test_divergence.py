"""What happens where a loss becomes infinite: stop, roll back, ignore; and never for ever."""

import copy
import csv
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, Trainer
from rich.console import Console
from small import composed, small, trained
from test_resume import KillAt, Killed, assert_same_run, last, same
from torch import nn

from gantool import fit as module
from gantool.checkpoint import load
from gantool.divergence import Diverged, brake, extent, gradients
from gantool.optim import Recipe
from gantool.schedules import Linear
from gantool.train import train

LENGTH = ("images=160", "checkpoint_every=32", "log_every=1", "sample_every=1000", "ema=100")


class Poison(Callback):
    """Makes D's loss infinite in some iterations: an image of the batch is no number."""

    def __init__(self, iterations: set[int], value: float = torch.nan):
        self.iterations, self.value = iterations, value

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, *args: Any) -> None:
        if pl_module.iteration in self.iterations:
            batch["image"][0] = self.value


class PoisonGradient(Callback):
    """Makes D's gradient infinite, whose loss is finite."""

    def __init__(self, iterations: set[int]):
        self.iterations = iterations

    def on_after_backward(self, trainer: Trainer, pl_module: Any) -> None:
        if pl_module.iteration in self.iterations:
            gradients(pl_module.task.D.parameters())[0].fill_(torch.inf)


def with_callbacks(monkeypatch: pytest.MonkeyPatch, *first: Callback) -> None:
    """Let the next trainings have these before their own."""

    class Disturbed(Trainer):
        def __init__(self, callbacks: list[Callback], **settings: Any):
            super().__init__(callbacks=[*first, *callbacks], **settings)

    monkeypatch.setattr(module, "Trainer", Disturbed)


def said(folder: Path, *overrides: str) -> tuple[int, str]:
    """Exit code and what was told of a small training."""
    with open("/dev/null", "w") as nowhere:  # noqa: PTH123
        console = Console(record=True, width=400, file=nowhere)
        code = train(composed(*small(*overrides)), folder, list(overrides), console)
        return code, console.export_text()


def finite(folder: Path) -> bool:
    state = last(folder)["state_dict"].values()
    return all(bool(value.isfinite().all()) for value in state if value.is_floating_point())


def images(folder: Path) -> list[int]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [int(it["images"]) for it in csv.DictReader(file) if it["D/adversarial"]]


# Closed forms.


def test_the_extent_is_a_sum_of_norms_and_infinite_where_any_element_is():
    assert extent([torch.tensor([3.0, -4.0]), torch.tensor([[2.0]])]) == 7.0
    for bad in (torch.nan, torch.inf, -torch.inf):
        assert not extent([torch.tensor([1.0]), torch.tensor([bad, 0.0])]).isfinite()
    assert extent([torch.full((3,), 1e15)]).isfinite()
    assert extent([]) == 0.0


@pytest.mark.parametrize(("rate", "expected"), [(0.4, 0.1), (Linear(0.4, 0.0, 100), 0.05)])
def test_a_pace_multiplies_a_learning_rate_whether_it_moves_or_not(rate: Any, expected: float):
    from functools import partial

    recipe = Recipe(partial(torch.optim.Adam, lr=rate))
    optimizer = recipe.optimizer([nn.Parameter(torch.zeros(1))])
    for _ in range(3):  # and not once more each time
        recipe.anneal(optimizer, 50)
        brake(optimizer, recipe, 50, 0.25)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


# stop


@pytest.mark.parametrize("poison", [Poison({6}), PoisonGradient({6})], ids=["loss", "gradient"])
def test_by_default_training_stops_and_what_is_written_is_good(
    poison: Callback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with_callbacks(monkeypatch, poison)
    assert trained(tmp_path, *LENGTH) == 1
    text = capsys.readouterr().err
    assert "at 48 images" in text
    assert "on_divergence=rollback" in text
    assert last(tmp_path)["clock"]["images"] == 32
    assert finite(tmp_path)


def test_infinite_weights_are_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Spoil(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            if pl_module.images == 64:
                next(pl_module.task.G.parameters()).data[0] = torch.inf

    with_callbacks(monkeypatch, Spoil())
    assert trained(tmp_path, *LENGTH) == 1
    assert "weights are infinite at 64 images" in capsys.readouterr().err
    assert last(tmp_path)["clock"]["images"] == 32


# rollback


def test_a_rollback_brings_the_weights_back_and_time_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: dict[int, dict[str, torch.Tensor]] = {}

    class Look(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            seen[pl_module.images] = {k: v.clone() for k, v in pl_module.state_dict().items()}

    with_callbacks(monkeypatch, Poison({6}), Look())
    code, text = said(tmp_path, *LENGTH, "on_divergence=rollback")
    assert code == 0
    assert same(seen[56], seen[32])  # the seventh iteration undoes the fifth and sixth
    assert not same(seen[64], seen[40])  # and the eighth is not the fifth once more
    assert images(tmp_path) == list(range(8, 168, 8))
    assert (
        "Rolled back to the weights of 32 images, since D/adversarial = nan at 48 images. Learning rates are "
        "now 0.5 of their own (rollback 1 of 3)." in text
    )
    groups = [state["param_groups"][0]["lr"] for state in last(tmp_path)["optimizer_states"]]
    assert groups == pytest.approx([1e-4, 1e-4])


def test_before_the_first_checkpoint_a_rollback_leads_to_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with_callbacks(monkeypatch, Poison({1}))
    code, text = said(tmp_path, *LENGTH, "on_divergence=rollback", "checkpoint_every=0")
    assert code == 0
    assert "Rolled back to the weights of 0 images" in text


def test_the_same_history_gives_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_callbacks(monkeypatch, Poison({6, 11}))
    for name in ("one", "other"):
        trained(tmp_path / name, *LENGTH, "on_divergence=rollback")
    assert_same_run(tmp_path / "one", tmp_path / "other")


@pytest.mark.parametrize("moment", [6, 7, 9, 14])
@pytest.mark.parametrize("overrides", [(), ("optimizer=wgan_gp",), ("model=began",)], ids=str)
def test_a_run_resumed_after_a_rollback_goes_on_bit_for_bit(
    overrides: tuple[str, ...], moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given = [*LENGTH, *overrides, "on_divergence=rollback"]
    with monkeypatch.context() as patched:
        with_callbacks(patched, Poison({6, 11}))
        trained(tmp_path / "whole", *given)
    with monkeypatch.context() as patched:
        with_callbacks(patched, KillAt(moment), Poison({6, 11}))
        with pytest.raises(Killed):
            trained(tmp_path / "killed", *given)
    with monkeypatch.context() as patched:
        with_callbacks(patched, Poison({6, 11}))
        trained(tmp_path / "killed", *given, "resume=auto")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")
    for part in ("pace", "rollbacks"):
        assert (
            last(tmp_path / "whole")[part]
            == last(tmp_path / "killed")[part]
            == {"pace": 0.25, "rollbacks": 2}[part]
        )


def test_after_so_many_times_training_stops_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    with_callbacks(monkeypatch, Poison(set(range(6, 1000))))
    given = [*LENGTH, "on_divergence=rollback", "rollback.times=2", "rollback.lr=0.1"]
    assert trained(tmp_path, *given) == 1
    text = " ".join(capsys.readouterr().err.split())
    assert "rollback.times=2 are used up, learning rates were 0.01 of their own." in text
    assert finite(tmp_path)


def test_a_rollback_also_helps_where_a_step_made_the_weights_infinite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Spoil(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            if pl_module.images == 64:
                next(pl_module.task.G.parameters()).data[0] = torch.inf

    with_callbacks(monkeypatch, Spoil())
    code, text = said(tmp_path, *LENGTH, "on_divergence=rollback")
    assert code == 0
    assert "since weights are infinite at 64 images." in text
    assert finite(tmp_path)


def test_lower_learning_rates_save_a_run_that_would_diverge(tmp_path: Path):
    given = ["images=800", "checkpoint_every=80", "optimizer=sgd", "loss=least_squares", "optimizer.lr=1e4"]
    assert trained(tmp_path / "stop", *given) == 1
    saved = ["on_divergence=rollback", "rollback.lr=1e-3", "rollback.times=5"]
    code, text = said(tmp_path / "saved", *given, *saved)
    assert code == 0
    assert "Rolled back" in text
    assert finite(tmp_path / "saved")


def test_a_checkpoint_that_leads_to_disaster_again_is_left_for_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with_callbacks(monkeypatch, Poison({10, 11, 17}))
    code, text = said(tmp_path, *LENGTH, "on_divergence=rollback")
    assert code == 0
    targets = re.findall(r"weights of (\d+) images, since .* at (\d+) images", text)
    assert targets == [("64", "80"), ("32", "88"), ("128", "136")]
    with_callbacks(monkeypatch, Poison({10, 11, 17}))
    assert trained(tmp_path / "little", *LENGTH, "on_divergence=rollback", "disk_budget=9000000") == 0
    assert not (tmp_path / "little" / "checkpoints" / "earlier.ckpt").exists()


def test_the_average_knows_nothing_of_what_was_rolled_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with_callbacks(monkeypatch, Poison({3}))
    trained(tmp_path, *LENGTH, "images=32", "on_divergence=rollback", "checkpoint_every=16")
    gan, _ = load(tmp_path / "checkpoints" / "last.ckpt")
    assert gan.G_ema is not None
    assert same(gan.state_dict(), gan.state_dict())
    assert all(parameter.isfinite().all() for parameter in gan.G_ema.parameters())


# ignore


@pytest.mark.parametrize("poison", [Poison({6}), PoisonGradient({6})], ids=["loss", "gradient"])
def test_an_ignored_iteration_leaves_weights_statistics_optimizers_and_average_as_they_were(
    poison: Callback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: dict[int, Any] = {}

    class Look(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            states = [pl_module.state_dict(), *(it.state_dict()["state"] for it in trainer.optimizers)]
            seen[pl_module.images] = copy.deepcopy(states)

    with_callbacks(monkeypatch, poison, Look())
    code, text = said(tmp_path, *LENGTH, "on_divergence=ignore")
    assert code == 0
    assert same(seen[56], seen[48])
    assert not same(seen[64], seen[56])
    assert text.count("Left out an iteration, since ") == 1
    assert last(tmp_path)["clock"]["images"] == 160


@pytest.mark.parametrize("way", ["rollback", "ignore"])
def test_a_history_of_fakes_that_began_in_a_bad_iteration_is_empty_again(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kept: dict[int, int] = {}

    class Look(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
            kept[pl_module.images] = int(pl_module.task.history["a"].count)

    with_callbacks(monkeypatch, PoisonGradient({0}), Look())
    assert trained(tmp_path, "model=cyclegan", "images=16", f"on_divergence={way}") == 0
    assert kept == {8: 0, 16: 8}


def test_too_many_in_a_row_end_training_but_not_as_many_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    given = [*LENGTH, "on_divergence=ignore", "ignore.times=3"]
    with monkeypatch.context() as patched:
        with_callbacks(patched, Poison({1, 2, 3, 5, 6, 7, 9, 11, 12, 13}))
        assert trained(tmp_path / "now and then", *given) == 0
    with_callbacks(monkeypatch, Poison({1, 2, 3, 4}))
    assert trained(tmp_path / "row", *given) == 1
    text = " ".join(capsys.readouterr().err.split())
    assert "So it was in ignore.times=3 iterations in a row." in text


@pytest.mark.parametrize("moment", [6, 7, 9])
def test_a_run_resumed_while_it_ignores_goes_on_bit_for_bit(
    moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    given = [*LENGTH, "on_divergence=ignore"]
    poison = Poison({3, 6, 7})
    with monkeypatch.context() as patched:
        with_callbacks(patched, poison)
        trained(tmp_path / "whole", *given)
    with monkeypatch.context() as patched:
        with_callbacks(patched, KillAt(moment), poison)
        with pytest.raises(Killed):
            trained(tmp_path / "killed", *given)
    with_callbacks(monkeypatch, poison)
    trained(tmp_path / "killed", *given, "resume=auto")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


# All three.


@pytest.mark.parametrize("way", ["stop", "rollback", "ignore"])
def test_where_nothing_diverges_the_way_does_not_matter(way: str, tmp_path: Path):
    for name, given in (("this", f"on_divergence={way}"), ("plain", "on_divergence=stop")):
        trained(tmp_path / name, *LENGTH, "images=48", given)
    assert_same_run(tmp_path / "this", tmp_path / "plain")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("on_divergence=pray", "on_divergence=pray: give stop, rollback or ignore"),
        ("rollback.times=0", "rollback.times=0: give a whole number of 1 or more"),
        ("ignore.times=many", "ignore.times=many: give a whole number of 1 or more"),
        ("rollback.lr=2", "rollback.lr=2: learning rates are multiplied by a number above 0 and up to 1"),
        ("rollback.lr=0", "rollback.lr=0: learning rates are multiplied"),
    ],
)
def test_wrong_values_are_refused_before_anything_is_written(override: str, message: str, tmp_path: Path):
    with pytest.raises(ValueError, match=message):
        trained(tmp_path / "run", override)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_diverged_is_one_thing_wherever_it_is_imported_from():
    from gantool.gan import Diverged as of_the_loop

    assert of_the_loop is Diverged
