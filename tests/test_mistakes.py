"""One line for every wrong request, a traceback for every bug."""

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Gantool, gantool_here, raising, verb_replaced  # noqa: F401, the fixtures
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

# Wrong requests


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("trainn", "No verb trainn. Nearest: train. All: train,"),
        ("data", "No verb data. All: data check."),
        ("model=dcgan train", "model=dcgan comes after the verb: gantool VERB model=dcgan."),
        ("train model=dcgann", "No option dcgann in group model. Nearest: dcgan"),
        ("train model=DCGAN", "No option DCGAN in group model. Nearest: dcgan"),
        ("train trainer=fsdp", "trainer=fsdp: it shards the parameters of one network"),
        ("train model=3", "No option 3 in group model. See: gantool list model"),
        ("train modl=dcgan", "modl=dcgan: no group or key modl. Nearest: model"),
        (
            "train optimizer.D.rl=1",
            "optimizer.D.rl=1: no group or key optimizer.D.rl. Nearest: optimizer.D.lr,",
        ),
        ("train imags=3", "imags=3: no group or key imags. Nearest: images,"),
        ("train lr=3", ", optimizer.D.lr, optimizer.G.lr"),
        ("train model=wgan model.D.widtth=3", "Nearest: model.D.width"),
        ("train imags=3 modl=dcgan", "imags=3: no group or key imags. Nearest: images,"),
        (
            "train xyzzy=3",
            "xyzzy=3: no group or key xyzzy. All: gantool train --help A new key needs a plus: +xyzzy=3",
        ),
        ("train hydra.run.dri=x", "Nearest: hydra.run.dir"),
        ("train ~lss", "~lss: no group or key lss. Nearest: loss"),
        ("train images=", "images= has no value: none is images=null, the empty string"),
        ("train =3", "=3 has no key: write key=value."),
        ("train foo", "foo is not of the form key=value."),
        ("train dcgan", "dcgan is not of the form key=value. Did you mean model=dcgan?"),
        ("train clip=[1", "Cannot read clip=[1 (no viable alternative at input '[1'). Quote"),
        ("train model=dcgan,wgan", "model=dcgan,wgan has several values. To run each add -m;"),
        ("train seed=range(1,3)", "seed=range(1,3) has several values."),
        ("sample run=none trust=no", "trust=no: give true or false."),
        ("export run=none overwrite=off", "overwrite=off: give true or false."),
        ("sample run=none grid=5", "grid=5: give true or false."),
        ("train data.mirror=no", "data.mirror=no: give true or false."),
        ("sample run=none columns=0", "columns=0: give a whole number of 1 or more."),
        ("sample run=none latents=[3,17]", "latents=[3, 17]: name a file of latents."),
        ("train +model=dcgan", "model has an option already: replace it by model=OPTION"),
        ("train --multirn", "unrecognized arguments: --multirn. Nearest: --multirun"),
        ("train --cfg jbo", "invalid choice: 'jbo'"),
        ("train --config-dir nowhere", "nowhere' not found"),
        ("train --config-name nowhere", "No configuration nowhere.yaml. Name its folder: --config-dir DIR"),
        ("sample", "run has no value. Add run=… (a run folder, a checkpoint file, or `latest`)"),
        ("data check data=folder", "data.path has no value. Add data.path=… ("),
        ("sample model=dcgan", "model=dcgan: gantool sample does not use the group model"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    gantool: Gantool, verb: Any, command: str, sentence: str
) -> None:
    seen = verb()
    result = gantool(*command.split())
    assert (result.code, result.out, seen) == (2, "", [])
    assert sentence in result.err
    assert result.err.startswith("gantool: ")
    assert result.err.count("\n") == 1


def test_an_option_that_a_yaml_asks_for_is_told_with_that_yaml(gantool: Gantool) -> None:
    Path("model").mkdir()
    Path("model/mine.yaml").write_text("# @package _global_\ndefaults: [{override /loss: hing}]\n")
    result = gantool("train", "--config-dir", ".", "model=mine")
    assert result.code == 2
    assert "No option hing in group loss" in result.err
    assert "Nearest: hinge" in result.err


