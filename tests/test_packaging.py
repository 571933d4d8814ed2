"""What is installed: every package, every configuration, and nothing that only this machine has."""

import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(tomllib is None, reason="Python 3.10 has no reader of TOML")
def test_every_folder_with_code_is_packaged():
    assert tomllib is not None
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "gantool").rglob("__init__.py")
    }
    assert listed == folders | {"gantool.conf"}


@pytest.mark.skipif(tomllib is None, reason="Python 3.10 has no reader of TOML")
def test_torch_and_torchvision_have_no_upper_bound():
    assert tomllib is not None
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        if name.startswith("torch"):
            assert "<" not in name


def test_the_top_level_holds_what_it_should():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode or not tracked.stdout:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    allowed = {"pyproject.toml", "README.md", "gantool", "conf", "tests", "scripts", "outputs"}
    allowed |= {"LICENSE", "CONTRIBUTING.md", "CHANGELOG.md"}
    assert {name for name in top if not name.startswith(".")} <= allowed
    assert [line for line in tracked.stdout.splitlines() if line.startswith("outputs/")] == [
        "outputs/.gitkeep"
    ]


def test_no_file_of_code_is_longer_than_300_lines():
    for path in [*(ROOT / "gantool").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 300, path


def test_every_file_of_code_begins_with_a_sentence():
    for path in [*(ROOT / "gantool").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        assert path.read_text().startswith('"""'), path


def test_the_installed_configuration_is_the_one_of_the_repository():
    import gantool.conf

    installed = Path(str(gantool.conf.__file__)).parent
    ours = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    assert {path.relative_to(installed) for path in installed.rglob("*.yaml")} == ours
