"""How long distances between sets of features take, and how much memory, against the tools that others use.

    python scripts/benchmark_metrics.py --count 10000 50000 --features 2048

Fréchet distance, kernel distance (100 subsets of 1,000), precision and recall (k = 3), density and coverage
(k = 5), each of so many fakes and as many reals: ours, torch-fidelity's, prdc's, and the Fréchet distance by
scipy's sqrtm as pytorch-fid has it. Features are random numbers of a covariance that falls off as real ones
do. Each is measured in a process of its own, one after the other: seconds without the reading of features,
and as a multiple of ours; seconds of all processors together, which a busy machine disturbs less; the peak of
memory beyond the features (Linux); and the numbers, which should agree. Of float32 features torch-fidelity
sums kernels in float32, which gets 1e-7 or so wrong of a distance of any size.

Where matrices of N x N do not fit: torch-fidelity saves memory beyond 20,000 features, as it is told to here;
prdc cannot, and is left out.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

Numbers = dict[str, float]
CALM = {"OMP_WAIT_POLICY": "passive"}  # or threads that wait for others keep a busy machine from these
MANY = 20_000  # features of which a matrix of N x N is too large: 3 GB in float64


def features(count: int, width: int) -> tuple[Tensor, Tensor]:
    """Fakes and reals, (N, F), float32."""
    chance = torch.Generator().manual_seed(0)
    scale = torch.arange(1, width + 1) ** -0.5  # (F,)
    rotation = torch.linalg.qr(torch.randn(width, width, generator=chance)).Q
    fake, real = (torch.randn(count, width, generator=chance) for _ in range(2))
    return (fake * 1.05 + 0.05) * scale @ rotation, real * scale @ rotation


def frechet(fake: Tensor, real: Tensor) -> Numbers:
    from gantool.metrics.frechet import Frechet

    return Frechet().against(real)(fake)


def frechet_fidelity(fake: Tensor, real: Tensor) -> Numbers:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    of = [fid_features_to_statistics(it) for it in (fake, real)]
    return fid_statistics_to_metric(*of, verbose=False)


def frechet_sqrtm(fake: Tensor, real: Tensor) -> Numbers:
    from scipy.linalg import sqrtm

    mine, theirs = fake.numpy(), real.numpy()
    S, T = np.cov(mine, rowvar=False), np.cov(theirs, rowvar=False)
    root = np.real(np.asarray(sqrtm(S @ T)))
    return {"": float(np.square(mine.mean(0) - theirs.mean(0)).sum() + np.trace(S + T - 2 * root))}


def kernel(fake: Tensor, real: Tensor) -> Numbers:
    from gantool.metrics.kernel_distance import KernelDistance

    return {"": KernelDistance(size=subset(fake)).against(real)(fake)[""]}


def kernel_fidelity(fake: Tensor, real: Tensor) -> Numbers:
    from torch_fidelity.metric_kid import kid_features_to_metric

    found = kid_features_to_metric(
        fake, real, kid_subsets=100, kid_subset_size=subset(fake), rng_seed=2020, verbose=False
    )
    return {"": found["kernel_inception_distance_mean"]}


def subset(fake: Tensor) -> int:
    return min(1000, len(fake))


def precision_recall(fake: Tensor, real: Tensor) -> Numbers:
    from gantool.metrics.manifold import PrecisionRecall

    return PrecisionRecall().against(real)(fake)


def precision_recall_fidelity(fake: Tensor, real: Tensor) -> Numbers:
    from torch_fidelity.metric_prc import prc_features_to_metric

    found = prc_features_to_metric(fake, real, save_cpu_ram=len(fake) > MANY, verbose=False)
    return {name: found[name] for name in ("precision", "recall")}


def density_coverage(fake: Tensor, real: Tensor) -> Numbers:
    from gantool.metrics.manifold import DensityCoverage

    return DensityCoverage().against(real)(fake)


def density_coverage_prdc(fake: Tensor, real: Tensor) -> Numbers:
    from prdc import compute_prdc

    if len(fake) > MANY:
        raise MemoryError(f"not run: 3 matrices of N x N in float64, {3 * 8 * len(fake) ** 2 / 1e9:.0f} GB")
    with contextlib.redirect_stdout(None):
        found = compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
    return {name: float(found[name]) for name in ("density", "coverage")}


WAYS: dict[str, dict[str, Callable[[Tensor, Tensor], Numbers]]] = {
    "Fréchet distance": {"ours": frechet, "torch-fidelity": frechet_fidelity, "scipy": frechet_sqrtm},
    "kernel distance": {"ours": kernel, "torch-fidelity": kernel_fidelity},
    "precision, recall": {"ours": precision_recall, "torch-fidelity": precision_recall_fidelity},
    "density, coverage": {"ours": density_coverage, "prdc": density_coverage_prdc},
}


def measured(what: str, whose: str, folder: Path) -> str:
    """In this process: seconds, of processors too, megabytes and the numbers, with tabs between."""
    fake, real = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("fake", "real"))
    WAYS[what][whose](*(it[:200, :64] for it in (fake, real)))  # imports, threads
    before = peak()
    began, worked = time.perf_counter(), time.process_time()
    found = WAYS[what][whose](fake, real)
    took, work = time.perf_counter() - began, time.process_time() - worked
    numbers = ", ".join(f"{value:.6g}" for value in found.values())
    return f"{took:.2f}\t{work:.2f}\t{peak() - before:,.0f}\t{numbers}"


def peak() -> float:
    """Of the memory of this process so far, in MB, as Linux says (rusage has that of its parent, too)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def compared(count: int, width: int) -> Table:
    """Every way of every distance, one after the other."""
    table = Table(title=f"{count:,} fakes and reals, {width:,} features, {os.cpu_count()} CPUs", box=None)
    for column in ("", "by", "seconds", "of ours", "CPU seconds", "MB more", "value"):
        table.add_column(column, justify="left" if column in ("", "by", "value") else "right")
    with tempfile.TemporaryDirectory() as folder:
        for name, clouds in zip(("fake", "real"), features(count, width), strict=True):
            np.save(f"{folder}/{name}.npy", clouds.numpy())
        for what, ways in WAYS.items():
            ours = 0.0
            for whose in ways:
                command = [sys.executable, __file__, "--only", what, whose, folder]
                done = subprocess.run(command, capture_output=True, text=True, env=os.environ | CALM)
                if done.returncode:
                    why = (done.stderr.strip().splitlines() or ["failed"])[-1]
                    table.add_row(what, whose, "-", "-", "-", "-", why.removeprefix("MemoryError: "))
                    continue
                took, *others = done.stdout.strip().split("\t")
                ours = ours or float(took)
                table.add_row(what, whose, took, f"{float(took) / ours:.2f}", *others)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", nargs="+", type=int, default=[10_000], help="fakes, and reals")
    parser.add_argument("--features", type=int, default=2048, help="of an image")
    parser.add_argument("--only", nargs=3, metavar=("WHAT", "WHOSE", "FOLDER"), help="one, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        what, whose, folder = arguments.only
        print(measured(what, whose, Path(folder)))
        return
    for count in arguments.count:
        Console(width=120).print(compared(count, arguments.features))


if __name__ == "__main__":
    main()
