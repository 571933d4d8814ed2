"""`gantool compare`: which runs are one setting, what may stand in one column, and what is drawn."""

import csv
import io
import json
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, Result, gantool_here, verb_replaced  # noqa: F401, the fixtures
from omegaconf import OmegaConf
from PIL import Image
from rich.console import Console
from small import trained

from gantool import protocols, request, verbs
from gantool.checkpoint import load
from gantool.comparison.curves import panels
from gantool.comparison.grids import enlarged
from gantool.comparison.quantities import Measure, band, moments, quantities, spread
from gantool.comparison.settings import differences, labels, letter, settings_of
from gantool.comparison.table import footnotes, marks, show
from gantool.comparison.trace import Trace, expanded, judged, trace_of, traces
from gantool.finished import generate
from gantool.images import picture_of, to_uint8

FEATURES = {"protocol": "10 fakes", "direction": "minimize"}


def left(folder: Path, config: dict[str, Any], table: str = "", **files: Any) -> Path:
    """A run folder with this configuration, this metrics.csv, and these evaluations."""
    (folder / "metrics").mkdir(parents=True)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    if table:
        (folder / "metrics.csv").write_text("\n".join([*table.split(), ""]))
    for name, record in files.items():
        (folder / "metrics" / f"{name}.json").write_text(json.dumps(record))
    return folder


def trace(folder: Path, config: dict[str, Any], table: str = "", **files: Any) -> Trace:
    return trace_of(str(left(folder, config, table, **files)))


def evaluation(value: float, protocol: str = "p", images: int = 100) -> dict[str, Any]:
    counts = {"images": images, "seed": 0, "truncation": None, "fakes": 10, "reals": 10, "real_fd": 0.5}
    return {"metric": "fd", "checkpoint": "x", "fd": value, "protocol": protocol, **counts}


# Settings.


def test_runs_that_differ_in_their_seed_alone_are_one_setting(tmp_path: Path):
    configs = [{"lr": lr, "seed": seed} for lr, seed in ((1, 0), (2, 0), (1, 1), (2, 5))]
    found = settings_of([trace(tmp_path / str(i), config) for i, config in enumerate(configs)])
    assert [(it.letter, [one.seed for one in it.traces]) for it in found] == [
        ("A", ["0", "1"]),
        ("B", ["0", "5"]),
    ]


def test_how_a_run_is_watched_makes_no_other_setting_but_its_length_does(tmp_path: Path):
    base = {"images": 100, "logger": {"_target_": "x"}, "sample_every": 5, "best": {"metric": "auto"}}
    other = {"images": 100, "logger": {}, "sample_every": 9, "best": {"metric": None}, "trust": True}
    longer = {**base, "images": 200}
    runs = [trace(tmp_path / str(i), config) for i, config in enumerate((base, other, longer))]
    assert [len(it.traces) for it in settings_of(runs)] == [2, 1]


def test_a_class_stands_for_all_that_it_takes_and_keys_of_equal_values_stand_together(tmp_path: Path):
    def config(lr: float, D: dict[str, Any], loss: dict[str, Any]) -> dict[str, Any]:
        return {
            "optimizer": {"lr": lr, "G": {"lr": lr}},
            "model": {"D": D},
            "task": {"D": D},
            "loss": loss,
            "same": 1,
        }

    runs = [
        trace(tmp_path / "a", config(0.1, {"_target_": "gantool.models.dcgan.D", "norm": "batch"}, {})),
        trace(tmp_path / "b", config(0.2, {"_target_": "gantool.models.sngan.D", "blocks": 3}, {"r1": 5})),
    ]
    settings = settings_of(runs)
    found = differences(settings)
    assert [(it.keys, it.values) for it in found] == [
        (["optimizer.lr", "optimizer.G.lr"], ["0.1", "0.2"]),
        (["model.D", "task.D"], ["dcgan.D", "sngan.D"]),
        (["loss.r1"], ["-", "5"]),
    ]
    assert [it.title for it in found] == ["optimizer.lr (+1)", "model.D", "loss.r1"]
    assert labels(settings, found) == [
        "A: optimizer.lr (+1)=0.1, model.D=dcgan.D, loss.r1=-",
        "B: optimizer.lr (+1)=0.2, model.D=sngan.D, loss.r1=5",
    ]


