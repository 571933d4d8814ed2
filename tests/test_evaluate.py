"""gantool evaluate: from the checkpoint alone to a file of numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # a fixture
from omegaconf import OmegaConf
from PIL import Image
from small import composed, trained
from test_data_sets import offline, write_mnist  # noqa: F401  # a fixture

from gantool import clouds
from gantool.build import build
from gantool.callbacks.samples import sample
from gantool.checkpoint import load
from gantool.data.points import ring
from gantool.sample import main as sample_main

POINTS = ("model=mlp", "data=ring", "data.count=500", "data.width=8", "images=16", "batch_size=8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    assert trained(folder, *POINTS) == 0
    return folder


def numbers(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


def test_a_hardly_trained_run_is_measured_end_to_end(run: Path, gantool: Gantool):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    answer = gantool("evaluate", f"run={run}", "device=cpu", "metrics=modes")
    assert answer.code == 0, answer.err
    file = run / "metrics" / "modes-000000016-seed0.json"
    found = numbers(file)
    assert (found["fake"]["samples"], found["fake"]["of"], found["images"]) == (2500, 8, 16)
    assert found["real"]["modes"] == 8
    assert found["real"]["high_quality"] > 0.95
    for words in (
        "of 8 (real data 8)",
        "real data scores 9",
        "a perfect generator 0.0014",
        "2,500",
        str(file),
    ):
        assert words in answer.out
    assert {path for path in run.rglob("*") if path.is_file()} - {file} == before.keys()
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_metric_count_seed_and_folder_can_be_chosen(run: Path, gantool: Gantool, tmp_path: Path):  # noqa: F811
    options = ["metrics=modes", "count=30", "batch_size=7", "seed=3", "device=cpu"]
    assert gantool("evaluate", f"run={run}", *options, f"out={tmp_path / 'a'}").code == 0
    assert gantool("evaluate", f"run={run}", *options, "batch_size=30", f"out={tmp_path / 'b'}").code == 0
    one, other = (numbers(tmp_path / name / "modes-000000016-seed3.json") for name in "ab")
    assert one["real"] == other["real"]
    assert one["fake"]["samples"] == one["real"]["samples"] == 30


def test_numbers_by_another_protocol_stay(run: Path, gantool: Gantool, tmp_path: Path):  # noqa: F811
    for samples in (30, 40, 30):
        options = ["metrics=modes", f"count={samples}", "device=cpu", f"out={tmp_path}"]
        assert gantool("evaluate", f"run={run}", *options).code == 0
    first, second = tmp_path / "modes-000000016-seed0.json", tmp_path / "modes-000000016-seed0-2.json"
    assert {*tmp_path.iterdir()} == {first, second}
    assert [numbers(file)["fake"]["samples"] for file in (first, second)] == [30, 40]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["count=0"], "count=0: give a whole number of 1 or more"),
        (["batch_size=many"], "batch_size=many: give a whole number"),
        (["run=nowhere"], "There is no run nowhere"),
        (["device=nowhere"], "device=nowhere: not available here"),
        (["metrics=fidd"], "Nearest: fid50k. See: gantool list metrics"),
        ([], "metrics is empty, and this run measured nothing in training: choose metrics=likeness"),
    ],
)
def test_a_wrong_request_is_one_line(options: list[str], message: str, run: Path, gantool: Gantool):
    answer = gantool("evaluate", f"run={run}", "device=cpu", *options)
    assert answer.code == 2
    assert message in answer.err
    assert len(answer.err.strip().splitlines()) == 1


def test_a_run_on_other_data_is_refused_before_its_data_are_read(
    gantool: Gantool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # noqa: F811
):
    assert trained(tmp_path / "run", "images=8") == 0
    monkeypatch.setattr("gantool.data.synthetic.synthetic", pytest.fail)
    answer = gantool("evaluate", f"run={tmp_path / 'run'}", "device=cpu", "metrics=modes")
    assert answer.code == 2
    assert answer.err.strip() == (
        "gantool: metrics=modes needs data=ring, grid or stacked_mnist; this run was trained on synthetic."
    )


def test_data_made_by_unknown_code_need_trust(gantool: Gantool, tmp_path: Path, run: Path):  # noqa: F811
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    checkpoint["gantool"]["config"]["data"]["set"]["count"] = {"_target_": "os.getpid"}
    folder = tmp_path / "foreign" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(checkpoint, folder / "last.ckpt")
    (folder.parent / "config.yaml").write_text("{}")
    for verb in ("evaluate", "sample"):
        options = ["metrics=modes"] if verb == "evaluate" else []
        answer = gantool(verb, f"run={folder.parent}", "device=cpu", *options)
        assert answer.code == 2
        assert "data.set.count: the checkpoint wants to build os.getpid" in answer.err
        assert "trust=true" in answer.err


@pytest.mark.usefixtures("offline")
def test_stacked_digits_are_measured_or_the_missing_folder_is_named(
    gantool: Gantool,
    tmp_path: Path,  # noqa: F811
):
    write_mnist(tmp_path / "MNIST" / "raw", 200)
    data = ["data=stacked_mnist", "data.count=60", f"data.root={tmp_path}"]
    folder = tmp_path / "run"
    small = ["model.G.width=4", "images=8", "batch_size=8", "logger=none", "trainer.accelerator=cpu"]
    assert gantool("train", "model=mlp", *data, *small, f"hydra.run.dir={folder}").code == 0
    metric = ("metrics=modes", "metrics.modes.learn=200")
    request = ("evaluate", f"run={folder}", "device=cpu", "count=20", *metric)
    cache = f"metrics.modes.cache={tmp_path / 'cache'}"
    answer = gantool(*request, cache)
    assert answer.code == 0, answer.err
    found = numbers(folder / "metrics" / "modes-000000008-seed0.json")
    assert (found["fake"]["of"], found["fake"]["samples"]) == (1000, 20)
    assert "high_quality" not in found["fake"]
    assert "% of MNIST's test set" in answer.out
    for file in (tmp_path / "MNIST" / "raw").iterdir():
        file.unlink()
    answer = gantool(*request, cache)
    assert answer.code == 2
    assert "has no complete MNIST" in answer.err


def test_samples_of_points_are_a_cloud_and_a_table_in_the_datas_own_units(run: Path, tmp_path: Path):
    sample_main(composed(f"run={run}", "count=3", "device=cpu", f"out={tmp_path}", name="sample"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cloud.png", "points.csv"]
    with Image.open(tmp_path / "cloud.png") as picture:
        assert picture.size == (clouds.SIDE, clouds.SIDE)
    header, *rows = (tmp_path / "points.csv").read_text().splitlines()
    points = torch.tensor([[float(number) for number in row.split(",")] for row in rows])
    assert header == "x,y"
    assert points.shape == (3, 2)

    from gantool.sample import generate

    gan, config = load(run / "checkpoints" / "last.ckpt")
    drawn = torch.cat(list(generate(gan, torch.zeros(clouds.COUNT, dtype=torch.long), 0, 64, "auto")))
    torch.testing.assert_close(points, drawn[:3].flatten(1) * config.data.scale, atol=1e-4, rtol=1e-4)


def test_a_table_or_a_cloud_alone(run: Path, tmp_path: Path):
    for left_out, left in (("grid=false", "points.csv"), ("singles=false", "cloud.png")):
        out = tmp_path / left.partition(".")[0]
        sample_main(composed(f"run={run}", left_out, "device=cpu", f"out={out}", name="sample"))
        assert [path.name for path in out.iterdir()] == [left]


def test_a_training_on_points_leaves_clouds(run: Path):
    for name in ("real", "000000016"):
        with Image.open(run / "samples" / f"{name}.png") as picture:
            assert picture.size == (clouds.SIDE, clouds.SIDE)


def test_a_cloud_disturbs_neither_chance_nor_networks():
    gan = build(composed("model=mlp", "data=ring", "data.width=4"))
    before = {name: value.clone() for name, value in gan.state_dict().items()}
    state = torch.random.get_rng_state()
    clouds.landscape(gan)
    sample(gan, ring(count=10)[range(5)], 0)
    assert torch.equal(state, torch.random.get_rng_state())
    assert gan.task.D.training
    for name, value in gan.state_dict().items():
        assert torch.equal(value, before[name])


def test_every_key_is_read_by_somebody():
    root = Path(__file__).parent.parent
    code = (root / "gantool" / "evaluate.py").read_text()
    keys = OmegaConf.to_container(OmegaConf.load(root / "conf" / "evaluate.yaml"))
    for key in keys.keys() - {"defaults", "hydra"}:  # pyright: ignore
        assert f"cfg.{key}" in code or f'"{key}"' in code, f"nobody reads {key} of evaluate.yaml"
