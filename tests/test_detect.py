"""gantool detect: scores, thresholds, heat maps and numbers of images that a model has not learnt from."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import Gantool, gantool_here  # noqa: F401  # the fixture that tests ask for as `gantool`
from PIL import Image
from rich.console import Console
from small import composed, trained

from gantool import detect
from gantool.anomaly.search import Search
from gantool.spaces import space_of
from gantool.train import train

ONE = ("data=one_class", "data.of=synthetic", "data.normal=3", "data.hold_out=4")
TINY = (*ONE, "model.G.width=4", "batch_size=8", "samples=4", "logger=none", "trainer.accelerator=cpu")


def trained_on_one_class(folder: Path, *overrides: str) -> Path:
    given = [*TINY, *overrides]
    assert train(composed(*given), folder, given, Console(quiet=True)) == 0
    return folder


@pytest.fixture(scope="module")
def ganomaly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_on_one_class(tmp_path_factory.mktemp("ganomaly"), "model=ganomaly", "images=800")


@pytest.fixture(scope="module")
def f_anogan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    numbers = ["images=64", "pretrain=32", "n_critic=1"]
    return trained_on_one_class(tmp_path_factory.mktemp("f_anogan"), "model=f_anogan", *numbers)


@pytest.fixture(scope="module")
def dcgan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dcgan")
    assert trained(folder, "images=64", "ema=50") == 0
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of other sizes and modes, good and bad."""
    place = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for kind in ("good", "bad"):
        (place / kind).mkdir()
        for number in range(5):
            pixels = random.integers(0, 256, (20 + number, 24, 3), np.uint8)
            Image.fromarray(pixels).convert("L" if number == 1 else "RGB").save(
                place / kind / f"{number}.png"
            )
    return place


def do(run: Path, out: Path, *words: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """The table and the record that the verb writes."""
    detect.main(composed(f"run={run}", f"out={out}", "device=cpu", *words, name="detect"))
    with (out / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file)), json.loads((out / "detected.json").read_text())


