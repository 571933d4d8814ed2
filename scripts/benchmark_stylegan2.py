"""How fast our StyleGAN2 trains against the straightforward form of the same: one run, the two in turns.

    python scripts/benchmark_stylegan2.py

Ours: inputs and outputs of one convolution are scaled instead of its weights, a filter is one depthwise
convolution whose second derivative leaves the filter out, and images lie with channels last.

Straightforward: each sample gets weights of its own, and one grouped convolution, transposed where the size
doubles, takes all samples; a filter puts zeros between the pixels, convolves each channel, and leaves pixels
out. That is how the authors' code does it on machines without their CUDA kernels.

Prints seconds for 1,000 images shown to D, the median over rounds, the median of the ratios within a round,
and the peak memory of each form in a process of its own. A round takes one iteration, D's step and G's, of
each kind that occurs: plain, with path lengths, with R1 too. Each counts as often as it occurs.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, pad

from gantool.losses.objective import total

PERIOD = 16  # iterations after which R1 and path lengths begin anew


def filtered(x: Tensor, taps: Tensor, up: int, down: int, before: int, after: int, gain: float) -> Tensor:
    """Zeros between the pixels, zeros around, each channel convolved, and pixels left out."""
    samples, channels, height, width = x.shape
    x = pad(x.view(samples, channels, height, 1, width, 1), (0, up - 1, 0, 0, 0, up - 1))
    x = pad(x.view(samples, channels, height * up, width * up), (before, after, before, after))
    kernel = gain * (taps[:, None] * taps) / taps.sum().square()
    return conv2d(x, kernel.expand(channels, 1, -1, -1), groups=channels)[:, :, ::down, ::down]


def upsample(x: Tensor, taps: Tensor) -> Tensor:
    return filtered(x, taps, up=2, down=1, before=2, after=1, gain=4.0)


def downsample(x: Tensor, taps: Tensor) -> Tensor:
    return filtered(x, taps, up=1, down=2, before=1, after=1, gain=1.0)


def blur(x: Tensor, taps: Tensor, padding: int) -> Tensor:
    return filtered(x, taps, up=1, down=1, before=padding, after=padding, gain=1.0)


def modulated(self: Any, x: Tensor, style: Tensor) -> Tensor:
    """ModulatedConv.forward with weights for each sample."""
    weight = self.weight * self.affine(style)[:, None, :, None, None]  # (N, D, C, 3, 3)
    weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt() * self.gain
    samples = len(x)
    x = x.reshape(1, -1, *x.shape[2:])  # (1, N C, H, W)
    if self.up:
        weight = weight.transpose(1, 2).flatten(0, 1)  # (N C, D, 3, 3)
        h = blur(conv_transpose2d(x, weight, stride=2, groups=samples), self.taps, 1)
    else:
        h = conv2d(x, weight.flatten(0, 1), padding=1, groups=samples)
    return h.view(samples, -1, *h.shape[2:])


def to_image(self: Any, x: Tensor, style: Tensor) -> Tensor:
    """ToImage.forward with weights for each sample."""
    weight = self.weight * self.scale * self.affine(style)[:, None]  # (N, D, C)
    image = conv2d(x.reshape(1, -1, *x.shape[2:]), weight.flatten(0, 1)[:, :, None, None], groups=len(x))
    return image.view(len(x), -1, *x.shape[2:]) + self.bias[:, None, None]


STRAIGHTFORWARD = {
    "gantool.layers.modulated.ModulatedConv.forward": modulated,
    "gantool.layers.modulated.ToImage.forward": to_image,
    "gantool.models.stylegan2.upsample": upsample,
    "gantool.models.stylegan2.downsample": downsample,
    "gantool.models.stylegan2.blur": blur,
}
FORMS: dict[str, tuple[dict[str, Any], bool]] = {  # what is replaced, and whether channels lie last
    "ours": ({}, True),
    "straightforward": (STRAIGHTFORWARD, False),
    "straightforward, channels last": (STRAIGHTFORWARD, True),
}


@contextmanager
def replaced(forms: dict[str, Any]) -> Iterator[None]:
    with ExitStack() as stack:
        for name, form in forms.items():
            stack.enter_context(patch(name, form))
        yield


class Training:
    """The recipe of model=stylegan2 without data and logging."""

    def __init__(self, form: str, arguments: argparse.Namespace):
        from hydra import compose, initialize_config_module
        from hydra.utils import instantiate

        from gantool.compiled import compile_players
        from gantool.optim import Recipe

        overrides = [
            "model=stylegan2",
            "data=synthetic",
            f"data.resolution={arguments.resolution}",
            f"model.G.width={arguments.width}",
        ]
        with initialize_config_module("gantool.conf", version_base="1.3"):
            cfg = compose("train", overrides=overrides)
        self.forms, channels_last = FORMS[form]
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.device = torch.device(arguments.device)
        torch.manual_seed(0)
        self.task = instantiate(cfg.task, _convert_="all").to(self.device, memory_format=self.format)
        self.objective = instantiate(cfg.loss, _convert_="all").to(self.device)
        self.optimizers = {
            player: Recipe(instantiate(cfg.optimizer[player])).optimizer(network.parameters())
            for player, network in self.players.items()
        }
        size = (arguments.batch, 3, arguments.resolution, arguments.resolution)
        self.image = torch.rand(size, device=self.device).mul(2).sub(1).contiguous(memory_format=self.format)
        if arguments.compile:
            compile_players(self.task, "inductor")

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"D": self.task.D, "G": self.task.G}

    def iterate(self, iteration: int) -> None:
        """D's step, then G's."""
        for player in ("D", "G"):
            for name, network in self.players.items():
                network.requires_grad_(name == player)
            self.optimizers[player].zero_grad()
            duels = self.task.duels(self.task.draw({"image": self.image}))
            total(list(self.objective(player, duels, iteration, 0).values())).backward()
            self.optimizers[player].step()
            self.objective.settle(player, self.task)

    def seconds(self, iteration: int) -> float:
        with replaced(self.forms):
            self.wait()
            begin = time.perf_counter()
            self.iterate(iteration)
            self.wait()
            return time.perf_counter() - begin

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def kinds(self) -> Counter[int]:
        """One iteration of each kind, by the terms that are due, and how many of a period are of it."""
        due = [
            tuple(
                bool(term.weight_now(i, 0))
                for p in ("D", "G")
                for term in self.objective.terms_of(p).values()
            )
            for i in range(PERIOD)
        ]
        return Counter(due.index(terms) for terms in due)

    def peak(self) -> float:
        """In MB, after an iteration with all terms: of the process, on a GPU of what torch holds there."""
        self.seconds(0)
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) / 1024


def peak_of(form: str) -> float:
    """In a process of its own."""
    command = [sys.executable, *sys.argv, "--only", form]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--width", type=int, default=64, help="512 as published")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="through torch.compile")
    parser.add_argument("--only", choices=list(FORMS), help="run one form, print its peak memory in MB")
    arguments = parser.parse_args()
    if arguments.only:
        print(Training(arguments.only, arguments).peak())
        return

    trainings = {form: Training(form, arguments) for form in FORMS}
    kinds = trainings["ours"].kinds()
    for training in trainings.values():
        for kind in kinds:
            training.seconds(kind)  # warm up
    times: dict[str, list[float]] = {form: [] for form in FORMS}
    for _ in range(arguments.rounds):
        iteration = dict.fromkeys(FORMS, 0.0)
        for kind, count in kinds.items():
            for form, training in trainings.items():
                iteration[form] += training.seconds(kind) * count / PERIOD
        for form, seconds in iteration.items():
            times[form].append(1000 * seconds / arguments.batch)
    setting = f"{arguments.resolution} px, width {arguments.width}, batches of {arguments.batch}"
    machine = f"{arguments.device}, {torch.get_num_threads()} threads{', compiled' * arguments.compile}"
    print(f"{setting}, {machine}: seconds for 1,000 images, peak memory, times ours")
    for form, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values, times["ours"], strict=True))
        print(
            f"  {form:32s}{statistics.median(values):8.1f} s  {peak_of(form):6.0f} MB  {ratio:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
