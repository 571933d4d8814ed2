"""The command line: its help, and its way through Hydra."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import Gantool, gantool_here, ours, verb_replaced  # noqa: F401, the fixtures
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate

from gantool import __version__, catalogue, cli, help, verbs


def imported(*arguments: str, **environment: str) -> tuple[str, set[str]]:
    """Output of a command line in a fresh process, and the modules that it has imported."""
    code = "import sys, gantool.cli\ntry: gantool.cli.main()\nfinally: print('\\0', *sys.modules)"
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    output, _, modules = run.stdout.partition("\0")
    return output, set(modules.split())


# Help


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_without_a_verb_every_verb_is_named_with_three_examples(
    gantool: Gantool, arguments: tuple[str, ...]
) -> None:
    result = gantool(*arguments)
    assert result.code == 0
    assert all(f"{verb.name} " in result.out and verb.summary in result.out for verb in verbs.VERBS)
    assert result.out.count("\n  gantool ") == 3


@pytest.mark.parametrize("verb", verbs.VERBS, ids=lambda verb: verb.config)
def test_the_help_of_a_verb_names_its_groups_its_keys_and_their_comments(
    gantool: Gantool, verb: verbs.Verb
) -> None:
    result = gantool(*verb.words, "--help")
    text = " ".join(result.out.split())
    assert result.code == 0
    assert f"gantool {verb.name}: {verb.summary}" in text
    file = catalogue.FOLDER / f"{verb.config}.yaml"
    if file.exists():
        for group, option in catalogue.defaults(file).items():
            assert f" {group}={option} " in text
        for key in catalogue.keys(file):
            assert f" {key.name}={key.value}" in text
            assert key.comment in text


def test_the_help_of_train_lists_every_model(gantool: Gantool) -> None:
    assert ", ".join(catalogue.groups()["model"]) in " ".join(gantool("train", "-h").out.split())


def test_the_version_is_the_packages(gantool: Gantool) -> None:
    assert gantool("--version").out == f"gantool {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [(), ("--version",), ("train", "--help"), ("list",), ("list", "models")]
)
def test_help_and_lists_import_neither_torch_nor_hydra(arguments: tuple[str, ...]) -> None:
    output, modules = imported(*arguments)
    assert "gantool" in output or "dcgan" in output
    assert not modules & {"torch", "hydra", "omegaconf", "pytorch_lightning"}


def test_composing_a_configuration_imports_no_torch() -> None:
    output, modules = imported("train", "--cfg", "job", "--resolve")
    assert "batch_size: 64" in output
    assert "torch" not in modules


def test_the_script_is_installed() -> None:
    script = Path(sys.executable).with_name("gantool")
    run = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"gantool {__version__}\n"


def test_every_verb_but_list_has_a_configuration_and_a_module() -> None:
    for verb in verbs.VERBS:
        if verb.name != "list":
            assert (catalogue.FOLDER / f"{verb.config}.yaml").is_file()
            assert Path(cli.__file__).with_name(f"{verb.config}.py").is_file()


def test_long_names_leave_their_comment_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = help._section("Title", [("short", "words " * 40), ("long" * 10, "comment")])
    assert max(map(len, text.splitlines())) <= 110
    assert ("long" * 10) + "\n" in text


# Hydra


def test_overrides_reach_the_verb(gantool: Gantool, verb: Any) -> None:
    seen = verb()
    assert gantool("train", "model=wgan", "batch_size=7", "optimizer.D.lr=1").code == 0
    assert seen[0].batch_size == 7
    assert seen[0].optimizer.D.lr == 1
    assert seen[0].loss.adversarial.clip == 0.01


def test_a_verb_of_two_words_is_one_verb(gantool: Gantool, verb: Any) -> None:
    seen = verb(name="data_check")
    assert gantool("data", "check", "data=mnist").code == 0
    assert seen[0].data.resolution


def test_the_verb_sees_the_command_as_typed_and_the_users_own_environment(
    gantool: Gantool, verb: Any
) -> None:
    got: list[Any] = []
    verb(lambda cfg: got.extend([list(sys.argv), os.environ.get("HYDRA_FULL_ERROR")]))
    gantool("train", "--config-dir", ".", "seed=3")
    assert got == [["gantool", "train", "--config-dir", ".", "seed=3"], None]
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_options_and_overrides_may_be_mixed(gantool: Gantool) -> None:
    result = gantool("train", "seed=3", "--cfg", "job", "batch_size=5")
    assert "seed: 3" in result.out
    assert "batch_size: 5" in result.out


def test_a_sweep_runs_every_combination(gantool: Gantool, verb: Any) -> None:
    seen = verb()
    assert gantool("train", "-m", "model=dcgan,wgan", "seed=1,2").code == 0
    assert [(cfg.optimizer.D._target_.rpartition(".")[2], cfg.seed) for cfg in seen] == [
        ("Adam", 1),
        ("Adam", 2),
        ("RMSprop", 1),
        ("RMSprop", 2),
    ]
    assert len(list(Path("outputs/sweeps").glob("*/[0-3]"))) == 4


def test_in_a_sweep_a_failing_job_does_not_stop_the_others(gantool: Gantool, verb: Any) -> None:
    seen = verb(ours("if cfg.seed == 2: raise ValueError(f'seed={cfg.seed} is even.')"))
    result = gantool("train", "-m", "seed=1,2,3")
    assert result.code == 1
    assert [cfg.seed for cfg in seen] == [1, 2, 3]
    assert "gantool: seed=2 is even." in result.err


def test_yaml_groups_and_classes_of_the_user_are_found(gantool: Gantool, verb: Any) -> None:
    Path("mine/model").mkdir(parents=True)
    Path("mine/model/tiny.yaml").write_text(
        "# @package _global_\nmodel: {G: {_target_: tiny_networks.G, width: 3}}\n"
    )
    Path("tiny_networks.py").write_text(
        "class G:\n    def __init__(self, width):\n        self.width = width\n"
    )
    built: list[Any] = []
    verb(lambda cfg: built.append(instantiate(cfg.model.G)))
    result = gantool("train", "--config-dir", "mine", "model=tiny")
    assert result == (0, "", "")
    assert built[0].width == 3


def test_another_main_yaml_may_start_from_ours(gantool: Gantool, verb: Any) -> None:
    seen = verb()
    Path("mine.yaml").write_text("defaults: [train, _self_]\nbatch_size: 9\n")
    assert gantool("train", "--config-dir", ".", "--config-name", "mine").code == 0
    assert seen[0].batch_size == 9


def test_hydras_own_help_is_reachable_with_and_without_a_verb(gantool: Gantool) -> None:
    assert "Hydra (1.3" in gantool("--hydra-help").out
    assert "Hydra (1.3" in gantool("train", "--hydra-help").out


def test_a_verb_ends_with_the_exit_code_that_it_wants(gantool: Gantool, verb: Any) -> None:
    verb(lambda cfg: sys.exit(143))
    assert gantool("train").code == 143


def test_ctrl_c_ends_with_130(gantool: Gantool, verb: Any) -> None:
    verb(ours("raise KeyboardInterrupt"))
    assert gantool("train").code == 130


def test_runs_that_start_in_the_same_second_get_folders_of_their_own(gantool: Gantool, verb: Any):
    seen: list[str] = []
    verb(lambda cfg: seen.append(HydraConfig.get().runtime.output_dir))
    for _ in range(3):
        assert gantool("train").code == 0
    assert len(set(seen)) == 3
