"""Memory: what this process took at most, what it may have, and how running out of it looks."""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
LARGE = 1 << 60  # bytes; version 1 of cgroups writes "no limit" as a number like this
SIGNS = (  # of RuntimeErrors; CUDA's own is a class
    "can't allocate memory",
    "out of memory",
    "std::bad_alloc",
    "ALLOC_FAILED",
    "could not create a primitive",  # oneDNN, whose code needs memory, too
    "could not create a memory",
)


class OutOfMemory(ValueError):
    """A training wanted more memory than there is."""


@contextlib.contextmanager
def named() -> Iterator[None]:
    """Raise OutOfMemory for any of the errors by which torch, its libraries and Python mean that."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        signs = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not signs and not any(sign in str(error) for sign in SIGNS):
            raise
        asked = re.search(r"allocate ([\d.]+ ?(?:bytes|[KMGT]iB))", str(error))
        reason = (
            f"no room for {asked[1]} more" if asked else str(error).splitlines()[0] if str(error) else "?"
        )
        raise OutOfMemory(f"out of memory ({reason})") from error


def peak(device: torch.device) -> int:
    """Bytes that this process took at most since `forget`.

    On a GPU what torch has reserved, elsewhere what the process has in main memory.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    if sys.platform == "linux":
        return kilobytes("VmHWM")
    import resource  # not on Windows

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget(device: torch.device) -> None:
    """Begin to measure the peak anew, where the system allows it: elsewhere it is that since the start."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            (PROC / "self" / "clear_refs").write_text("5")


def limit(device: torch.device, processes: int = 1) -> int:
    """Bytes that this process may have: what it has and its share of what is free. ValueError on Windows.

    Args:
        device: on a GPU its own memory, elsewhere main memory.
        processes: that share main memory.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    if sys.platform == "win32":
        raise ValueError("dry_run=true does not know how much memory Windows has left; leave it away.")
    if sys.platform != "linux":
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // processes  # taken or not
    import resource  # not on Windows

    most = kilobytes("VmRSS") + min(available(), *rooms()) // processes
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    left = space - kilobytes("VmSize") if space != resource.RLIM_INFINITY else LARGE
    return min(most, kilobytes("VmRSS") + left)


def kilobytes(name: str, file: Path = PROC / "self" / "status") -> int:
    """A number of /proc, in bytes."""
    [line] = [line for line in file.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


def available() -> int:
    """Bytes of main memory that new work may take without swapping."""
    return kilobytes("MemAvailable", PROC / "meminfo")


def rooms() -> Iterator[int]:
    """Bytes that this process may still take in each of its control groups; LARGE at least once.

    A container's limit, and a job's of SLURM. Pages that only cache files do not count as taken.
    """
    yield LARGE
    for line in (PROC / "self" / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" not in controllers.split(",") and controllers:
            continue
        version = "v1" if controllers else "v2"
        top = CGROUPS / ("memory" if controllers else "")
        inside = top / path.lstrip("/")
        for folder in [inside, *inside.parents]:
            if folder == top.parent:
                break
            yield room(folder, version)


def room(folder: Path, version: str) -> int:
    """Bytes left in one control group; LARGE where it has no limit, or is not to be seen from a container."""
    most, now, idle = {
        "v1": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        "v2": ("memory.max", "memory.current", "inactive_file"),
    }[version]
    if not (folder / most).exists():
        return LARGE
    allowed = (folder / most).read_text().strip()
    if allowed == "max" or int(allowed) > LARGE:
        return LARGE
    statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int(allowed) - int((folder / now).read_text()) + int(statistics[idle])
