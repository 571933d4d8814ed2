"""`gantool …` inside the test process: fixtures for the tests of the command line."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from omegaconf import DictConfig

from gantool import cli


class Result(NamedTuple):
    code: Any
    out: str
    err: str


Gantool = Callable[..., Result]


@pytest.fixture(name="gantool")
def gantool_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Gantool]:
    """Run a command line in this process and in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["gantool", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    yield call
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(name="verb")
def verb_replaced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[DictConfig]]:
    """Put a function in the place of a verb's main(cfg); answers the list of configurations that it gets."""

    def replace(
        main: Callable[[DictConfig], Any] = lambda cfg: None, name: str = "train"
    ) -> list[DictConfig]:
        seen: list[DictConfig] = []
        module = ModuleType(f"gantool.{name}")
        module.main = lambda cfg: (seen.append(cfg), main(cfg))[1]  # pyright: ignore
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return seen

    return replace


def ours(code: str, **names: Any) -> Callable[[DictConfig], Any]:
    """A main(cfg) of this body, as if it were written in gantool itself."""
    namespace = {"__name__": "gantool.fake", **names}
    exec(f"def main(cfg):\n    {code}", namespace)
    return namespace["main"]


def raising(error: Exception) -> Callable[[DictConfig], Any]:
    return ours("raise error", error=error)
