"""How fast CycleGAN trains here against a loop written by hand, with the same networks, in one run.

    python scripts/benchmark_translation.py

Batches of one. Ours is `gantool train model=cyclegan` with logging, progress bar and checkpoints on, without
measuring (`metrics=[]`) and with one sample on its picture; the loop by hand has the ResNet-9, the pools of
50 fakes, identity terms, channels_last and fused Adam. The two take turns, iteration by iteration, in one
process. Prints the milliseconds of each as they come, the medians of times and of ratios of neighbours, and
the peak memory of each in a process of its own (Linux). On two cores an iteration at full width takes a
quarter of a minute.
"""

import argparse
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from benchmark_loop import peak, train_with
from pytorch_lightning import Callback, Trainer
from torch import Tensor

POOL = 50


class Turns(Callback):
    """Lets another loop go one iteration after each of ours, and times both: seconds of (ours, the other)."""

    def __init__(self, other: Callable[[], None]):
        self.other = other
        self.times: list[tuple[float, float]] = []
        self.begin: float | None = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
        end, begin = time.perf_counter(), self.begin
        self.other()
        self.begin = time.perf_counter()
        if begin is not None:  # the first iteration of each warms up
            self.times.append((end - begin, self.begin - end))
            line = "{:9.0f} ms ours {:9.0f} ms plain".format(*(1000 * it for it in self.times[-1]))
            print(line, file=sys.__stderr__, flush=True)  # the progress bar takes sys.stderr


def ours(width: int, resolution: int, iterations: int, other: Callable[[], None]) -> Turns:
    turns = Turns(other)
    data = ["data=synthetic_piles", "data.count=16", f"data.width={width}", f"data.resolution={resolution}"]
    train_with(turns, ["model=cyclegan", "metrics=[]", "samples=1", *data], iterations + 1)
    return turns


def plain(width: int, resolution: int) -> Callable[[], None]:
    """One iteration of the loop by hand."""
    from gantool.data.synthetic import synthetic_piles
    from gantool.inits import Normal
    from gantool.models.cyclegan import Generator
    from gantool.models.patchgan import Discriminator

    torch.manual_seed(0)
    G = partial(Generator, width=width, source_channels=3, channels=3, resolution=resolution)
    D = partial(Discriminator, width=width, channels=3, resolution=resolution)
    networks = [G(), G(), D(), D()]
    for network in networks:
        Normal(0.02)(network)
        network.to(memory_format=torch.channels_last)  # pyright: ignore
    ab, ba, judge_a, judge_b = networks
    for_G, for_D = (
        torch.optim.Adam([*one.parameters(), *other.parameters()], 2e-4, (0.5, 0.999), fused=True)
        for one, other in ((ab, ba), (judge_a, judge_b))
    )
    piles = synthetic_piles(resolution=resolution, source_channels=3, channels=3, count=16, seed=0)
    pools: dict[str, list[Tensor]] = {"a": [], "b": []}

    def pooled(side: str, fake: Tensor) -> Tensor:
        pool = pools[side]
        if len(pool) < POOL:
            pool.append(fake)
        elif random.random() < 0.5:
            place = random.randrange(POOL)
            fake, pool[place] = pool[place], fake
        return fake

    def iterate() -> None:
        batch = piles[[random.randrange(len(piles))]]
        a, b = (
            (batch[side].float() / 127.5 - 1).contiguous(memory_format=torch.channels_last) for side in "ab"
        )
        fake_b, fake_a = ab(a), ba(b)
        old_b, old_a = pooled("b", fake_b.detach()), pooled("a", fake_a.detach())
        for_D.zero_grad()
        of_b = ((judge_b(b) - 1) ** 2).mean() + (judge_b(old_b) ** 2).mean()
        of_a = ((judge_a(a) - 1) ** 2).mean() + (judge_a(old_a) ** 2).mean()
        (of_b / 2 + of_a / 2).backward()
        for_D.step()
        for_G.zero_grad()
        for judge in (judge_a, judge_b):
            judge.requires_grad_(False)
        fool = ((judge_b(fake_b) - 1) ** 2).mean() + ((judge_a(fake_a) - 1) ** 2).mean()
        cycle = (ba(fake_b) - a).abs().mean() + (ab(fake_a) - b).abs().mean()
        identity = (ab(b) - b).abs().mean() + (ba(a) - a).abs().mean()
        (fool + 10 * cycle + 5 * identity).backward()
        for_G.step()
        for judge in (judge_a, judge_b):
            judge.requires_grad_(True)

    return iterate


def alone(name: str, width: int, resolution: int) -> None:
    """A few iterations of one of the two."""
    if name == "ours":
        ours(width, resolution, 2, lambda: None)
    else:
        iterate = plain(width, resolution)
        for _ in range(3):
            iterate()


def memory(name: str, width: int, resolution: int) -> float:
    """Peak of a process that does nothing else, in MB."""
    command = [
        sys.executable,
        __file__,
        "--only",
        name,
        "--width",
        str(width),
        "--resolution",
        str(resolution),
    ]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--only", choices=["ours", "plain"], help="run one, print its peak memory in MB")
    arguments = parser.parse_args()
    width, resolution = arguments.width, arguments.resolution
    if arguments.only:
        alone(arguments.only, width, resolution)
        print(peak())
        return
    times = ours(width, resolution, arguments.iterations, plain(width, resolution)).times
    for name, values in zip(("ours", "plain"), zip(*times, strict=True), strict=True):
        milliseconds, megabytes = 1000 * statistics.median(values), memory(name, width, resolution)
        print(f"{name:6s}{milliseconds:9.0f} ms  {megabytes:6.0f} MB", flush=True)
    print(f"ours / plain = {statistics.median(a / b for a, b in times):.3f}")


if __name__ == "__main__":
    main()
