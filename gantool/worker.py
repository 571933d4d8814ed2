"""Another process of a training on this machine: `python -m gantool.worker PLAN`. Not to be typed."""

import logging
import os
import sys
import threading
import time
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import OmegaConf
from rich.console import Console

from gantool.fit import fit
from gantool.mistakes import stop
from gantool.plan import Plan


def main() -> None:
    """Take part in a training, quietly: the first process speaks for all.

    A polite stop is a success here, or the first process would be killed for it.
    """
    rank = os.environ["LOCAL_RANK"]
    end_with(os.getppid())
    logging.basicConfig(level=logging.WARNING, format=f"%(levelname)s (process {rank}): %(message)s")
    plan = Plan.read(Path(sys.argv[1]))
    try:
        images = instantiate(OmegaConf.create(plan.config).data.set)
        code = fit(plan, images, Console(quiet=True), command=[])
    except ValueError as error:
        stop(f"process {rank}: {error}")
    sys.exit(code if code < 128 else 0)


def end_with(parent: int) -> None:
    """End when the process that started this one is gone, even in the midst of waiting for it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="end-with-parent").start()


if __name__ == "__main__":
    main()
