"""A verb under Hydra, whose errors we tell in one line; the verb itself sees the command as typed."""

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, final

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gantool import request
from gantool.explain import explain, refuse_missing
from gantool.flags import refuse_flags
from gantool.mistakes import Mistake, stop
from gantool.request import Request
from gantool.sweeps import job, sweep
from gantool.verbs import Verb

FULL_ERROR = "HYDRA_FULL_ERROR"


def launch(verb: Verb, arguments: list[str]) -> None:
    """Compose the configuration of a verb and call its `main(cfg)`, as often as the sweep asks."""
    wanted = request.parse(verb, arguments)
    task = Task(wanted)
    try:
        with sweep.led(task.sweep) as led:
            ours = [*wanted.resumed(), *sweep.settings(wanted)]
            run(verb.config, [*ours, *wanted.overrides, *wanted.options], task)
    except Exception as error:
        sentence = task.explain(error)
        if sentence is None:
            raise
        stop(sentence)
    if led.code:
        sys.exit(led.code)


@final
class Task:
    """What Hydra calls for each configuration, be it here, in another process or on another machine."""

    def __init__(self, wanted: Request):
        self.wanted = wanted
        self.sweep = f"{time.time_ns()}-{os.getpid()}"  # which command a job belongs to
        self.command = sys.argv
        self.asked = os.environ.get(FULL_ERROR)
        self.folder = os.getcwd()
        self.__module__ = wanted.verb.module  # Hydra takes from here the name of a job that no YAML names

    def __call__(self, cfg: DictConfig) -> Any:
        if self.folder not in sys.path:  # where a `_target_` of the user's own may be
            sys.path.append(self.folder)
        config = OmegaConf.to_container(cfg, resolve=False)
        explain = partial(self.explain, config=config)

        def work() -> Any:
            refuse_missing(config, self.wanted)
            refuse_flags(config, self.wanted)
            return importlib.import_module(self.wanted.verb.module).main(cfg)

        # What main starts, such as the processes of DDP, shall not inherit our setting.
        with argv(self.command), environ(FULL_ERROR, self.asked):
            multirun = HydraConfig.get().mode == RunMode.MULTIRUN
            if multirun and self.wanted.verb.name == "train":
                return job.run(work, cfg, self.sweep, explain, sweep.look)
            try:
                return work()
            except Exception as error:
                sentence = explain(error)
                if sentence is None:
                    raise
                if multirun:
                    raise Mistake(sentence) from error  # which Hydra keeps until the other jobs are done
                stop(sentence)

    def explain(self, error: Exception, config: Any = None) -> str | None:
        """A wrong request as one line, unless the user asked for the traceback."""
        return None if self.asked == "1" else explain(error, self.wanted, config)


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
