"""Naming a run, and going on with it in its own folder."""

import os
from pathlib import Path
from typing import Any

import pytest
from command import Gantool, gantool_here, verb_replaced  # noqa: F401, the fixtures
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gantool import runs


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run() -> Path:
    """A run with a name that needs quoting, in the folder of the test."""
    folder = Path("outputs/dcgan-digits/it's (1), really = {x}")
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("")
    (folder / "checkpoints" / "last.ckpt").write_text("")
    return folder


@pytest.mark.parametrize("argument", ["folder", "checkpoint", "latest"])
def test_a_resumed_run_goes_on_in_its_own_folder(
    gantool: Gantool, verb: Any, run: Path, argument: str
) -> None:
    def where(cfg: DictConfig) -> None:
        folders.append(HydraConfig.get().runtime.output_dir)

    folders: list[str] = []
    seen = verb(where)
    path = {"folder": run, "checkpoint": run / "checkpoints" / "last.ckpt", "latest": "latest"}[argument]
    quoted = str(path).replace("'", r"\'")
    result = gantool("train", f"resume='{quoted}'", "images=5")
    assert result == (0, "", "")
    assert Path(folders[0]) == run.absolute()
    assert seen[0].resume == str(path)


@pytest.mark.parametrize("value", ["auto", "null"])
def test_resume_auto_leaves_the_run_folder_to_hydra(gantool: Gantool, verb: Any, value: str) -> None:
    verb(lambda cfg: Path("here").write_text(HydraConfig.get().runtime.output_dir))
    assert gantool("train", f"resume={value}").code == 0
    assert Path("here").read_text().startswith(str(Path("outputs/dcgan-digits").absolute()))


def test_resuming_what_does_not_exist_starts_nothing(gantool: Gantool, verb: Any, run: Path) -> None:
    seen = verb()
    result = gantool("train", "resume=outputs/dcgan-digit")
    assert (result.code, seen) == (2, [])
    assert "There is no run outputs/dcgan-digit." in result.err
    assert str(run) in result.err


def test_latest_is_the_run_whose_configuration_is_the_newest() -> None:
    folders = [Path(f"outputs/{name}") for name in ("a-b/1", "sweeps/2026/0", "sweeps/2026/1", "c-d/2")]
    for age, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / "config.yaml").touch()
        os.utime(folder / "config.yaml", (1000 - age, 1000 - age))
    os.utime(folders[2] / "config.yaml", (2000, 2000))
    assert runs.find("latest") == folders[2]


def test_a_folder_of_runs_is_no_run_but_names_them(run: Path) -> None:
    with pytest.raises(
        ValueError, match="outputs/dcgan-digits holds no config.yaml. Runs inside it: "
    ) as error:
        runs.find("outputs/dcgan-digits")
    assert str(run) in str(error.value)


def test_a_run_stands_for_its_last_checkpoint_and_a_checkpoint_for_itself(run: Path) -> None:
    last = run / "checkpoints" / "last.ckpt"
    best = run / "checkpoints" / "best.ckpt"
    best.touch()
    assert runs.checkpoint(str(run)) == last
    assert runs.checkpoint("latest") == last
    assert runs.checkpoint(str(best)) == best
    last.unlink()
    with pytest.raises(ValueError, match="has no checkpoints/last.ckpt. Name one of .*best.ckpt"):
        runs.checkpoint(str(run))
    best.unlink()
    with pytest.raises(ValueError, match="has not got that far"):
        runs.checkpoint(str(run))


def test_without_any_run_there_is_no_latest() -> None:
    with pytest.raises(ValueError, match=r"There is no run below .*outputs. Train one: gantool train"):
        runs.find("latest")
    with pytest.raises(ValueError, match=r"There is no run x. None lies below"):
        runs.find("x")


def test_a_folder_whose_name_is_a_number_is_a_run(run: Path) -> None:
    run.rename("0")
    assert runs.find(0) == Path("0")
    assert runs.checkpoint(0) == Path("0/checkpoints/last.ckpt")


@pytest.mark.parametrize("several", [["a"], ["a", "b"], {"a": 1}])
def test_several_runs_where_one_is_asked_for_are_refused(several: Any) -> None:
    for value in (several, OmegaConf.create(several)):
        for named in (runs.find, runs.checkpoint):
            with pytest.raises(ValueError, match=r"^run=.*a.*: give one run\.$"):
                named(value)
