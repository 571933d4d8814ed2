"""A verb under Hydra, whose errors we tell in one line; the verb itself sees the command as typed."""

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gantool import request
from gantool.explain import explain, refuse_missing
from gantool.mistakes import Mistake, stop
from gantool.verbs import Verb

FULL_ERROR = "HYDRA_FULL_ERROR"


def launch(verb: Verb, arguments: list[str]) -> None:
    """Compose the configuration of a verb and call its `main(cfg)`, as often as the sweep asks."""
    asked = os.environ.get(FULL_ERROR)
    command = sys.argv
    wanted = request.parse(verb, arguments)
    sys.path.append(os.getcwd())  # a `_target_` may be a class of the user's own, in the current folder

    def task(cfg: DictConfig) -> Any:
        # The processes of DDP repeat the command as typed, and shall not inherit our setting.
        with argv(command), environ(FULL_ERROR, asked):
            config = OmegaConf.to_container(cfg, resolve=False)
            try:
                refuse_missing(config, wanted)
                return importlib.import_module(verb.module).main(cfg)
            except Exception as error:
                sentence = None if asked == "1" else explain(error, wanted, config)
                if sentence is None:
                    raise
                if HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise Mistake(sentence) from error  # which Hydra keeps until the other jobs are done
                stop(sentence)

    task.__module__ = verb.module  # Hydra takes from here the name of a job that no YAML names
    try:
        run(verb.config, [*wanted.resumed(), *wanted.overrides, *wanted.options], task)
    except Exception as error:
        sentence = None if asked == "1" else explain(error, wanted, None)
        if sentence is None:
            raise
        stop(sentence)


def run(config: str, arguments: list[str], task: Callable[[DictConfig], Any]) -> None:
    """hydra.main with these arguments; its errors are raised."""
    with argv([sys.argv[0], *arguments]), environ(FULL_ERROR, "1"):
        hydra.main(version_base="1.3", config_path="pkg://gantool.conf", config_name=config)(task)()


@contextlib.contextmanager
def argv(arguments: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, arguments
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def environ(name: str, value: str | None) -> Iterator[None]:
    """An environment variable for a while; None = not set."""
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before
