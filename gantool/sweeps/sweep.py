"""A sweep as its user sees it: a line for every job that ends, and at the end a table and what went wrong."""

import contextlib
import math
import signal
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gantool.mistakes import stop
from gantool.request import Request, key
from gantool.sweeps import job
from gantool.sweeps.job import Failed, Record
from gantool.sweeps.metric import columns, refuse_unknown
from gantool.sweeps.table import gone, rounded, row, show, time_of, write

GRID = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
DIRECTIONS = ("minimize", "maximize")
PATIENCE = 0.5  # seconds between two looks at jobs that run beside each other
TABLE = "sweep.csv"
STUDY = "optimization_results.yaml"  # of Optuna


@final
class Sweep:
    """What the process that leads a sweep knows of it; about its jobs it reads their records."""

    def __init__(self, name: str):
        self.name = name
        self.folder: Path | None = None  # until Hydra has composed the sweep
        self.jobs: int | None = None  # None = not known
        self.swept: list[str] = []
        self.metric: str | None = None
        self.direction = DIRECTIONS[0]
        self.begun: set[int] = set()
        self.told: set[int] = set()
        self.signal = self.code = 0
        self.over = threading.Event()
        self.watcher: threading.Thread | None = None
        self.previous: dict[signal.Signals, Any] = {}
        self.console = Console()

    def begin(self, config: DictConfig) -> None:
        """Called before the first job. Raises Mistake for a request that no job could meet."""
        typed = OverridesParser.create().parse_overrides(arguments(config))
        self.swept = list(dict.fromkeys(key(it.input_line or "") for it in typed if it.is_sweep_override()))
        self.jobs = count(config, typed)
        self.metric, self.direction = config.sweep.metric, config.sweep.direction
        check(config, self.swept)
        self.folder = Path(config.hydra.sweep.dir)
        if config.hydra.launcher._target_ != job.ONE_BY_ONE:
            names = (signal.SIGINT, signal.SIGTERM)
            self.previous = {number: signal.signal(number, self.receive) for number in names}
            self.watcher = threading.Thread(target=self.watch, daemon=True, name="sweep")
            self.watcher.start()

    def watch(self) -> None:
        while not self.over.wait(PATIENCE):
            self.look()

    def receive(self, number: int, frame: FrameType | None) -> None:
        """First time: the running jobs end politely, and no other begins. Second time: leave at once."""
        if self.signal or self.folder is None:
            raise SystemExit(128 + number)
        self.signal = number
        job.stop_others(self.folder, self.name)
        self.say("Stopping when the running jobs have written their checkpoints; again to leave at once.")

    def records(self) -> list[Record]:
        return [] if self.folder is None else [it for it in job.read(self.folder) if it.sweep == self.name]

    def look(self) -> None:
        """Tell which jobs have ended since the last look, and write sweep.csv."""
        records = self.records()
        for record in records if self.watcher is None else []:
            if record.ended is None and record.number not in self.begun:
                self.begun.add(record.number)
                self.say(f"\nJob {record.number}: {self.chosen(record)}")
        new = [it for it in records if it.ended is not None and it.number not in self.told]
        for record in sorted(new, key=lambda it: it.ended or 0):
            self.told.add(record.number)
            if record.status != "refused":  # is told at the end, once for all that are refused alike
                seconds = (record.ended or 0) - record.began
                done = f"{len(self.told)}{f' of {self.jobs}' if self.jobs else ''} {record.status}"
                self.say(f"{done}: {self.chosen(record)}, {time_of(seconds)}")
        if new and self.folder is not None:
            write(self.folder / TABLE, self.rows(records))

    def say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def chosen(self, record: Record) -> str:
        """What distinguishes a job."""
        found = job.choices(record.overrides)
        return " ".join(f"{name}={rounded(found[name])}" for name in self.swept or found if name in found)

    def rows(self, records: list[Record]) -> list[dict[str, str]]:
        return [row(record, self.swept, self.metric) for record in records]

    def finish(self) -> None:
        """Tell how the sweep went. Exits with one sentence where all jobs were refused alike."""
        self.over.set()
        if self.watcher is not None:
            self.watcher.join()
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.look()
        records = self.records()
        for record in records:
            if record.ended is None:
                record.status = "died" if gone(record) else "running"
        if records and all(it.status == "refused" and it.error == records[0].error for it in records):
            stop(records[0].error)
        if records and self.folder is not None:
            self.report(records, self.folder)
        self.code = 128 + self.signal if self.signal else int(not all(record.good for record in records))

    def report(self, records: list[Record], folder: Path) -> None:
        """The table of the jobs, the best of them, and what went wrong."""
        rows = self.rows(records)
        write(folder / TABLE, rows)
        show(rows, self.swept, self.console)
        if best := self.best(records):
            self.say(f"Best: job {best.number}, {self.metric} {best.objective:.6g} with {self.chosen(best)}")
        if (file := folder / STUDY).exists() and file.stat().st_mtime >= records[0].began:
            study = OmegaConf.load(file)
            chosen = " ".join(f"{name}={rounded(value)}" for name, value in study.best_params.items())
            self.say(f"Best of the study: {self.metric} {study.best_value:.6g} with {chosen}")
        self.say(f"All of it: {folder / TABLE}")
        self.complain(records)

    def complain(self, records: list[Record]) -> None:
        """What went wrong, each sentence once."""
        for error in dict.fromkeys(record.error for record in records if record.error):
            same = [record for record in records if record.error == error]
            numbers = ", ".join(str(record.number) for record in same)
            jobs = f"jobs {numbers}" if len(same) > 1 else f"job {numbers}: {self.chosen(same[0])}"
            print(f"gantool: {error} ({jobs})", file=sys.stderr)

    def best(self, records: list[Record]) -> Record | None:
        done = [record for record in records if record.objective is not None]
        sign = 1 if self.direction == "minimize" else -1
        return min(done, key=lambda record: sign * (record.objective or 0), default=None)


