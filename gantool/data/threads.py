"""Work on many files at once in threads, with a progress bar on stderr where it takes long."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 32  # items handed to a thread at a time
AHEAD = 4  # chunks of each thread, done or to do: results wait for whoever takes them, but not all of them
PATIENCE = 1.0  # seconds before the bar appears


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], title: str, chunk: int = CHUNK
) -> Iterator[Result]:
    """The results of `work` in the order of `items`. Pillow decodes and resizes outside of Python's lock."""
    threads = min(16, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads)
    chunks = (items[start : start + chunk] for start in range(0, len(items), chunk))
    submitted = (pool.submit(_all, work, some) for some in chunks)
    waiting: deque[Future[list[Result]]] = deque()
    try:
        with bar(title, len(items)) as advance:
            waiting.extend(islice(submitted, AHEAD * threads))
            while waiting:
                results = waiting.popleft().result()
                waiting.extend(islice(submitted, 1))
                yield from results
                advance(len(results))
    finally:
        pool.shutdown(cancel_futures=True)


def counted(items: Iterable[Item], title: str) -> Iterator[Item]:
    """The same items, with a bar that counts them where that takes long."""
    with bar(title, None) as advance:
        for number, item in enumerate(items, 1):
            yield item
            if number % 1000 == 0:
                advance(1000)


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar that is moved by calling it with the number of items done; None = nobody knows how many."""
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=os.environ.get("LOCAL_RANK", "0") != "0",  # the first of several processes speaks for all
    )
    task = shown.add_task(title, total=total)
    begin, started = time.monotonic(), False

    def advance(count: int) -> None:
        nonlocal started
        shown.advance(task, count)
        if not started and time.monotonic() - begin > PATIENCE:
            shown.start()
            started = True

    try:
        yield advance
    finally:
        if started:
            shown.stop()


def _all(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]
