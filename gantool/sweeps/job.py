"""One job of a sweep: it fails alone, is quiet beside others, and leaves a record of what became of it."""

import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from gantool.mistakes import Mistake
from gantool.request import key
from gantool.sweeps.metric import objective, refuse_unknown

log = logging.getLogger(__name__)

LOG = "train.log"
RECORDS = "jobs"  # folder inside that of the sweep
STOP = "stop"  # file beside the records: jobs that have not begun shall not
ONE_BY_ONE = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class Failed(RuntimeError):
    """A job failed, and its record says why; for a sweeper that counts failures."""


@dataclass
class Record:
    """What is known of a job.

    `status` is running, finished, diverged, failed, refused, stopped or not started.
    """

    sweep: str  # which command it belongs to: a folder may be swept into again
    number: int
    overrides: list[str]
    folder: str
    host: str
    pid: int
    began: float  # seconds since 1970
    ended: float | None = None
    status: str = "running"
    error: str = ""
    objective: float | None = None

    @property
    def good(self) -> bool:
        return self.status == "finished" and not self.error

    def end(self, status: str, error: str = "") -> None:
        self.status, self.error, self.ended = status, error, time.time()

    def write(self, sweep: Path) -> None:
        """Written beside and moved into place: whoever reads meets a whole record."""
        if os.environ.get("SLURM_PROCID", "0") != "0":  # one process of several that do this job
            return
        file = sweep / RECORDS / f"{self.number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".part").write_text(json.dumps(asdict(self), indent=1))
        file.with_suffix(".part").replace(file)


def read(sweep: Path) -> list[Record]:
    """The records of a sweep folder, by number. Raises ValueError for a damaged one."""
    files = (sweep / RECORDS).glob("*.json")
    return sorted(map(_of, files), key=lambda it: it.number)