def test_of_other_data_only_the_set_is_told(tmp_path: Path):
    sets = {"mnist": {"_target_": "gantool.data.mnist", "split": "train"}, "ring": {"_target_": "a.b.ring"}}
    runs = [
        trace(tmp_path / name, {"data": {"set": it, "classes": len(name)}, "widths": [len(name)]})
        for name, it in sets.items()
    ]
    found = differences(settings_of(runs))
    assert [(it.keys, it.values) for it in found] == [
        (["data.set"], ["data.mnist", "b.ring"]),
        (["widths"], ["[5]", "[4]"]),
    ]


def test_an_option_stands_for_the_keys_that_follow_from_it_but_for_no_others(tmp_path: Path):
    def config(loss: str, weight: int, logger: str) -> dict[str, Any]:
        adversarial = {"_target_": f"gantool.losses.{loss.title()}"}
        return {
            "groups": {"model": "dcgan", "loss": loss, "logger": logger},
            "loss": {"adversarial": adversarial, "r1": {"weight": weight}},
            "logger": {"_target_": logger},
        }

    runs = [("hinge", 1, "a"), ("wasserstein", 2, "b"), ("wasserstein", 3, "c")]
    some = [trace(tmp_path / str(place), config(*it)) for place, it in enumerate(runs)]
    found = differences(settings_of(some))
    assert [(it.keys, it.values) for it in found] == [
        (["loss"], ["hinge", "wasserstein", "wasserstein"]),
        (["loss.r1.weight"], ["1", "2", "3"]),
    ]
    [one] = differences(settings_of(some[:2]))
    assert (one.title, one.values) == ("loss", ["hinge", "wasserstein"])
    older = trace(tmp_path / "older", {"loss": {"adversarial": {"_target_": "gantool.losses.Hinge"}}})
    told = {it.title for it in differences(settings_of([*some, older]))}
    assert told == {"loss.adversarial", "loss.r1.weight"}


def test_a_schedule_in_the_place_of_a_number_is_told_in_the_same_column(tmp_path: Path):
    rates = [0.1, {"_target_": "gantool.schedules.Linear", "images": 100}]
    runs = [trace(tmp_path / str(place), {"lr": lr, "images": 5}) for place, lr in enumerate(rates)]
    [one] = differences(settings_of(runs))
    assert (one.keys, one.values) == (["lr"], ["0.1", "schedules.Linear"])


def test_there_are_letters_for_any_number_of_settings():
    assert [letter(place) for place in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "ZZ", "AAA"]


# Numbers.


def test_a_setting_has_the_mean_and_the_sample_deviation_of_its_runs():
    found = spread([1.0, 2.0, 3.0, 6.0])
    assert found is not None
    assert (found.mean, found.runs) == (3.0, 4)
    assert found.std == pytest.approx(sqrt((4 + 1 + 0 + 9) / 3))
    assert spread([5.0]) == (5.0, None, 1)
    assert spread([]) is None


def test_the_time_of_training_is_the_sum_of_images_by_speed(tmp_path: Path):
    table = "images,speed/images_per_second,metric/x 100,50, 150,,7 300,100,"
    run = trace(tmp_path / "run", {}, table)
    found = run.seconds(np.array([0.0, 50.0, 100.0, 200.0, 300.0, 400.0]))
    assert found is not None
    assert found.tolist() == [0, 1, 2, 3, 4, 5]  # after the last row at its speed
    assert (run.images, run.took) == (300, 4)
    assert trace(tmp_path / "other", {}, "images,metric/x 100,1").took is None


def noted(folder: Path, direction: str, values: str) -> Trace:
    table = "images,metric/x " + " ".join(f"{10 * i},{it}" for i, it in enumerate(values.split(), 1))
    left(folder, {"seed": int(folder.name)}, table)
    protocols.note(folder, {"metric/x": {"direction": direction, "protocol": "p"}})
    return trace_of(str(folder))


