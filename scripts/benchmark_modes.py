"""Which recipes keep all modes: each over several seeds, in a table beside published rows.

    python scripts/benchmark_modes.py --data ring --seeds 10 --images 40_000_000
    python scripts/benchmark_modes.py --data stacked_mnist --also data.root=DIR --recipes gan pacgan2
    python scripts/benchmark_modes.py --recipes gan 'mine=model=mlp loss=hinge'

Every run is an ordinary `gantool train` in OUT/DATA/RECIPE/seed-K, and what is finished is not done again:
stop it whenever you like, call it again with more seeds. Prints mean and standard error over seeds of modes,
share of samples of high quality and reverse KL (see gantool/metrics/modes.py), and below them what papers
print for their own networks and lengths.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, final

from gantool.checkpoint import read
from gantool.metrics.modes import IMAGES, POINTS, floor

# The one that is installed: without the folder we are in, whose gantool/ may be that of a checkout.
INSTALLED = "import sys; del sys.path[0]; from gantool.cli import main; main()"

# One setting for all losses: that of experiment=r3gan_grid.
SETTING = (
    "model=mlp model.G.layers=5 model.D.layers=3 model.D.width=128 batch_size=256 ema=100_000 "
    "optimizer.betas=[0.0,0.9] "
    "'optimizer.lr={_target_:gantool.schedules.Cosine,start:1e-3,end:1e-4,images:${images}}' "
)
FALLING = "{_target_:gantool.schedules.Cosine,start:0.01,end:0.001,images:${images}}"
ON_POINTS = {
    "gan": f"{SETTING} loss=non_saturating",
    "r3gan": f"{SETTING} loss=relativistic_r1_r2 'loss.D.r1.weight={FALLING}'",
    "pacgan2": f"{SETTING} loss=non_saturating trick=pacgan",
    "pacgan4": f"{SETTING} loss=non_saturating trick=pacgan task.pack=4",
    "unrolled": f"{SETTING} loss=non_saturating trick=unrolled",
    "r1": f"{SETTING} loss=non_saturating_r1 'loss.D.r1.weight={FALLING}'",
    "relativistic": f"{SETTING} loss=relativistic",
    "minimax": f"{SETTING} loss=minimax",
    "wgan_gp": "model=mlp loss=wasserstein_gp loss.D.penalty.weight=0.1 n_critic=5 "
    "optimizer.lr=1e-4 optimizer.betas=[0.5,0.9]",
}
ON_IMAGES = {
    "gan": "model=dcgan",
    "wgan_gp": "model=dcgan loss=wasserstein_gp model.D.norm=none n_critic=5 share_fakes=false",
    "r1": "model=dcgan loss=non_saturating_r1 model.D.norm=none",
    "r1_r2": "model=dcgan loss=relativistic_r1_r2 model.D.norm=none",
    "pacgan2": "model=dcgan trick=pacgan",
    "pacgan4": "model=dcgan trick=pacgan task.pack=4",
}
PACGAN = "PacGAN, Lin et al. (2018), arXiv:1712.04086"
# (method, modes, share of high quality in per cent, reverse KL); tables 1 and 2 of PacGAN, 10 runs each.
PUBLISHED = {
    "ring": [
        ("GAN", "6.3 ± 0.5", "98.2 ± 0.2", "0.45 ± 0.09"),
        ("ALI", "6.6 ± 0.3", "97.6 ± 0.4", "0.36 ± 0.04"),
        ("PacGAN2", "7.9 ± 0.1", "95.6 ± 2.0", "0.07 ± 0.03"),
        ("PacGAN3", "7.8 ± 0.1", "97.7 ± 0.3", "0.10 ± 0.02"),
        ("PacGAN4", "7.8 ± 0.1", "95.9 ± 1.4", "0.07 ± 0.02"),
    ],
    "grid": [
        ("GAN", "17.3 ± 0.8", "94.8 ± 0.7", "0.70 ± 0.07"),
        ("ALI", "24.1 ± 0.4", "95.7 ± 0.6", "0.14 ± 0.03"),
        ("PacGAN2", "23.8 ± 0.7", "91.3 ± 0.8", "0.13 ± 0.04"),
        ("PacGAN3", "24.6 ± 0.4", "94.2 ± 0.4", "0.06 ± 0.02"),
        ("PacGAN4", "24.8 ± 0.2", "93.6 ± 0.6", "0.04 ± 0.01"),
    ],
    "stacked_mnist": [
        ("DCGAN (VEEGAN's paper)", "99.0", "", "3.40"),
        ("ALI", "16.0", "", "5.40"),
        ("Unrolled GAN", "48.7", "", "4.32"),
        ("VEEGAN", "150.0", "", "2.95"),
        ("DCGAN (PacGAN's paper)", "78.9 ± 6.5", "", "4.50 ± 0.127"),
        ("PacDCGAN2", "1000.0 ± 0.0", "", "0.06 ± 0.003"),
        ("PacDCGAN3", "1000.0 ± 0.0", "", "0.06 ± 0.003"),
        ("PacDCGAN4", "1000.0 ± 0.0", "", "0.07 ± 0.005"),
    ],
}
MODES = {"ring": 8, "grid": 25, "stacked_mnist": 1000}
LENGTHS = {"ring": 2_500_000, "grid": 2_500_000, "stacked_mnist": 6_400_000}  # in images, of conf/data
HEADER = ("", "modes", "high quality %", "reverse KL", "runs")


@final
class Run(NamedTuple):
    """One training of one recipe with one seed."""

    recipe: str
    overrides: tuple[str, ...]
    seed: int
    images: int
    folder: Path

    def result(self) -> dict[str, Any] | None:
        """The numbers of an evaluation after all images, if there is one."""
        files = sorted((self.folder / "metrics").glob(f"modes-*-seed{self.seed}.json"))
        found = [json.loads(file.read_text()) for file in files]
        return next((numbers for numbers in reversed(found) if numbers["images"] >= self.images), None)

    def trained(self) -> bool:
        last = self.folder / "checkpoints" / "last.ckpt"
        return last.exists() and read(last)["clock"]["images"] >= self.images

    def commands(self) -> Iterable[list[str]]:
        """What is still to be done."""
        if not self.trained():
            pace = [
                f"checkpoint_every={max(1, self.images // 4)}",
                f"sample_every={max(1, self.images // 8)}",
            ]
            own = [
                f"images={self.images}",
                f"seed={self.seed}",
                "resume=auto",
                f"hydra.run.dir={self.folder}",
            ]
            yield ["train", "logger=none", *pace, *self.overrides, *own]
        yield ["evaluate", f"run={self.folder}", "metrics=modes", f"seed={self.seed}"]

    def refuse_other_recipe(self) -> None:
        """Remember what is trained here; SystemExit where it was something else."""
        file, text = self.folder / "recipe.txt", shlex.join([*self.overrides, f"seed={self.seed}"])
        self.folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(text)
        elif file.read_text() != text:
            sys.exit(f"{self.folder} holds {file.read_text()}, not {text}: choose another name or --out.")


def do(run: Run) -> str:
    """Train and evaluate, unless that was done; answers a line about it."""
    name = f"{run.recipe}, seed {run.seed}"
    if run.result() is None:
        for words in run.commands():
            command = [sys.executable, "-c", INSTALLED, *words]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            with (run.folder / "output.txt").open("a") as file:
                file.write(f"$ {shlex.join(words)}\n{done.stdout}{done.stderr}\n")
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                return f"{name}: exit code {done.returncode}: {reason}"
    found = run.result()
    assert found is not None
    return f"{name}: {found['fake']['modes']} modes, reverse KL {found['fake']['reverse_kl']}"


def spread(values: Sequence[float | None], digits: int) -> str:
    """Mean and standard error, `values` of None left out, and how many they are."""
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    mean = f"{statistics.fmean(known):.{digits}f}"
    some = f" ({len(known)} of {len(values)})" if len(known) < len(values) else ""
    if len(known) == 1:
        return mean + some
    return f"{mean} ± {statistics.stdev(known) / len(known) ** 0.5:.{digits}f}{some}"


def row(name: str, results: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    shares = [100 * numbers["high_quality"] for numbers in results if "high_quality" in numbers]
    return (
        name,
        spread([numbers["modes"] for numbers in results], 1),
        spread(shares, 1) if shares else "",
        spread([numbers["reverse_kl"] for numbers in results], 4),
        str(len(results)),
    )


def table(data: str, runs: Sequence[Run]) -> str:
    """All that is known so far."""
    rows: list[tuple[str, ...]] = [HEADER]
    reals: list[dict[str, Any]] = []
    for recipe in dict.fromkeys(run.recipe for run in runs):
        results = [found for run in runs if run.recipe == recipe and (found := run.result()) is not None]
        reals += [found["real"] for found in results]
        rows.append(row(recipe, [found["fake"] for found in results]))
    if reals:
        rows.append(row("real data", reals))
    samples = reals[0]["samples"] if reals else IMAGES if data == "stacked_mnist" else POINTS
    least = floor(MODES[data], samples)
    rows.append((f"perfect, N = {samples:,}", str(MODES[data]), "", f"{least:.4f}", ""))
    rows += [
        (f"published: {method}", *values, "10" if "±" in values[0] else "")
        for method, *values in PUBLISHED[data]
    ]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADER))]
    text = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)) for cells in rows
    ]
    note = f"published: {PACGAN}; mean ± standard error; N samples each, KL in nats"
    return "\n".join([*(line.rstrip() for line in text), note])


def recipes_of(words: Sequence[str] | None, data: str) -> dict[str, str]:
    """Names of ours, and NAME=OVERRIDES of one's own."""
    known = ON_IMAGES if data == "stacked_mnist" else ON_POINTS
    chosen = {}
    for word in words or known:
        name, own, overrides = word.partition("=")
        if not own and name not in known:
            sys.exit(f"No recipe {name}. All: {', '.join(known)}; or NAME=OVERRIDES.")
        chosen[name] = overrides if own else known[name]
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=sorted(MODES), default="ring")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each recipe: seeds 0, 1, 2, …")
    parser.add_argument("--images", type=int, help="length of each run; default: that of the data")
    parser.add_argument("--recipes", nargs="+", metavar="NAME[=OVERRIDES]", help="default: all of ours")
    parser.add_argument("--also", nargs="+", default=[], metavar="KEY=VALUE", help="overrides of every run")
    parser.add_argument(
        "--jobs", type=int, default=1, help="runs at the same time, each on its share of the cores"
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/modes"), help="folder of all runs")
    wanted = parser.parse_args()

    images = wanted.images or LENGTHS[wanted.data]
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // wanted.jobs)))
    runs = [
        Run(
            recipe=name,
            overrides=(f"data={wanted.data}", *shlex.split(overrides), *wanted.also),
            seed=seed,
            images=images,
            folder=wanted.out / wanted.data / name / f"seed-{seed}",
        )
        for seed in range(
            wanted.seeds
        )  # every recipe once before any a second time: soon something to compare
        for name, overrides in recipes_of(wanted.recipes, wanted.data).items()
    ]
    for run in runs:
        run.refuse_other_recipe()
    with ThreadPoolExecutor(wanted.jobs) as pool:
        for line in pool.map(do, runs):
            print(line, flush=True)
    print(table(wanted.data, runs))


if __name__ == "__main__":
    main()
