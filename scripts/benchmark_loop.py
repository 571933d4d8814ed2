"""How fast our training step is against loops written by hand: DCGAN at 32 pixels, batches of 64, one run.

    python scripts/benchmark_loop.py

Prints milliseconds per iteration (medians over alternating rounds, of times and of ratios within a round) of

- ours: `gantool train` with logging, progress bar, averaged generator and checkpoints on;
- plain: the usual PyTorch loop (fakes shared between the turns), as fast as it goes: channels_last, fused
  Adam, images in memory; without averaging, and with it, which is the work that ours does;
- naive: contiguous memory, PIL images through a DataLoader, Adam as it comes.

Then the peak memory of each in a process of its own (Linux), and the time from the command to the first step.
"""

import argparse
import copy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, Dataset

BATCH, LATENT, RESOLUTION = 64, 100, 32
EMA = 10_000  # half-life in images
WARM_UP = 5  # iterations before the clock starts


def networks(width: int) -> tuple[nn.Module, nn.Module]:
    from gantool.inits import Normal
    from gantool.models.dcgan import Discriminator, Generator

    torch.manual_seed(0)
    G = Generator(LATENT, width, 1, RESOLUTION)
    D = Discriminator(width, 1, RESOLUTION)
    Normal(0.02)(G)
    Normal(0.02)(D)
    return G, D


def step(G: nn.Module, D: nn.Module, for_G: Any, for_D: Any, real: Tensor) -> None:
    """The iteration that everybody writes: D on reals and detached fakes, then G through the same fakes."""
    fake = G(torch.randn(BATCH, LATENT))
    for_D.zero_grad()
    (softplus(-D(real)).mean() + softplus(D(fake.detach())).mean()).backward()
    for_D.step()
    for_G.zero_grad()
    softplus(-D(fake)).mean().backward()
    for_G.step()


def timed(iterations: int, iterate: Callable[[], None]) -> float:
    """Milliseconds per iteration."""
    for _ in range(WARM_UP):
        iterate()
    begin = time.perf_counter()
    for _ in range(iterations):
        iterate()
    return 1000 * (time.perf_counter() - begin) / iterations


def plain(width: int, iterations: int, averaged: bool) -> float:
    from gantool.data.digits import digits

    G, D = (network.to(memory_format=torch.channels_last) for network in networks(width))  # pyright: ignore
    for_G, for_D = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999), fused=True) for n in (G, D))
    images = torch.from_numpy(digits(RESOLUTION, 1).images)
    mean = copy.deepcopy(G)
    decay = 0.5 ** (BATCH / EMA)

    def iterate() -> None:
        real = images[torch.randint(len(images), (BATCH,))].float() / 127.5 - 1
        step(G, D, for_G, for_D, real.contiguous(memory_format=torch.channels_last))
        if averaged:
            with torch.no_grad():
                for slow, fast in zip(mean.parameters(), G.parameters(), strict=True):
                    slow.lerp_(fast, 1 - decay)

    return timed(iterations, iterate)


class Files(Dataset[Any]):
    """One PIL image at a time, as torchvision's own data sets give them."""

    def __init__(self) -> None:
        from torchvision.transforms import Compose, Normalize, ToTensor

        from gantool.data.digits import digits

        self.images = digits(RESOLUTION, 1).images[:, 0]
        self.transform = Compose([ToTensor(), Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.transform(Image.fromarray(self.images[index]))


def naive(width: int, iterations: int) -> float:
    G, D = networks(width)
    for_G, for_D = (torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (G, D))
    loader = DataLoader(Files(), BATCH, shuffle=True, drop_last=True)
    batches = iter(batch for _ in range(10**6) for batch in loader)
    return timed(iterations, lambda: step(G, D, for_G, for_D, next(batches)))


def ours(width: int, iterations: int) -> float:
    overrides = ["data=digits", f"data.width={width}", f"ema={EMA}"]
    return training(overrides, BATCH, iterations)


def training(overrides: list[str], batch: int, iterations: int) -> float:
    """Milliseconds per iteration of `gantool train`."""
    from pytorch_lightning import Callback, Trainer

    class Clock(Callback):
        def __init__(self) -> None:
            self.done, self.begin, self.end = 0, 0.0, 0.0

        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **kwargs: Any) -> None:
            self.done += 1
            self.end = time.perf_counter()
            if self.done == WARM_UP:
                self.begin = self.end

    clock = Clock()
    train_with(clock, overrides, (iterations + WARM_UP) * batch)
    return 1000 * (clock.end - clock.begin) / iterations


def train_with(clock: Any, overrides: list[str], images: int) -> None:
    """`gantool train` with one more callback, which comes before all others."""
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf
    from pytorch_lightning import Callback, Trainer

    from gantool import fit as module
    from gantool.train import train

    class Timed(Trainer):
        def __init__(self, callbacks: list[Callback], **settings: Any):
            super().__init__(callbacks=[clock, *callbacks], **settings)  # not the last picture

    with initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = compose("train", overrides=[*overrides, f"images={images}", "trainer.accelerator=cpu"])
    OmegaConf.set_struct(cfg, False)
    with tempfile.TemporaryDirectory() as folder:
        original, module.Trainer = module.Trainer, Timed
        with open(Path(folder) / "terminal", "w") as terminal:  # noqa: PTH123
            train(cfg, Path(folder) / "run", [], Console(file=terminal, force_terminal=True))
        module.Trainer = original


VARIANTS: dict[str, Callable[[int, int], float]] = {
    "ours": ours,
    "plain": lambda width, iterations: plain(width, iterations, averaged=False),
    "plain, averaging": lambda width, iterations: plain(width, iterations, averaged=True),
    "naive": naive,
}


def memory(name: str, width: int) -> float:
    """Peak of a process that does nothing else, in MB."""
    command = [sys.executable, __file__, "--only", name, "--widths", str(width)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def peak() -> float:
    """Most memory of this process so far, in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) / 1024


def first_step() -> float:
    """Seconds from `gantool train` on the command line to the end of the first iteration."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "run" / "metrics.csv"
        command = [sys.executable, "-c", "from gantool.cli import main; main()", "train", "log_every=1"]
        begin = time.perf_counter()
        process = subprocess.Popen([*command, f"hydra.run.dir={rows.parent}"], stdout=subprocess.DEVNULL)
        while not (rows.exists() and rows.read_text().count("\n") > 1):
            time.sleep(0.02)
        seconds = time.perf_counter() - begin
        process.kill()
        process.wait()
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=40)
    parser.add_argument("--only", choices=list(VARIANTS), help="run one, print its peak memory in MB")
    arguments = parser.parse_args()
    if arguments.only:
        VARIANTS[arguments.only](arguments.widths[0], 20)
        print(peak())
        return

    for width in arguments.widths:
        times: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for _ in range(arguments.rounds):
            for name, variant in VARIANTS.items():
                times[name].append(variant(width, arguments.iterations))
        median = {name: statistics.median(values) for name, values in times.items()}
        print(f"width {width}")
        for name, value in median.items():
            pairs = zip(times["ours"], times[name], strict=True)
            ratio = (
                f"ours / {name} = {statistics.median(a / b for a, b in pairs):.3f}" if name != "ours" else ""
            )
            print(f"  {name:17s}{value:8.1f} ms  {memory(name, width):6.0f} MB  {ratio}", flush=True)
    print(f"from the command to the first step: {first_step():.1f} s")


if __name__ == "__main__":
    main()
