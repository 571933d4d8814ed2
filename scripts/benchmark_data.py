"""How fast images are loaded, and in how much memory: a set in memory, a folder that is streamed, tar shards.

    python scripts/benchmark_data.py
    python scripts/benchmark_data.py --memory 10000 100000 1000000

Prints images per second of loading alone, in batches of 64 as training gets them, with 0 and 2 workers:
medians over alternating rounds, of rates and of ratios within a round.

With --memory (Linux): the memory of processes that do nothing else, for sets of so many tiny images, in MB:
of the main process after its imports, at its peak while it learns what there is, and afterwards; and what a
forked worker has of its own at its first batch, and gains by --batches of them. The first start of a set
looks at its images, a later one knows them. Most images of a folder are hard links, to spare the disk.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from gantool.data.folder import folder
from gantool.data.image_set import ImageSet
from gantool.data.module import Batches
from gantool.data.order import Order
from gantool.data.shards import shards

BATCH = 64
WARM_UP = 10  # batches before the clock starts: more than workers have prepared while others were timed
PER_SHARD, PER_FOLDER = 10_000, 1_000  # images
VARIANTS = {  # kind of set, workers
    "in memory": ("memory", 0),
    "folder": ("folder", 0),
    "folder, 2 workers": ("folder", 2),
    "shards": ("shards", 0),
    "shards, 2 workers": ("shards", 2),
}


def picture(resolution: int, seed: int) -> bytes:
    """A smooth random JPEG, which takes as long to decode as a photograph."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
    file = io.BytesIO()
    small.resize((resolution, resolution), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def write_folder(root: Path, count: int, resolution: int, linked: bool) -> None:
    for number in range(count):
        file = root / f"{number // PER_FOLDER:05d}" / f"photograph-{number:09d}.jpg"
        if number % PER_FOLDER == 0:
            file.parent.mkdir(parents=True)
            (file.parent / "0.jpg").write_bytes(picture(resolution, number))  # links to one file are limited
        if linked:
            os.link(file.parent / "0.jpg", file)
        else:
            file.write_bytes(picture(resolution, number))
    for first in root.glob("*/0.jpg"):
        first.unlink()


def write_shards(root: Path, count: int, resolution: int) -> None:
    root.mkdir(parents=True)
    content = [picture(resolution, seed) for seed in range(100)]
    for start in range(0, count, PER_SHARD):
        with tarfile.open(root / f"{start // PER_SHARD:05d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in range(start, min(count, start + PER_SHARD)):
                header = tarfile.TarInfo(f"{number:09d}.jpg")
                header.size = len(content[number % 100])
                tar.addfile(header, io.BytesIO(content[number % 100]))


def load(kind: str, root: Path) -> ImageSet:
    if kind == "shards":
        return shards(str(root / "shards"), labels="none")
    return folder(str(root / "folder"), in_memory=kind == "memory")


def batches(images: ImageSet, workers: int) -> Iterator[Any]:
    """As gantool.data.module.ImageData makes them."""
    order = Order(len(images), 0, images.stretches)
    sampler = Batches(order, BATCH, lambda: 0)
    return iter(DataLoader(cast(Any, images), sampler=sampler, batch_size=None, num_workers=workers))


def rate(source: Iterator[Any], count: int) -> float:
    """Images per second."""
    for _ in range(WARM_UP):
        next(source)
    begin = time.perf_counter()
    for _ in range(count):
        next(source)
    return count * BATCH / (time.perf_counter() - begin)


def speed(arguments: argparse.Namespace, root: Path) -> None:
    write_folder(root / "folder", arguments.count, arguments.resolution, linked=False)
    write_shards(root / "shards", arguments.count, arguments.resolution)
    sources = {name: batches(load(kind, root), workers) for name, (kind, workers) in VARIANTS.items()}
    rates: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(arguments.rounds):
        for name, source in sources.items():
            rates[name].append(rate(source, arguments.batches))
    print(f"{arguments.count:,} JPEG of {arguments.resolution} pixels, batches of {BATCH}")
    for name, values in rates.items():
        ratios = [a / b for a, b in zip(values, rates["folder"], strict=True)]
        ratio = f"{name} / folder = {statistics.median(ratios):.2f}" if name != "folder" else ""
        print(f"  {name:18s}{statistics.median(values):10,.0f} images/s   {ratio}", flush=True)


def memory_of(process: int | str, what: str, file: str = "status") -> float:
    """In MB, a line of /proc."""
    lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def own(process: int) -> float:
    """Memory in MB that no other process shares, mapped files included."""
    return memory_of(process, "Private_", "smaps_rollup")


def children() -> list[int]:
    return [int(word) for word in Path("/proc/self/task", str(os.getpid()), "children").read_text().split()]


def measure(kind: str, root: Path, count: int) -> str:
    """What a process of its own says about itself."""
    torch.set_num_threads(1)
    before = memory_of("self", "VmRSS")
    begin = time.perf_counter()
    images = load(kind, root)
    seconds = time.perf_counter() - begin
    peak, after = memory_of("self", "VmHWM"), memory_of("self", "VmRSS")
    source = batches(images, 2)
    next(source)
    workers = [process for process in children() if own(process) > 1]
    first = statistics.mean(map(own, workers))
    for _ in range(count):
        next(source)
    gained = statistics.mean(map(own, workers)) - first
    return f"{seconds:9.1f} s {before:8.0f} {peak:8.0f} {after:8.0f} {first:8.0f} {gained:8.1f}"


def memory(counts: list[int], many: int, root: Path) -> None:
    print("                       start  imports     peak    after   worker   gained")
    for count in counts:
        for kind in ("folder", "shards"):
            place = root / str(count)
            if kind == "folder":
                write_folder(place / "folder", count, 16, linked=True)
            else:
                write_shards(place / "shards", count, 16)
            for start in ("first", "later"):
                command = [sys.executable, __file__, "--only", kind, str(place), "--batches", str(many)]
                environment = os.environ | {"XDG_CACHE_HOME": str(root / "cache")}
                said = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                print(f"{count:9,} {kind} {start:5s}{said.stdout.rstrip()}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="images")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=100, help="of a round; with --memory, of many")
    parser.add_argument("--memory", type=int, nargs="+", metavar="COUNT", help="sizes of sets")
    parser.add_argument("--only", nargs=2, metavar=("KIND", "DIR"), help="measure the memory of one process")
    arguments = parser.parse_args()
    if arguments.only:
        print(measure(arguments.only[0], Path(arguments.only[1]), arguments.batches))
        return
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["XDG_CACHE_HOME"] = f"{temporary}/cache"
        if arguments.memory:
            memory(arguments.memory, arguments.batches, Path(temporary))
        else:
            speed(arguments, Path(temporary))


if __name__ == "__main__":
    main()
