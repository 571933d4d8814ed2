"""What a second process brings, and what ours costs beside Lightning's own: one thread each, in one run.

    python scripts/benchmark_scale.py
    python scripts/benchmark_data.py       # loading alone: memory, folder, shards

Trains one recipe again and again, in alternating rounds, in

- one process, with the whole batch (the other one sleeps);
- two processes with `trainer=ddp`;
- two processes with Lightning's `ddp_find_unused_parameters_true`, the only one of its own that trains two
  players at all.

Prints milliseconds per iteration, images per second, efficiency (speed of two processes over twice that of
one) and the bytes that each process sends per iteration, counted on the loopback device (Linux). Medians over
the rounds, of times and of ratios within a round.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, final

import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed

from gantool.build import build
from gantool.data.image_set import ImageSet
from gantool.data.module import ImageData
from gantool.fit import quiet
from gantool.processes import spare_signals
from gantool.strategy import Together

WARM_UP = 5  # iterations before the clock starts
WAYS = ("one process", "two, ours", "two, find_unused")
LOOPBACK = Path("/sys/class/net/lo/statistics/tx_bytes")


@final
class Clock(Callback):
    """Seconds and bytes from the WARM_UP-th iteration to the last."""

    def __init__(self) -> None:
        self.iterations = 0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *args: Any, **_: Any) -> None:
        self.iterations += 1
        if self.iterations == WARM_UP + 1:
            self.sent, self.began = int(LOOPBACK.read_text()), time.perf_counter()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.seconds = time.perf_counter() - self.began
        self.bytes = int(LOOPBACK.read_text()) - self.sent


def recipe(overrides: list[str]) -> Any:
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = compose("train", overrides=["data=synthetic", "data.resolution=32", "logger=none", *overrides])
    return OmegaConf.create(OmegaConf.to_container(cfg, resolve=True))  # pyright: ignore


def train(way: str, cfg: Any, images: ImageSet, iterations: int) -> tuple[float, float]:
    """Milliseconds and bytes sent, per iteration."""
    strategies: dict[str, Any] = {
        "one process": "auto",
        "two, ours": Together([]),
        "two, find_unused": DDPStrategy(find_unused_parameters=True),
    }
    alone, clock = way == "one process", Clock()
    trainer = Trainer(
        max_steps=WARM_UP + iterations,
        accelerator="cpu",
        strategy=strategies[way],
        devices=1 if alone else 2,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    spare_signals(trainer)
    trainer.fit(build(cfg), ImageData(images, cfg.n_critic * cfg.batch_size, cfg.seed))
    os.environ["WORLD_SIZE"] = "2"  # which Lightning takes away when a training ends
    return 1000 * clock.seconds / iterations, clock.bytes / iterations


def rank(arguments: argparse.Namespace) -> None:
    """One of the two processes; the first prints."""
    from hydra.utils import instantiate

    quiet()
    torch.set_num_threads(1)
    cfg = recipe(arguments.overrides)
    images: ImageSet = instantiate(cfg.data.set)
    first = os.environ["LOCAL_RANK"] == "0"
    rounds: list[dict[str, tuple[float, float]]] = []
    train("two, ours", cfg, images, 1)  # opens the connection
    for _ in range(arguments.rounds):
        results = {}
        for way in WAYS:
            if way != "one process" or first:
                results[way] = train(way, cfg, images, arguments.iterations)
            distributed.barrier()
        rounds.append(results)
    if first:
        report(rounds, cfg)


def report(rounds: list[dict[str, tuple[float, float]]], cfg: Any) -> None:
    shown = cfg.n_critic * cfg.batch_size
    print(f"{'':20}{'ms':>8}{'images/s':>10}{'speed-up':>10}{'efficiency':>12}{'MB sent by each':>17}")
    for way in WAYS:
        ms = statistics.median(one[way][0] for one in rounds)
        gain = statistics.median(one["one process"][0] / one[way][0] for one in rounds)
        processes = 1 if way == "one process" else 2
        sent = statistics.median(one[way][1] for one in rounds) / processes / 1e6
        print(f"{way:20}{ms:8.1f}{1000 * shown / ms:10.0f}{gain:10.2f}{gain / processes:12.2f}{sent:17.2f}")
    ratio = statistics.median(one["two, ours"][0] / one["two, find_unused"][0] for one in rounds)
    print(f"ours / find_unused: {ratio:.3f} (medians of {len(rounds)} rounds)")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("overrides", nargs="*", help="of gantool train, such as model=wgan_gp data.width=64")
    arguments = parser.parse_args()
    if "LOCAL_RANK" in os.environ:
        rank(arguments)
        return
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port())}
    shared["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, *sys.argv]
    ranks = [
        subprocess.Popen(command, env=os.environ | shared | {"LOCAL_RANK": str(number)})
        for number in range(2)
    ]
    sys.exit(max(process.wait() for process in ranks))


if __name__ == "__main__":
    main()