@pytest.mark.parametrize(("direction", "best"), [("minimize", 1.5), ("maximize", 6.0)])
def test_the_best_of_each_run_is_found_before_the_mean(direction: str, best: float, tmp_path: Path):
    settings = settings_of(
        [noted(tmp_path / "1", direction, "5 1 nan 2"), noted(tmp_path / "2", direction, "2 7 3")]
    )
    [found] = quantities(settings)
    assert found.last(0) == spread([2.0, 3.0])
    one = found.best(0)
    assert one is not None
    assert one.mean == best


def test_without_a_known_direction_nothing_is_called_best(tmp_path: Path):
    settings = settings_of([trace(tmp_path / "a", {}, "images,metric/x 1,1 2,3")])
    [found] = quantities(settings)
    assert (found.direction, found.best(0), found.last(0)) == (None, None, (3.0, None, 1))


def test_numbers_of_different_protocols_stand_in_columns_of_their_own_and_that_is_said(tmp_path: Path):
    settings = settings_of(
        [
            trace(tmp_path / "a", {"lr": 1}, fd=evaluation(3.0, "10 fakes")),
            trace(tmp_path / "b", {"lr": 2}, fd=evaluation(4.0, "20 fakes", images=200)),
            trace(tmp_path / "c", {"lr": 3}, fd=evaluation(5.0, "20 fakes", images=300)),
        ]
    )
    found = quantities(settings)
    assert [(it.measure, [len(some) for some in it.values]) for it in found] == [
        (Measure("evaluate/fd", "10 fakes"), [1, 0, 0]),
        (Measure("evaluate/fd", "20 fakes"), [0, 1, 1]),
    ]
    assert footnotes(settings, found, marks(found)) == [
        "[1] evaluate/fd: 10 fakes",
        "[2] evaluate/fd: 20 fakes",
        "evaluate/fd [2] was evaluated at different moments: 200 to 300 images.",
        "Not comparable: evaluate/fd was measured by different protocols, [1] and [2].",
    ]
    assert moments(settings, Measure("evaluate/fd", "20 fakes")) == [200, 300]


def test_metrics_of_trainings_that_measured_differently_are_kept_apart(tmp_path: Path):
    runs = []
    for name, protocol in (("1", "p"), ("2", "q"), ("3", "p")):
        folder = left(tmp_path / name, {"lr": int(name)}, "images,metric/x,D/loss 1,1,1")
        protocols.note(folder, {"metric/x": {"direction": "minimize", "protocol": protocol}})
        runs.append(trace_of(str(folder)))
    runs.append(trace(tmp_path / "4", {"lr": 4, "metrics": {"x": {}}}, "images,metric/x,D/loss 1,1,1"))
    found = quantities(settings_of(runs))
    assert [it.measure.protocol for it in found] == ["p", "q", "not noted by the run: metrics={'x': {}}"]
    titles = [it.title for it in panels(runs, None, marks(found))]
    assert titles == ["metric/x [1]", "metric/x [2]", "metric/x [3]", "D/loss"]


def test_of_several_evaluations_the_latest_counts(tmp_path: Path):
    run = trace(tmp_path / "a", {}, fd_2=evaluation(4.0, images=200), fd_3=evaluation(3.0, images=100))
    [found] = quantities(settings_of([run]))
    assert found.last(0) == (4.0, None, 1)


def test_no_table_is_wider_than_the_terminal_and_none_is_cut_off(tmp_path: Path):
    settings = settings_of([trace(tmp_path / name, {"lr": name}) for name in "ab"])
    found = [(f"title {number}", [f"cell {number}", "x" * number]) for number in range(10, 30)]
    lines = io.StringIO()
    show(settings, found, Console(file=lines, width=80, force_terminal=True, color_system=None))
    told = lines.getvalue()
    assert max(len(line) for line in told.splitlines()) <= 80
    assert all(f"cell {number}" in told and f" {'x' * number} " in told for number in range(10, 30))


def test_a_seed_that_counts_twice_is_told(tmp_path: Path):
    settings = settings_of([trace(tmp_path / name, {"seed": 3}) for name in "ab"])
    [line] = footnotes(settings, [], {})
    assert line.startswith("A has seed 3 more than once, so ± is too small: ")


