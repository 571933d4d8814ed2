"""A lock between the processes of one machine: who finds it taken waits."""

import errno
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # by some network file systems
log = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that this file stands for. The file stays; the lock ends with the process at the latest.

    Raises OSError where the file cannot be made. On a file system without locks nobody waits, with a warning.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            _take(file.fileno())
            taken = True
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            log.warning("%s: this file system has no locks; start one process after the other.", path.parent)
            taken = False
        try:
            yield
        finally:
            if taken:
                _release(file.fileno())


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> None:
        while True:
            try:
                return msvcrt.locking(file, msvcrt.LK_LOCK, 1)
            except OSError as error:
                if error.errno != errno.EDEADLOCK:  # which means: not within ten seconds
                    raise

    def _release(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _release(file: int) -> None:
        # Not left to closing: a worker forked in the meantime has this file open as well.
        fcntl.flock(file, fcntl.LOCK_UN)