@pytest.mark.parametrize("name", ["ganomaly", "f_anogan"])
def test_the_test_split_is_judged_with_its_labels(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    table, record = do(request.getfixturevalue(name), tmp_path, "input=test", "maps=3")
    assert len(table) == record["count"] == 4 + 256 - 26
    assert [row["truth"] for row in table].count("no") == 4
    assert record["method"] == "model"
    assert 0 <= record["auroc"] <= 1
    assert record["abnormal"] == 256 - 26
    shares = [float(row["scaled"]) for row in table]
    assert (min(shares), max(shares)) == (0, 1)
    scores = [float(row["score"]) for row in table]
    assert sorted(range(len(table)), key=scores.__getitem__)[-1] == shares.index(1)
    assert [row["abnormal"] for row in table].count("yes") == record["flagged"]
    assert all(
        (row["abnormal"] == "yes") == (score > record["threshold"] * (1 + 1e-6))
        for row, score in zip(table, scores, strict=True)
    )
    assert len(list((tmp_path / "maps").glob("*.png"))) == 3
    assert f"AUROC {record['auroc']:.4f}" in capsys.readouterr().out


def test_normal_training_images_raise_as_many_alarms_as_allowed(ganomaly: Path, tmp_path: Path):
    for rate in (0.0, 0.1, 0.5):
        cfg = composed(f"run={ganomaly}", "input=test", f"false_alarms={rate}", "device=cpu", name="detect")
        run = detect.opened(cfg)
        scores, _ = detect.reference(cfg, run, detect.scorer_of(cfg, run)[1], 1000)
        _, record = do(ganomaly, tmp_path / str(rate), "input=test", f"false_alarms={rate}")
        assert record["reference"] == len(scores) == 22
        assert (scores > record["threshold"]).double().mean() <= rate
        assert (scores >= record["threshold"]).double().mean() > rate


def test_a_folder_without_labels_has_a_threshold_all_the_same(ganomaly: Path, folder: Path, tmp_path: Path):
    table, record = do(ganomaly, tmp_path, f"input={folder}")
    assert [row["path"] for row in table] == sorted(row["path"] for row in table)
    assert {row["path"] for row in table} == {f"{k}/{n}.png" for k in ("good", "bad") for n in range(5)}
    assert "truth" not in table[0]
    assert "auroc" not in record
    assert record["threshold"] > 0
    assert (tmp_path / "maps" / "bad" / "0.png").exists()
    with Image.open(tmp_path / "maps" / "bad" / "0.png") as picture:
        assert picture.size == (3 * 18 + 2, 18 + 2)  # the image, what is made of it, the difference
    assert (tmp_path / "detected.png").exists()


def test_labels_leave_scores_and_threshold_as_they_are(ganomaly: Path, folder: Path, tmp_path: Path):
    without, before = do(ganomaly, tmp_path / "1", f"input={folder}")
    table, record = do(ganomaly, tmp_path / "2", f"input={folder}", "normal=good")
    assert [row["score"] for row in table] == [row["score"] for row in without]
    assert record["threshold"] == before["threshold"]
    assert record["abnormal"] == 5
    assert all((row["truth"] == "yes") == row["path"].startswith("bad/") for row in table)
    _, both = do(ganomaly, tmp_path / "3", f"input={folder}", "normal=[good,bad]")
    assert both["abnormal"] == 0
    assert "auroc" not in both


def test_scores_do_not_depend_on_the_size_of_passes(f_anogan: Path, folder: Path, tmp_path: Path):
    one, _ = do(f_anogan, tmp_path / "1", f"input={folder}", "batch_size=3")
    other, _ = do(f_anogan, tmp_path / "2", f"input={folder}")
    for a, b in zip(one, other, strict=True):
        assert float(a["score"]) == pytest.approx(float(b["score"]), rel=1e-4)


def test_maps_of_all_or_none(ganomaly: Path, folder: Path, tmp_path: Path):
    do(ganomaly, tmp_path / "none", f"input={folder}", "maps=0")
    assert not (tmp_path / "none" / "maps").exists()
    do(ganomaly, tmp_path / "all", f"input={folder}", "maps=null")
    assert len(list((tmp_path / "all" / "maps").rglob("*.png"))) == 10


def test_without_a_reference_there_is_no_threshold(ganomaly: Path, tmp_path: Path):
    table, record = do(ganomaly, tmp_path, "input=test", "reference=0", "count=30")
    assert record["threshold"] is None
    assert len(table) == 30
    assert {row["abnormal"] for row in table} == {""}
    assert "flagged" not in record


def test_any_generator_of_latents_is_searched(dcgan: Path, folder: Path, tmp_path: Path):
    words = [f"input={folder}", "reference=3"]
    _, record = do(dcgan, tmp_path / "0", *words, "steps=0")
    assert record["method"] == "search"
    none, _ = do(dcgan, tmp_path / "1", *words, "steps=0", "feature_share=0")
    some, _ = do(dcgan, tmp_path / "2", *words, "steps=30", "feature_share=0")
    total = [sum(float(row["score"]) for row in table) for table in (none, some)]
    assert total[1] < total[0]
    again, _ = do(dcgan, tmp_path / "3", *words, "steps=30", "feature_share=0")
    assert [row["score"] for row in again] == [row["score"] for row in some]


def test_an_image_that_the_generator_makes_is_found(dcgan: Path, tmp_path: Path):
    """Where the search begins: with the very latents."""
    cfg = composed(f"run={dcgan}", "input=x", "device=cpu", name="detect")
    run = detect.opened(cfg)
    space = space_of(run, "z")
    search = Search(run, space, steps=0, share=0.1, seed=0, batch_size=64)
    made = next(space.images(search.candidates[5:8], torch.zeros(3, dtype=torch.long), 3))
    score, again = search(made)
    torch.testing.assert_close(again.cpu(), made)
    assert score.abs().max() < 1e-2


def test_f_anogan_can_be_searched_too(f_anogan: Path, tmp_path: Path):
    _, record = do(f_anogan, tmp_path, "input=test", "method=search", "steps=2", "count=10", "reference=0")
    assert record["method"] == "search"


def test_f_anogan_before_its_encoder_is_searched(tmp_path: Path):
    run = trained_on_one_class(tmp_path / "run", "model=f_anogan", "images=8", "pretrain=8", "n_critic=1")
    words = ["input=test", "steps=1", "count=4", "reference=0"]
    _, record = do(run, tmp_path / "out", *words)
    assert record["method"] == "search"
    with pytest.raises(ValueError, match="method=model: .* has not learnt to tell abnormal images"):
        do(run, tmp_path / "out", *words, "method=model")


def test_an_encoder_that_would_never_learn_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"pretrain=9: .* would never begin, as training ends at images=8"):
        trained_on_one_class(tmp_path / "run", "model=f_anogan", "images=8", "pretrain=9", "n_critic=1")


@pytest.mark.parametrize("kind", ["stddev", "discrimination"])
def test_a_search_judges_each_image_alone_whatever_d_compares(kind: str, folder: Path, tmp_path: Path):
    assert trained(tmp_path / "run", "images=8", f"model.D.minibatch={kind}") == 0
    words = [f"input={folder}", "steps=2", "count=6", "reference=0", "maps=0"]
    tables = [do(tmp_path / "run", tmp_path / f"of{n}", *words, f"batch_size={n}")[0] for n in (1, 3)]
    scores = [[float(row["score"]) for row in table] for table in tables]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


def test_a_search_by_a_d_of_packs_is_refused_but_for_pixels_alone(folder: Path, tmp_path: Path):
    assert trained(tmp_path / "run", "images=8", "trick=pacgan") == 0
    words = [f"input={folder}", "steps=1", "count=3", "reference=0", "maps=0"]
    with pytest.raises(ValueError, match="feature_share: this D judges packs .* give feature_share=0"):
        do(tmp_path / "run", tmp_path / "out", *words)
    rows, _ = do(tmp_path / "run", tmp_path / "out", *words, "feature_share=0")
    assert len(rows) == 3


