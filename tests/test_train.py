"""gantool train as a whole: what it says, what it writes, what it refuses before the first batch."""

import csv
import re
import shutil
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from rich.console import Console
from small import SMALL, composed, trained
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gantool.build import build
from gantool.callbacks import progress
from gantool.callbacks.progress import duration
from gantool.checkpoint import load
from gantool.data.module import to_range
from gantool.data.synthetic import synthetic
from gantool.gan import GAN
from gantool.loggers.metrics_csv import MetricsCSV, read
from gantool.train import train


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_folder_holds_what_the_contract_says(tmp_path: Path):
    trained(tmp_path, "logger=tensorboard", "log_every=2", "sample_every=32")
    names = {path.name.split(".tfevents")[0] for path in tmp_path.iterdir()}
    files = {"config.yaml", "environment.json", "events.out", "metrics.csv"}
    assert names == {"checkpoints", "samples"} | files
    pictures = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert pictures == ["000000032.png", "000000064.png", "real.png"]


def test_numbers_are_named_as_in_the_configuration_and_counted_in_images(tmp_path: Path):
    overrides = ["loss=non_saturating_r1", "model.D.norm=layer", "log_every=2"]
    trained(tmp_path, *overrides)
    table = rows(tmp_path)
    assert [int(row["images"]) for row in table] == [16, 32, 48, 64]
    assert {"D/adversarial", "D/r1", "G/adversarial", "speed/images_per_second"} <= table[0].keys()
    assert {"health/real_logits", "health/fake_logits"} <= table[0].keys()


def test_tensorboard_has_the_same_numbers_and_the_sample_pictures(tmp_path: Path):
    trained(tmp_path, "logger=tensorboard", "log_every=2", "sample_every=32")
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) == rows(tmp_path)[0].keys() - {"images"}
    assert tags["images"] == ["samples/fake", "timelapse/fake"]
    assert [event.step for event in events.Images("samples/fake")] == [32, 64]
    logged = [event.value for event in events.Scalars("D/adversarial")]
    assert logged == pytest.approx([float(row["D/adversarial"]) for row in rows(tmp_path)])


def test_mlflow_has_the_same_numbers_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mlflow = pytest.importorskip("mlflow", reason="gantool[mlflow] is not installed")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    trained(tmp_path / "run", "logger=mlflow", f"logger.uri={uri}", "log_every=2", "sample_every=32")
    client = mlflow.MlflowClient(uri)
    [run] = client.search_runs([client.get_experiment_by_name("gantool").experiment_id])
    history = client.get_metric_history(run.info.run_id, "D/adversarial")
    assert [point.step for point in history] == [16, 32, 48, 64]
    assert len(list((tmp_path / "mlflow").rglob("samples_fake*.png"))) == 2


def test_wandb_offline_writes_into_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("wandb", reason="gantool[wandb] is not installed")
    monkeypatch.setenv("WANDB_SILENT", "true")
    trained(tmp_path, "logger=wandb", "logger.offline=true", "log_every=2", "sample_every=32")
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_a_falling_learning_rate_is_logged(tmp_path: Path):
    trained(tmp_path, "optimizer=wgan_gp", "log_every=4")
    rates = [float(row["optimizer/D_lr"]) for row in rows(tmp_path)]
    assert rates == pytest.approx([2e-4 * (1 - 24 / 64), 2e-4 * (1 - 56 / 64)])


def test_the_configuration_in_the_run_folder_is_resolved_and_complete(tmp_path: Path):
    trained(tmp_path)
    text = (tmp_path / "config.yaml").read_text()
    assert "${" not in text
    config = OmegaConf.create(text)
    assert (config.data.channels, config.data.resolution, config.data.classes) == (3, 16, 10)


