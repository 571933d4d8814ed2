"""How fast CycleGAN trains here against a loop written by hand, with the same networks, in one run.

    python scripts/benchmark_translation.py

Batches of one. Ours is `gantool train model=cyclegan` with logging, progress bar and checkpoints on; the loop
by hand has the ResNet-9, the pools of 50 fakes, identity terms, channels_last and fused Adam. Prints
milliseconds per iteration (medians over alternating rounds, of times and of ratios within a round), and the
peak memory of each in a process of its own (Linux).
"""

import argparse
import random
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import torch
from benchmark_loop import peak, timed, training
from torch import Tensor

POOL = 50


def ours(width: int, resolution: int, iterations: int) -> float:
    data = ["data=synthetic_piles", "data.count=16", f"data.width={width}", f"data.resolution={resolution}"]
    return training(["model=cyclegan", *data], 1, iterations)


def plain(width: int, resolution: int, iterations: int) -> float:
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

    return timed(iterations, iterate)


VARIANTS: dict[str, Callable[[int, int, int], float]] = {"ours": ours, "plain": plain}


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
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--only", choices=list(VARIANTS), help="run one, print its peak memory in MB")
    arguments = parser.parse_args()
    width, resolution = arguments.width, arguments.resolution
    if arguments.only:
        VARIANTS[arguments.only](width, resolution, 2)
        print(peak())
        return
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(arguments.rounds):
        for name, variant in VARIANTS.items():
            times[name].append(variant(width, resolution, arguments.iterations))
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["ours"], values, strict=True))
        milliseconds, megabytes = statistics.median(values), memory(name, width, resolution)
        print(
            f"{name:6s}{milliseconds:9.0f} ms  {megabytes:6.0f} MB  ours / {name} = {ratio:.3f}", flush=True
        )


if __name__ == "__main__":
    main()