def test_results_are_told_from_counts_and_from_what_reals_score(tmp_path: Path):
    modes = {"metric": "modes", "images": 5, "protocol": "p"}
    modes |= {"fake": {"modes": 7, "of": 8, "reverse_kl": None, "samples": 9}, "real": {"modes": 8}}
    left(tmp_path / "run", {}, modes=modes, fd=evaluation(3.0), other={"a": 1})
    (tmp_path / "run" / "metrics" / "broken.json").write_text("{")
    found = {file.stem: judged(file) for file in (tmp_path / "run" / "metrics").iterdir()}
    assert {name: [(it.name, it.value) for it in some] for name, some in found.items()} == {
        "modes": [("evaluate/modes", 7)],
        "fd": [("evaluate/fd", 3.0)],
        "other": [],
        "broken": [],
    }


def test_the_mean_of_straight_lines_is_a_straight_line_where_both_are_known():
    one, other = np.array([0.0, 4.0, 10.0]), np.array([2.0, 5.0, 20.0])
    found = band([(one, 2 * one), (other, 4 * other)])
    assert found is not None
    assert found[0].tolist() == [2, 4, 5, 10]
    assert found[1].tolist() == (3 * found[0]).tolist()
    assert band([(np.array([1.0]), np.array([1.0])), (np.array([2.0]), np.array([2.0]))]) is None


# Which runs are meant.


@pytest.mark.parametrize(
    ("typed", "overrides"),
    [
        (["run=A"], ["run=A"]),
        (["run=[A,B]"], ["run=[A,B]"]),
        (["run=A", "seed=1", "run=B"], ["seed=1", "run=[A,B]"]),
        (["run=A", "run=[B,C]", "run=D"], ["run=[A,B,C,D]"]),
        (["run='a b'", "run=x/y-2026.ckpt"], ["run=['a b',x/y-2026.ckpt]"]),
    ],
)
def test_a_repeated_run_is_a_list(typed: list[str], overrides: list[str]):
    assert request.parse(verbs.find(["compare"]), typed).overrides == overrides


def test_of_other_verbs_the_last_run_counts_as_hydra_has_it(gantool: Gantool, verb: Any):  # noqa: F811
    seen = verb(name="sample")
    assert gantool("sample", "run=A", "run=B").code == 0
    assert seen[0].run == "B"


@pytest.mark.parametrize("command", [("run=a b", "run='outputs/c=1'"), ("run=[a b,'outputs/c=1']",)])
def test_both_spellings_reach_the_verb(
    command: tuple[str, ...],
    gantool: Gantool,  # noqa: F811
    verb: Any,
):
    seen = verb(name="compare")
    result = gantool("compare", *command)
    assert result.code == 0, result.err
    assert list(seen[0].run) == ["a b", "outputs/c=1"]


def test_a_folder_of_runs_stands_for_all_of_them_in_the_order_of_their_numbers(tmp_path: Path):
    for name in ("10", "2", "0"):
        left(tmp_path / "sweep" / name, {"lr": int(name)})
    (tmp_path / "sweep" / "jobs").mkdir()
    found = traces([str(tmp_path / "sweep")])
    assert [it.folder.name for it in found] == ["0", "2", "10"]
    assert expanded("latest") == ["latest"]