def test_the_summary_names_networks_parameters_data_and_where_things_are(tmp_path: Path):
    console = Console(record=True, width=200, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    train(composed(*SMALL), tmp_path, [], console)
    console.file.close()
    said = console.export_text()
    for words in (
        "dcgan.Generator",
        "dcgan.Discriminator",
        "parameters",
        "256 images of 3x16x16, 10 classes",
    ):
        assert words in said
    for words in ("Trained", str(tmp_path / "checkpoints" / "last.ckpt"), f"gantool sample run={tmp_path}"):
        assert words in said


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["images=0"], "images=0: give a whole number of 1 or more"),
        (["images=many"], "images=many: give a whole number"),
        (["batch_size=-1"], "batch_size=-1: give a whole number of 1 or more"),
        (["n_critic=0"], "n_critic=0"),
        (["n_critic=1.5"], "n_critic=1.5"),
        (["ema=-5"], "ema=-5: the half-life"),
        (["clip=0"], "clip=0: the largest norm"),
        (["micro_batch=0"], "micro_batch=0"),
        (["seed=x"], "seed=x"),
        (["sample_every=-1"], "sample_every=-1: give a whole number of 0 or more"),
        (["generator_batch_size=99", "share_fakes=false"], "99 is more than the 8 images of an iteration"),
        (["generator_batch_size=4"], "share_fakes=true lets G judge D's fakes"),
        (["model=cgan", "data.classes=0"], "conditional, but the data set has no classes"),
        (["data.resolution=30"], "data.resolution=30: this network halves the image"),
        (["loss=wasserstein_gp"], "set model.D.norm to layer, instance or none"),
        (["trainer.precision=16-mixed"], "trainer.precision=16-mixed: float16 overflows"),
        (["trainer.devices=2"], "trainer.devices=2: one process trains on one device; add"),
        (["optimizer.D.lr=-1"], "optimizer.D: Invalid learning rate: -1"),
        (["optimizer.betas=[0,2]"], "optimizer.D: Invalid beta parameter"),
        (["resume=nowhere"], "nowhere"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_written(
    overrides: list[str], message: str, tmp_path: Path
):
    with pytest.raises(Exception, match=message):
        trained(tmp_path / "run", *overrides)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_a_disk_that_is_too_full_is_refused_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match="0 MB are free, but checkpoints need"):
        trained(tmp_path)
    assert not (tmp_path / "config.yaml").exists()


def test_divergence_ends_with_code_1_and_says_what_was_last_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = ["images=4000", "checkpoint_every=8", "optimizer=sgd", "optimizer.lr=1e4", "loss=least_squares"]
    assert train(composed(*SMALL, *given), tmp_path, given, Console(quiet=True)) == 1
    said = capsys.readouterr().err
    assert "Training diverged" in said
    assert "/adversarial = " in said
    assert f"Last good: {tmp_path / 'checkpoints' / 'last.ckpt'}" in said


def test_rows_are_kept_up_to_the_moment_where_a_run_goes_on(tmp_path: Path):
    first = MetricsCSV(tmp_path, 0)
    for images in (8, 16, 24):
        first.log_metrics({"a": images / 10}, images)
    again = MetricsCSV(tmp_path, 16)
    again.log_metrics({"a": 9.0}, 24)
    assert [(row["images"], row["a"]) for row in read(tmp_path / "metrics.csv")] == [
        ("8", "0.8"),
        ("16", "1.6"),
        ("24", "9.0"),
    ]


def test_a_number_that_comes_late_gets_a_column_of_its_own(tmp_path: Path):
    log = MetricsCSV(tmp_path, 0)
    log.log_metrics({"a": 1.0}, 8)
    log.log_metrics({"a": 2.0, "b": 3.0}, 16)
    log.log_metrics({"b": 4.0}, 24)
    table = read(tmp_path / "metrics.csv")
    assert [row["a"] for row in table] == ["1.0", "2.0", ""]
    assert [row["b"] for row in table] == ["", "3.0", "4.0"]


def test_a_fresh_run_begins_with_an_empty_table(tmp_path: Path):
    MetricsCSV(tmp_path, 0).log_metrics({"a": 1.0}, 8)
    MetricsCSV(tmp_path, 0)
    assert read(tmp_path / "metrics.csv") == []


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_tells_images_speed_time_left_and_both_losses(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(progress, "REFRESH", 0.0)
    monkeypatch.setattr(progress, "LINE", 0.0)
    written = StringIO()
    console = Console(file=written, force_terminal=terminal, width=120)
    train(composed(*SMALL, "log_every=1"), tmp_path, [], console)
    said = written.getvalue()
    assert re.search(r"48 of 64 images · [\d,]+/s · 0:0\d left · D [\d.]+ · G [\d.]+", said)
    assert ("\x1b[" in said) == terminal


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65, "1:05"), (3599.6, "1:00:00"), (7400, "2:03:20")]
)
def test_durations_read_as_a_clock(seconds: float, text: str):
    assert duration(seconds) == text


def test_training_brings_the_mean_of_the_fakes_to_that_of_the_reals(tmp_path: Path):
    """The least that learning means: a tenth of the distance at the start."""
    trained(tmp_path, "data.width=8", "optimizer.lr=2e-3", "images=8_000")
    gan, config = load(tmp_path / "checkpoints" / "last.ckpt")
    real = synthetic()
    mean = to_range(real[list(range(len(real)))]["image"], torch.float32).mean(0)

    def distance(gan: GAN) -> float:
        with torch.no_grad():
            drawn = gan.task.draw({"label": torch.zeros(256)})
            return (gan.task.generate(gan.generator.eval(), drawn)["fake"].mean(0) - mean).norm().item()

    assert distance(gan) < distance(build(config)) / 10
