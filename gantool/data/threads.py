"""Work on many files at once in threads, with a progress bar on stderr where it takes long."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 32  # items handed to a thread at a time
PATIENCE = 1.0  # seconds before the bar appears


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], title: str) -> Iterator[Result]:
    """The results of `work` in the order of `items`. Pillow decodes and resizes outside of Python's lock."""
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=os.environ.get("LOCAL_RANK", "0") != "0",  # the first of several processes speaks for all
    )
    task = bar.add_task(title, total=len(items))
    begin, started = time.monotonic(), False
    try:
        for results in pool.map(lambda chunk: [work(item) for item in chunk], chunks):
            yield from results
            bar.advance(task, len(results))
            if not started and time.monotonic() - begin > PATIENCE:
                bar.start()
                started = True
    finally:
        pool.shutdown(cancel_futures=True)
        if started:
            bar.stop()