def test_a_broken_yaml_is_told_with_its_line(gantool: Gantool) -> None:
    Path("model").mkdir()
    Path("model/mine.yaml").write_text("a: 1\nb: [\n")
    result = gantool("train", "--config-dir", ".", "model=mine")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "mine.yaml" in result.err
    assert "line 3" in result.err


def test_a_broken_interpolation_is_told(gantool: Gantool) -> None:
    result = gantool("train", "images=${data.imags}", "--cfg", "job", "--resolve")
    assert (result.code, result.err) == (2, "gantool: Interpolation key 'data.imags' not found\n")


def test_a_value_error_of_ours_is_its_own_sentence(gantool: Gantool, verb: Any) -> None:
    verb(raising(ValueError("batch_size=10 cannot be shared by 3 turns; use 12.")))
    assert gantool("train") == (2, "", "gantool: batch_size=10 cannot be shared by 3 turns; use 12.\n")


def test_the_user_may_ask_for_the_traceback(
    gantool: Gantool, verb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[Any] = []
    verb(lambda cfg: (got.append(os.environ["HYDRA_FULL_ERROR"]), raising(ValueError("no"))(cfg)))
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="no"):
        gantool("train")
    assert got == ["1"]


def test_other_errors_keep_their_traceback(gantool: Gantool, verb: Any) -> None:
    for error in (
        RuntimeError("a bug"),
        TypeError("main() got an unexpected keyword argument 'x'"),
        KeyError("x"),
    ):
        verb(raising(error))
        with pytest.raises(type(error)):
            gantool("train")


def test_a_comma_within_a_text_asks_for_quotes(gantool: Gantool):  # noqa: F811
    result = gantool("sample", "run=outputs/none", "prompt=a red thing, left")
    assert "for one text write \"prompt='a red thing, left'\"" in result.err


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EACCES, "Permission denied: /far/runs. Choose a folder"),
        (errno.ENOSPC, "No space left on device: /far/runs. Make room"),
    ],
)
def test_a_disk_that_refuses_is_told_in_one_line(
    gantool: Gantool, verb: Any, number: int, sentence: str
) -> None:
    verb(raising(OSError(number, os.strerror(number), "/far/runs")))
    result = gantool("train")
    assert result.code == 2
    assert result.err.startswith(f"gantool: {sentence}")


def test_a_run_folder_that_cannot_be_made_is_told_in_one_line(gantool: Gantool, verb: Any) -> None:
    seen = verb()
    Path("file").touch()
    result = gantool("train", "hydra.run.dir=file/run")
    assert (result.code, seen) == (2, [])
    assert result.err.startswith("gantool: Not a directory: file/run. Choose a folder")


def test_lightnings_word_for_a_wrong_value_is_told_in_one_line(gantool: Gantool, verb: Any) -> None:
    verb(raising(type("MisconfigurationException", (Exception,), {})("No GPU here.")))
    assert gantool("train") == (2, "", "gantool: No GPU here.\n")


# Wrong requests that come to light when classes are built

MODULE = """
class Network:
    def __init__(self, width, norm="batch"):
        if width < 1:
            raise ValueError(f"width={width} must be 1 or more.")
        if width > 100:
            raise RuntimeError("out of memory")
        if width == 50:
            Network(width=5, depth=3)
        if width == 60:
            raise ModuleNotFoundError("Requirement 'wandb>=0.12.10' not met. HINT: pip")


class Wide(Network):
    pass


class Pair:
    def __init__(self, network):
        network(norm="batch")
"""


