"""Completion in the shell: verbs, then groups, options and keys of the verb."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import Gantool, gantool_here  # noqa: F401, the fixtures

from gantool import catalogue, verbs


@pytest.fixture
def complete(gantool: Gantool, monkeypatch: pytest.MonkeyPatch):
    """What may stand in the place of the last word of a line."""

    def call(line: str, shell: str = "bash", point: int | None = None) -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        if shell == "bash":
            monkeypatch.setenv("COMP_POINT", str(len(line) if point is None else point))
        result = gantool("-sc", f"query={shell}")
        assert (result.code, result.err) == (0, "")
        return result.out.split("\n" if shell == "fish" else None)

    return call


def test_the_first_word_is_a_verb(complete) -> None:
    assert complete("gantool ") == [verb.words[0] for verb in verbs.VERBS]
    assert complete("gantool tr") == ["train", "translate"]
    assert complete("/usr/bin/gantool data ") == ["check"]
    assert complete("gantool nothing ") == []


def test_a_group_is_followed_by_its_options(complete) -> None:
    assert "model=" in complete("gantool train mo")
    assert complete("gantool train model=") == [f"model={name}" for name in catalogue.groups()["model"]]
    assert complete("gantool train seed=3 model=dc") == ["model=dcgan"]
    assert complete("gantool train -m model=dc") == ["model=dcgan"]
    assert complete("gantool data check data=dig") == ["data=digits"]


def test_keys_are_those_of_the_chosen_groups(complete) -> None:
    assert complete("gantool train batch") == ["batch_size="]
    assert complete("gantool train model=wgan loss.adversarial.c") == ["loss.adversarial.clip="]
    assert complete("gantool train optimizer.D.l") == ["optimizer.D.lr="]


def test_groups_that_a_verb_does_not_use_are_not_offered(complete) -> None:
    offered = complete("gantool sample ")
    assert "run=" in offered
    assert not any(choice.startswith(("model", "loss")) for choice in offered)


def test_only_the_line_before_the_cursor_counts(complete) -> None:
    assert complete("gantool tr model=dcgan", point=len("gantool tr")) == ["train", "translate"]


def test_options_and_groups_of_a_list_are_offered(complete) -> None:
    assert complete("gantool train --config-d") == ["--config-dir"]
    assert complete("gantool list lo") == ["logger", "loss"]


def test_a_users_own_options_are_offered(complete) -> None:
    Path("model").mkdir()
    Path("model/dcgan_wide.yaml").touch()
    assert complete("gantool train --config-dir . model=dcgan_") == ["model=dcgan_wide"]
    assert complete("gantool train seed=1 --config-dir . model=dcgan_") == ["model=dcgan_wide"]


def test_a_line_that_is_wrong_so_far_offers_nothing(complete) -> None:
    assert complete("gantool train foo model=") == []
    assert complete("gantool train --config-dir ") == []


def test_fish_gets_a_line_for_each_choice(complete, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMP_POINT", raising=False)
    assert complete("gantool train model=wgan", shell="fish") == ["model=wgan", "model=wgan_gp", ""]


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "-F hydra_bash_completion gantool"),
        ("zsh", "-F hydra_bash_completion gantool"),
        ("fish", "complete -c gantool"),
    ],
)
def test_the_helper_of_each_shell_is_made_for_gantool(gantool: Gantool, shell: str, line: str) -> None:
    result = gantool("-sc", f"install={shell}")
    assert (result.code, result.err) == (0, "")
    assert line in result.out


def test_an_unknown_shell_is_told_in_one_line(gantool: Gantool) -> None:
    result = gantool("-sc", "install=tcsh")
    assert result.code == 2
    assert result.err.startswith("gantool: No completion plugin for 'tcsh'")


def test_completing_imports_no_torch() -> None:
    code = "import sys, gantool.cli; gantool.cli.main(); assert 'torch' not in sys.modules"
    command = [sys.executable, "-c", code, "-sc", "query=bash"]
    environment = {**os.environ, "COMP_LINE": "gantool train model=dc", "COMP_POINT": "22"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert run.stdout == "model=dcgan\n"


def test_bash_completes_with_the_installed_helper() -> None:
    script = """
        eval "$(gantool -sc install=bash)"
        COMP_LINE="gantool train model=wg"; COMP_POINT=22; COMP_CWORD=2
        hydra_bash_completion
        printf '%s\\n' "${COMPREPLY[@]}"
        complete -p gantool
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
    )
    assert run.stdout.split("\n")[:2] == ["model=wgan", "model=wgan_gp"]
    assert "-F hydra_bash_completion gantool" in run.stdout