def _of(file: Path) -> Record:
    try:
        return Record(**json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is no record of a job ({error}); delete it.") from error


def run(
    work: Callable[[], Any],
    cfg: DictConfig,
    sweep: str,
    explain: Callable[[Exception], str | None],
    tell: Callable[[], None],
) -> float | None:
    """Do the work of one job; answers what the sweep minimises or maximises, None where the job failed.

    Args:
        work: may raise anything, of which only a polite end of a sequential sweep leaves this function.
        cfg: of the job.
        sweep: which command the job belongs to.
        explain: an exception as a sentence, None for a bug.
        tell: called when there is news.
    """
    hydra = HydraConfig.get()
    place, beside = Path(hydra.sweep.dir), hydra.launcher._target_ != ONE_BY_ONE
    record = _begun(hydra, sweep)
    code = 0
    with sigterm_ends():
        if done := _done(record, place, cfg):
            record = done
        elif _is_stopped(place, sweep):
            record.end("not started")
        else:
            record.write(place)
            tell()
            with warnings.catch_warnings(), quiet(Path(record.folder) / LOG, beside):
                code = _attempt(work, record, cfg, explain)
        record.write(place)
    tell()
    gc.collect()  # networks hang together in circles; the next job wants their memory
    if record.status == "stopped" and not beside:
        raise SystemExit(code)
    if not record.good and hydra.sweeper.get("max_failure_rate", 1.0) < 1:
        raise Failed(record.error or record.status)
    return record.objective


def _begun(hydra: HydraConf, sweep: str) -> Record:
    return Record(
        sweep=sweep,
        number=hydra.job.num,
        overrides=list(hydra.overrides.task),
        folder=_relative(hydra.runtime.output_dir),
        host=socket.gethostname(),
        pid=os.getpid(),
        began=time.time(),
    )


def _attempt(
    work: Callable[[], Any], record: Record, cfg: DictConfig, explain: Callable[[Exception], str | None]
) -> int:
    """Do the work and note in the record how it ended; answers the exit code."""
    code: Any = 0
    try:
        refuse_unknown(cfg)
        work()
        record.end("finished")
        _judge(record, cfg)
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
        record.end("stopped")
    except SystemExit as end:
        code = end.code or 0
        error = _last_error(Path(record.folder) / LOG)
        if code in range(129, 160):
            record.end("stopped")
        else:
            record.end("diverged" if "diverged" in error else "failed", error or f"exit code {code}")
    except Exception as error:
        sentence = explain(error)
        if sentence is not None:
            record.end("refused", sentence)
        else:
            log.exception("the job failed")
            record.end("failed", f"{type(error).__name__}: {error}")
    return code


def _done(record: Record, place: Path, cfg: DictConfig) -> Record | None:
    """The record of this job, if an earlier sweep of this folder finished it and `resume=auto` is asked."""
    file = place / RECORDS / f"{record.number}.json"
    if cfg.resume != "auto" or not file.exists():
        return None
    before = _of(file)
    if before.status != "finished" or choices(before.overrides) != choices(record.overrides):
        return None
    before.sweep = record.sweep
    _judge(before, cfg)
    return before


def _judge(record: Record, cfg: DictConfig) -> None:
    """Note what the sweep minimises or maximises, or why that is not known."""
    try:
        record.objective = objective(cfg.sweep.metric, Path(record.folder))
        record.error = ""
    except Mistake as error:
        record.objective, record.error = None, str(error)


def choices(overrides: list[str]) -> dict[str, Any]:
    """Key -> value of what was chosen on the command line; a list or mapping as it was typed."""
    chosen: dict[str, Any] = {}
    for override in OverridesParser.create().parse_overrides(overrides):
        name = key(override.input_line or "")
        if name in ("resume", "trust") or name.startswith("sweep.") or override.is_delete():
            continue
        value = override.value()
        typed = (override.input_line or "").partition("=")[2]
        chosen[name] = value if isinstance(value, str | int | float) else typed
    return chosen


@contextlib.contextmanager
def sigterm_ends() -> Iterator[None]:
    """Before and after training, which has its own answer, SIGTERM ends a job and not its process."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# Jobs beside each other.


@contextlib.contextmanager
def quiet(file: Path, beside: bool) -> Iterator[None]:
    """What a job beside others says goes to its log, and a Ctrl-C is for the sweep to hear."""
    if not beside:
        yield
        return
    with contextlib.suppress(PermissionError):  # a group of its own already
        os.setpgrp()
    root = logging.getLogger()
    for handler in [it for it in root.handlers if not isinstance(it, logging.FileHandler)]:
        root.removeHandler(handler)  # Hydra sets them up anew for every job
    streams = {1: sys.stdout, 2: sys.stderr}
    before = {number: os.dup(number) for number in streams}
    with file.open("a") as own:
        for number, stream in streams.items():
            stream.flush()
            os.dup2(own.fileno(), number)
    try:
        yield
    finally:
        for number, stream in streams.items():
            stream.flush()
            os.dup2(before[number], number)
            os.close(before[number])


def stop_others(place: Path, sweep: str) -> None:
    """Ask the running jobs on this machine to end politely, and those that have not begun not to."""
    (place / RECORDS).mkdir(parents=True, exist_ok=True)
    (place / RECORDS / STOP).write_text(sweep)
    for record in read(place):
        if record.sweep == sweep and record.status == "running" and record.host == socket.gethostname():
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, signal.SIGTERM)


def _is_stopped(place: Path, sweep: str) -> bool:
    file = place / RECORDS / STOP
    return file.exists() and file.read_text() == sweep


def _last_error(file: Path) -> str:
    """The message of the last line of a log that tells an error."""
    lines = file.read_text().splitlines() if file.exists() else []
    errors = [line.partition(" ERROR ")[2] for line in lines if " ERROR " in line]
    return errors[-1] if errors else ""


def _relative(folder: str) -> str:
    """As seen from here, where it lies below."""
    path = Path(folder)
    return str(path.relative_to(Path.cwd()) if Path.cwd() in path.parents else path)