@pytest.fixture
def build(
    gantool: Gantool,
    verb: Any,
) -> Iterator[Gantool]:
    """`gantool train` of a verb that builds `thing`, from a module `pieces` beside the command."""
    Path("pieces.py").write_text(MODULE)
    Path("thirsty.py").write_text("import wandb_nowhere")
    Path("wants_mlflow.py").write_text("raise ModuleNotFoundError('No module named mlflow', name='mlflow')")

    def main(cfg: DictConfig) -> None:
        thing = instantiate(cfg.thing)
        if cfg.get("late"):
            thing.func(**thing.keywords)

    verb(main)
    yield lambda *arguments: gantool("train", *arguments)
    for name in ("pieces", "thirsty", "wants_mlflow"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("thing", "sentence"),
    [
        (
            "{_target_: pieces.Network, width: 0}",
            "thing: width=0 must be 1 or more. (HYDRA_FULL_ERROR=1 shows",
        ),
        (
            "{_target_: pieces.Network, widtth: 1}",
            "thing.widtth: pieces.Network takes no widtth. Nearest: width. All:",
        ),
        ("{_target_: pieces.Wide, widtth: 1}", "thing.widtth: pieces.Wide takes no widtth. Nearest: width."),
        ("{_target_: pieces.Network}", "thing: Network also needs 'width'."),
        (
            "{_target_: pieces.Network, width: 60}",
            "thing: This needs the package wandb: pip install 'gantool[wandb]'",
        ),
        ("{_target_: pieces.Networkk}", "thing: no pieces.Networkk. Nearest: Network."),
        (
            "{_target_: piece.Network}",
            "thing: no module piece for piece.Network. A module of yours belongs into",
        ),
        (
            "{_target_: gantool.runz.find}",
            "thing: no gantool.runz. Nearest: runs.",
        ),
        (
            "{_target_: thirsty.Logger}",
            "thing: This needs the package wandb-nowhere: pip install wandb-nowhere",
        ),
        (
            "{_target_: wants_mlflow.Logger}",
            "thing: This needs the package mlflow: pip install 'gantool[mlflow]'",
        ),
        ("{_target_: os.system, command: ls}", "thing: "),
        ("{_target_: pieces.Network, width: ???}", "thing.width has no value. Add thing.width=…"),
        ("{_target_: pieces.Network, width: '${widthh}'}", "Interpolation key 'widthh' not found"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line(build: Gantool, thing: str, sentence: str) -> None:
    result = build(f"+thing={thing}")
    assert result.code == 2
    assert sentence in result.err
    assert result.err.count("\n") == 1


def test_the_wrong_keyword_of_a_recipe_is_told_with_its_key(build: Gantool) -> None:
    result = build("+thing={_target_: pieces.Network, _partial_: true, widtth: 2, width: ???}", "+late=true")
    assert result.code == 2
    assert "thing.widtth: pieces.Network takes no widtth. Nearest: width." in result.err


def test_the_wrong_keyword_of_a_recipe_inside_another_class_is_told_with_its_key(build: Gantool) -> None:
    result = build(
        "+thing={_target_: pieces.Pair, network: ${piece}}",
        "+piece={_target_: pieces.Network, _partial_: true, widtth: 2}",
    )
    assert result.code == 2
    assert "piece.widtth: pieces.Network takes no widtth. Nearest: width." in result.err


@pytest.mark.parametrize("width", [500, 50])
def test_a_bug_inside_a_class_keeps_its_traceback(build: Gantool, width: int) -> None:
    with pytest.raises(Exception, match="Error in call to target 'pieces.Network'"):
        build(f"+thing={{_target_: pieces.Network, width: {width}}}")


def test_a_recipe_may_be_completed_later(gantool: Gantool, verb: Any) -> None:
    seen = verb()
    assert gantool("train", "+thing={_target_: pieces.Network, _partial_: true, width: ???}").code == 0
    assert OmegaConf.is_missing(seen[0].thing, "width")


def test_an_error_in_a_process_that_loads_images_is_told_in_one_line(gantool: Gantool, verb: Any):
    told = (
        "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n  x"
    )
    verb(raising(ValueError(f"{told}\nValueError: a.png cannot be read any more\nGive another.\n")))
    result = gantool("train")
    assert result.code == 2
    assert result.err == "gantool: a.png cannot be read any more Give another.\n"