def test_results_are_replaced_on_request_alone_and_leave_no_old_maps(
    ganomaly: Path, folder: Path, tmp_path: Path
):
    out = tmp_path / "out"
    rows, _ = do(ganomaly, out, f"input={folder}", "reference=0", "maps=null")
    assert len(list((out / "maps").rglob("*.png"))) == len(rows) == 10
    (out / "maps" / "mine.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"scores\.csv exists already; give another out, or overwrite=true"):
        do(ganomaly, out, f"input={folder}", "reference=0", "maps=1")
    rows, _ = do(ganomaly, out, f"input={folder}", "reference=0", "maps=1", "overwrite=true")
    assert len(list((out / "maps").rglob("*.png"))) == 2
    with pytest.raises(ValueError, match=r"scores\.csv is a file; give a folder"):
        do(ganomaly, out / "scores.csv", f"input={folder}")


def test_corrupt_files_are_told_and_left_out(
    ganomaly: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shutil.copytree(folder, tmp_path / "in")
    (tmp_path / "in" / "bad" / "7.png").write_bytes(b"no image")
    with pytest.raises(SystemExit):
        do(ganomaly, tmp_path / "out", f"input={tmp_path / 'in'}")
    assert "bad/7.png" in capsys.readouterr().err
    with (tmp_path / "out" / "scores.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 10


@pytest.mark.parametrize(
    ("run", "words", "says"),
    [
        ("ganomaly", ["input=nowhere"], "input=nowhere is not there"),
        ("ganomaly", ["input=test", "normal=good"], "normal=good: input=test knows its normal images"),
        ("ganomaly", ["input=FOLDER", "normal=fine"], "normal=fine: no image .* folders: bad, good"),
        ("ganomaly", ["input=test", "method=search"], "method=search: .* a search needs latents"),
        ("ganomaly", ["input=test", "method=magic"], "method=magic: choose auto, model or search"),
        ("ganomaly", ["input=test", "false_alarms=5"], "false_alarms=5: give a share"),
        ("ganomaly", ["input=test", "feature_share=2"], "feature_share=2: give a share"),
        ("ganomaly", ["input=test", "maps=-1"], "maps=-1: give a whole number"),
        ("ganomaly", ["input=test", "reference=few"], "reference=few: give a whole number"),
        ("dcgan", ["input=test"], "input=test: this run was not trained with data=one_class"),
        ("dcgan", ["input=FOLDER", "method=model"], "method=model: .* has not learnt to tell"),
    ],
)
def test_wrong_requests_end_in_one_line(
    run: str,
    words: list[str],
    says: str,
    request: pytest.FixtureRequest,
    folder: Path,
    gantool: Gantool,  # noqa: F811
):
    words = [word.replace("FOLDER", str(folder)) for word in words]
    answer = gantool("detect", f"run={request.getfixturevalue(run)}", "device=cpu", *words)
    assert answer.code == 2
    assert answer.err.count("\n") == 1, answer.err
    assert re.search(says, answer.err), answer.err


def test_conditional_generators_are_refused(tmp_path: Path, folder: Path):
    assert trained(tmp_path / "run", "model=cgan", "images=8") == 0
    with pytest.raises(ValueError, match="method=search: .* not conditional"):
        do(tmp_path / "run", tmp_path / "out", f"input={folder}")


def test_other_verbs_know_ganomaly(ganomaly: Path, folder: Path, gantool: Gantool):  # noqa: F811
    answer = gantool("sample", f"run={ganomaly}", "device=cpu")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "use gantool translate" in answer.err
    assert gantool("translate", f"run={ganomaly}", f"input={folder}", "out=out", "device=cpu").code == 0
    assert len(list(Path("out").rglob("*.png"))) == 10
    exported = gantool("export", f"run={ganomaly}", "out=G.safetensors")
    assert exported.code == 0
    answer = gantool("detect", "run=G.safetensors", f"input={folder}", "out=detected", "device=cpu")
    assert answer.code == 0, answer.err


def test_other_verbs_know_f_anogan(f_anogan: Path, folder: Path, gantool: Gantool):  # noqa: F811
    for verb in (
        ["sample", "count=4"],
        ["interpolate"],
        ["project", "steps=2", f"image={folder / 'bad' / '0.png'}"],
    ):
        answer = gantool(verb[0], f"run={f_anogan}", f"out={verb[0]}", "device=cpu", *verb[1:])
        assert answer.code == 0, answer.err
    assert gantool("export", f"run={f_anogan}", "out=G.safetensors").code == 0
    answer = gantool("detect", "run=G.safetensors", f"input={folder}", "device=cpu", "reference=0")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "without its discriminator" in answer.err


def test_every_key_of_the_verb_is_read():
    code = Path(detect.__file__).read_text()
    for key in composed("run=x", "input=y", name="detect"):
        assert f"cfg.{key}" in code or f'"{key}"' in code, key
