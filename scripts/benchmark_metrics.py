"""How long distances between sets of features take, and how much memory, against the tools that others use.

    python scripts/benchmark_metrics.py --count 10000 50000 --features 2048

Fréchet distance, kernel distance (100 subsets of 1,000), precision and recall (k = 3), each of so many fakes
and as many reals: ours, torch-fidelity's, and the Fréchet distance by scipy's sqrtm as pytorch-fid has it.
Features are random numbers of a covariance that falls off as real ones do. Each is measured in a process of
its own, one after the other: seconds without the making of the features, the peak of its memory beyond the
start (Linux), and the number, which should agree. The 50,000 of precision and recall take torch-fidelity
30 GB (10 GB a matrix) unless it saves memory, as it is told to here.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

Numbers = dict[str, float]


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

    found = prc_features_to_metric(fake, real, save_cpu_ram=len(fake) > 20_000, verbose=False)
    return {name: found[name] for name in ("precision", "recall")}


WAYS: dict[str, dict[str, Callable[[Tensor, Tensor], Numbers]]] = {
    "Fréchet distance": {"ours": frechet, "torch-fidelity": frechet_fidelity, "scipy": frechet_sqrtm},
    "kernel distance": {"ours": kernel, "torch-fidelity": kernel_fidelity},
    "precision, recall": {"ours": precision_recall, "torch-fidelity": precision_recall_fidelity},
}


def measured(what: str, whose: str, count: int, width: int) -> str:
    """In this process: seconds, megabytes and the numbers, with tabs between."""
    fake, real = features(count, width)
    WAYS[what][whose](*(it[: width + 10] for it in (fake, real)))  # imports, threads
    before = peak()
    began = time.perf_counter()
    found = WAYS[what][whose](fake, real)
    took = time.perf_counter() - began
    numbers = ", ".join(f"{value:.6g}" for value in found.values())
    return f"{took:.2f}\t{peak() - before:,.0f}\t{numbers}"


def peak() -> float:
    """Of the memory of this process so far, in MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", nargs="+", type=int, default=[10_000, 50_000], help="fakes, and reals")
    parser.add_argument("--features", type=int, default=2048, help="of an image")
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "WHOSE"), help="one measurement, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        what, whose = arguments.only
        print(measured(what, whose, arguments.count[0], arguments.features))
        return
    for count in arguments.count:
        table = Table(title=f"{count:,} fakes and reals, {arguments.features:,} features", box=None)
        for column in ("", "by", "seconds", "MB more", "value"):
            table.add_column(column, justify="right" if column in ("seconds", "MB more") else "left")
        for what, ways in WAYS.items():
            for whose in ways:
                own = ["--count", str(count), "--features", str(arguments.features), "--only", what, whose]
                done = subprocess.run([sys.executable, __file__, *own], capture_output=True, text=True)
                failed = (done.stderr.strip().splitlines() or ["failed"])[-1]
                row = done.stdout.strip().split("\t") if done.returncode == 0 else ["-", "-", failed]
                table.add_row(what, whose, *row)
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