@pytest.mark.parametrize("name", ["run/x.safetensors", "away.safetensors", "hf://me/x"])
def test_an_exported_file_is_no_run_to_compare(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    left(Path("run"), {})
    for file in ("run/x.safetensors", "away.safetensors"):
        Path(file).write_text("never read")
    with pytest.raises(ValueError, match=f"run={name} is an exported generator") as error:
        traces(["run", name])
    where = ", run." if name.startswith("run/") else "that it comes from."
    assert str(error.value).endswith(where)


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("protocols.json", "", "protocols.json is damaged (Expecting value"),
        ("protocols.json", '{"metric/fd": {}}', "protocols.json is damaged (metric/fd is without direction"),
        ("config.yaml", "data: hello", "config.yaml is damaged (data=hello is no section)"),
        ("config.yaml", "a: [", "config.yaml cannot be read ("),
        ("config.yaml", "[1]", "config.yaml is damaged (it holds no keys)"),
        ("metrics.csv", "images,D/x\n\udcff", "metrics.csv is damaged ("),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_of_the_run_is_read(
    file: str, text: str, sentence: str, tmp_path: Path
):
    run = left(tmp_path / "run", {"lr": 1}, "images,D/x 10,1")
    (run / file).write_bytes(text.encode("utf-8", "surrogateescape"))
    found = trace_of(str(run))
    assert [f"{run / sentence.split()[0]} {sentence.partition(' ')[2]}" in it for it in found.damaged] == [
        True
    ]
    assert "\n" not in found.damaged[0]
    assert found.columns == ([] if file == "metrics.csv" else ["images", "D/x"])


def test_a_row_that_is_too_long_is_read_as_far_as_it_has_names(tmp_path: Path):
    found = trace(tmp_path / "run", {}, "images,D/x 10,1,7")
    assert found.rows == [{"images": 10, "D/x": 1}]


# The command, on trainings.

LENGTH = ("images=64", "log_every=2", "metrics=modes", "evaluate_every=32", "sample_every=32")
POINTS = ("model=mlp", "data=ring", "data.count=500", "data.width=8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two settings of two seeds each, and a translator."""
    folder = tmp_path_factory.mktemp("runs")
    for loss in ("hinge", "wasserstein"):
        for seed in (0, 1):
            own = (f"loss={loss}", f"seed={seed}", "log_every=2", "sample_every=32", "data.channels=1")
            assert trained(folder / f"{loss}-{seed}", *own) == 0
    trained(folder / "pix2pix", "model=pix2pix", "data.hold_out=3", "images=16", "log_every=1")
    trained(folder / "points", *POINTS, *LENGTH)
    return folder


def compared(gantool: Gantool, *arguments: str) -> Result:  # noqa: F811
    result = gantool("compare", *arguments, "out=out", "device=cpu")
    assert (result.code, result.err) == (0, "")
    return result


def table() -> list[dict[str, str]]:
    with Path("out/compare.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_settings_are_told_side_by_side(gantool: Gantool, runs: Path):  # noqa: F811
    names = [f"run={runs / name}" for name in ("hinge-0", "wasserstein-0", "hinge-1", "wasserstein-1")]
    result = compared(gantool, *names, "count=4")
    rows = table()
    assert [row["setting"] for row in rows] == ["A", "B"]
    assert [row["loss.adversarial"] for row in rows] == ["adversarial.Hinge", "adversarial.Wasserstein"]
    assert [(row["runs"], row["seeds"], row["images"]) for row in rows] == [("2", "0 1", "64.0")] * 2
    for row, loss in zip(rows, ("hinge", "wasserstein"), strict=True):
        each = [trace_of(str(runs / f"{loss}-{seed}")).took or 0 for seed in (0, 1)]
        assert float(row["seconds"]) == pytest.approx(sum(each) / 2)
    assert "adversarial.Hinge" in result.out
    with Image.open("out/compare.png") as curves:
        assert curves.width == 1200
    assert [path.name for path in sorted(Path("out").iterdir())] == [
        "compare.csv",
        "compare.png",
        "grids.png",
    ]


def test_every_run_makes_images_of_the_latents_that_sampling_draws(gantool: Gantool, runs: Path):  # noqa: F811
    compared(gantool, f"run={runs / 'hinge-0'}", f"run={runs / 'hinge-1'}", "count=4", "seed=7")
    with Image.open("out/grids.png") as opened:
        sheet = np.array(opened)
    for seed in (0, 1):
        gan, _ = load(runs / f"hinge-{seed}" / "checkpoints" / "last.ckpt")
        fake = torch.cat(list(generate(gan, torch.zeros(4, dtype=torch.long), 7, 64, False)))
        grid = picture_of(enlarged(to_uint8(fake)))
        assert contains(sheet, np.repeat(grid, 3, 2))


def contains(sheet: np.ndarray, picture: np.ndarray) -> bool:
    """Whether a picture lies somewhere on a sheet, pixel by pixel."""
    height, width, _ = picture.shape
    places = [
        (top, left)
        for top in range(sheet.shape[0] - height + 1)
        for left in range(sheet.shape[1] - width + 1)
        if (sheet[top, left] == picture[0, 0]).all()
        and (sheet[top + height - 1, left + width - 1] == picture[-1, -1]).all()
    ]
    return any((sheet[t : t + height, s : s + width] == picture).all() for t, s in places)


def test_runs_without_a_checkpoint_or_without_numbers_are_shown_with_what_they_have(
    gantool: Gantool,  # noqa: F811
    runs: Path,
):
    left(Path("empty"), {"seed": 3})
    (Path("broken") / "checkpoints").mkdir(parents=True)
    left(Path("broken"), {"seed": 4, "lr": 1}, "images,D/x 10,nan")
    (Path("broken") / "checkpoints" / "last.ckpt").write_text("no checkpoint")
    result = compared(gantool, "run=empty", "run=broken", f"run={runs / 'pix2pix'}", f"run={runs / 'points'}")
    assert len(table()) == 4
    for sentence in (
        "A, empty: no picture. There is no empty/checkpoints/last.ckpt.",
        "B, broken: no picture. broken/checkpoints/last.ckpt ",
        f"C, {runs / 'pix2pix'}: shown by its own last picture, ",
        f"D, {runs / 'points'}: shown by its own last picture, ",
    ):
        assert sentence in result.out
    assert "metric/psnr ↑" in result.out
    assert "metric/modes ↑" in result.out
    nothing = compared(gantool, "run=empty", "run=broken")
    assert [path.name for path in Path("out").iterdir() if path.name == "grids.png"] == []
    assert "Grids" not in nothing.out


def test_of_both_directions_of_a_translation_the_first_is_shown(gantool: Gantool):  # noqa: F811
    for name, grey in (("cycle", 90), ("disco", 160)):
        left(Path(name), {"seed": grey})
        (Path(name) / "samples").mkdir()
        for kind, more in (("ab", 0), ("ba", 30)):
            picture = Image.new("RGB", (16, 16), (grey + more,) * 3)
            picture.save(f"{name}/samples/000000064-{kind}.png")
    (Path("cycle") / "protocols.json").write_text("")
    result = compared(gantool, "run=cycle", "run=disco")
    assert "shown by its own last picture, cycle/samples/000000064-ab.png." in result.out
    assert "cycle/protocols.json is damaged" in result.out
    with Image.open("out/grids.png") as opened:
        greys = set(np.array(opened)[:, :, 0].ravel().tolist())
    assert {90, 160} <= greys


def test_curves_can_be_chosen(gantool: Gantool, runs: Path):  # noqa: F811
    both = (f"run={runs / 'hinge-0'}", f"run={runs / 'wasserstein-0'}", "count=1")
    compared(gantool, *both, "curves=D/adversarial")
    with Image.open("out/compare.png") as one:
        height = one.height
    compared(gantool, *both, "curves=[D/adversarial,health/real_logits]")
    with Image.open("out/compare.png") as two:
        assert two.height > height


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "run has no value. Add run=… (two runs or more"),
        (("run=A",), "run=A: that is 1 run, and a comparison takes two or more: run=A run=B, or a folder"),
        (("run=A", "run=A"), "run=A: A is named twice; name each run once."),
        (("run=[A,./A]",), "run=./A: A is named twice; name each run once."),
        (("run=A", "run=nowhere"), "There is no run nowhere."),
        (("run=A", "run=jobs"), "jobs is of no run: jobs holds no config.yaml."),
        (("run=A", "run=B", "curves=D/xx"), "curves=[D/xx]: no metrics.csv of these runs has such a column."),
        (("run=A", "run=B", "count=0"), "count=0: give a whole number of 1 or more."),
        (("run=A,B",), "run=A,B has several values."),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    arguments: tuple[str, ...],
    sentence: str,
    gantool: Gantool,  # noqa: F811
):
    left(Path("A"), {})
    left(Path("B"), {"lr": 1}, "images,D/x 10,1")
    Path("jobs").mkdir()
    result = gantool("compare", *arguments)
    assert result.code == 2
    assert sentence in result.err
    assert result.err.count("\n") == 1
    assert not Path("outputs").exists()