LED: ContextVar[Sweep] = ContextVar("LED")  # the sweep that this process leads


@contextlib.contextmanager
def led(name: str) -> Iterator[Sweep]:
    """A sweep until its table, which is shown however the sweep ends; nothing to a single run."""
    sweep = Sweep(name)
    before = LED.set(sweep)
    try:
        yield sweep
    except Failed:
        pass  # its record tells
    except Exception as error:  # of the sweeper or the launcher
        ended = [record for record in sweep.records() if record.ended is not None]
        if type(error).__name__ == "TerminatedWorkerError":  # of joblib
            cure = "often for want of memory: let fewer run at once, by hydra.launcher.n_jobs."
            print(f"gantool: The process of a job was killed, {cure}", file=sys.stderr)
        elif len(ended) != sweep.jobs or any(record.good for record in ended):
            raise
    finally:
        LED.reset(before)
        sweep.finish()


def look() -> None:
    """Called by each job when there is news; for the process that leads the sweep to tell."""
    sweep = LED.get(None)
    if sweep is not None:
        sweep.look()


@final
class Begin(Callback):
    """Hydra's word for it: the sweep is composed, and its first job not begun."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        try:
            LED.get().begin(config)
        except ValueError as error:  # of which Hydra would make a warning
            stop(error)


def settings(request: Request) -> list[str]:
    """Overrides that a sweep needs beside those that were typed, which come after them and count more."""
    if request.verb.name != "train":
        return []
    ours = ["+hydra.callbacks.gantool._target_=gantool.sweeps.sweep.Begin"]
    if "hydra/sweeper=optuna" in request.overrides:
        ours += [
            "hydra.sweeper.direction=${sweep.direction}",
            "hydra.sweeper.max_failure_rate=1.0",  # a failing trial shall not end the sweep
            "hydra.sweeper.n_jobs=${oc.select:hydra.launcher.n_jobs,1}",  # trials at once
        ]
    return ours


# What can be known before the first job.


def check(config: DictConfig, swept: list[str]) -> None:
    """Raise ValueError for a sweep that cannot end well."""
    if config.sweep.direction not in DIRECTIONS:
        raise ValueError(f"sweep.direction={config.sweep.direction}: choose {' or '.join(DIRECTIONS)}.")
    sweeper = config.hydra.sweeper
    if sweeper._target_ != GRID and config.sweep.metric is None:
        known = ", ".join(columns(config))
        raise ValueError(f"This sweeper needs a number to improve: sweep.metric=NAME, one of {known}.")
    if not any(name.partition(".")[0] in ("loss", "model") for name in swept):
        refuse_unknown(config)
    direction = OmegaConf.select(sweeper, "direction", default=config.sweep.direction)
    if getattr(direction, "name", direction) != config.sweep.direction:
        raise ValueError(f"hydra.sweeper.direction={direction}: say sweep.direction={direction} instead.")
    beside = OmegaConf.select(sweeper, "n_jobs", default=1)
    if beside < 1:
        raise ValueError(
            f"n_jobs={beside}: say how many trials may run at once, as in hydra.launcher.n_jobs=2."
        )


def arguments(config: DictConfig) -> list[str]:
    """What the sweeper goes through: hydra.sweeper.params and the command line."""
    params = OmegaConf.select(config.hydra.sweeper, "params", default=None) or {}
    return [*(f"{name}={value}" for name, value in params.items()), *config.hydra.overrides.task]


def count(config: DictConfig, typed: list[Override]) -> int | None:
    """Jobs of a sweep; None where only its sweeper knows."""
    if config.hydra.sweeper._target_ == GRID:
        by_key = {it.get_key_element(): it for it in typed if it.is_discrete_sweep()}
        return math.prod(sum(1 for _ in it.sweep_iterator()) for it in by_key.values())
    if OmegaConf.select(config.hydra.sweeper, "sampler._partial_", default=False):  # a grid of Optuna's
        return None
    return OmegaConf.select(config.hydra.sweeper, "n_trials", default=None)
