"""What the doctor costs: one training in which she comes and goes, lap by lap.

    python scripts/benchmark_doctor.py

She leaves no trace in the weights, so every other lap of one run goes without her. A lap is `health_every`
images long and holds one examination, and the rows of the curves with their gradients; laps side by side see
the same machine. Prints milliseconds per iteration, and their ratio: the median over pairs of laps, and its
quartiles. Beside it what is always looked at: the norms of all gradients, for infinity.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

EVERY = 10_000  # images: the default of health_every
RUNS = {
    "dcgan, digits, width 32": ["data=digits"],
    "dcgan, digits, width 128": ["data=digits", "data.width=128"],
    "mlp, grid, width 256": ["model=mlp", "data=grid"],
}


def laps(overrides: list[str], pairs: int) -> tuple[dict[bool, list[float]], float]:
    """Milliseconds per iteration of laps with and without, and of a look at all gradients."""
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf
    from pytorch_lightning import Callback, Trainer
    from rich.console import Console

    from gantool import fit as module
    from gantool.callbacks.doctor import Doctor
    from gantool.divergence import extent, gradients
    from gantool.train import train

    times: dict[bool, list[float]] = {True: [], False: []}
    looks: list[float] = []

    class Clock(Callback):
        """Stands behind all others."""

        def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
            self.everyone = [it for it in trainer.callbacks if it is not self] + [self]  # pyright: ignore
            self.others = [it for it in self.everyone if not isinstance(it, Doctor)]
            self.present, self.laps, self.iterations, self.lap = True, 0, 0, 0
            trainer.callbacks = self.everyone  # pyright: ignore
            self.begin = time.perf_counter()

        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any, **_: Any) -> None:
            self.iterations += 1
            if pl_module.images // EVERY == self.lap:
                return
            now, self.lap = time.perf_counter(), pl_module.images // EVERY
            if self.laps >= 2:  # the first two warm up
                times[self.present].append(1000 * (now - self.begin) / self.iterations)
            self.present, self.laps, self.iterations = not self.present, self.laps + 1, 0
            trainer.callbacks = self.everyone if self.present else self.others  # pyright: ignore
            for it in self.everyone:
                if isinstance(it, Doctor):
                    it.before = pl_module.images
            began = time.perf_counter()
            for parameters in pl_module.learning.values():
                extent(gradients(parameters)).item()
            looks.append(1000 * (time.perf_counter() - began))
            self.begin = time.perf_counter()

    class Timed(Trainer):
        def __init__(self, callbacks: list[Callback], **settings: Any):
            super().__init__(callbacks=[Clock(), *callbacks], **settings)

    length = f"images={(2 * pairs + 2) * EVERY}"
    rare = ["sample_every=0", "checkpoint_every=0", f"health_every={EVERY}", "logger=none"]
    with initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = compose("train", overrides=[*overrides, length, *rare, "trainer.accelerator=cpu"])
    OmegaConf.set_struct(cfg, False)
    with tempfile.TemporaryDirectory() as folder:
        original, module.Trainer = module.Trainer, Timed
        train(cfg, Path(folder) / "run", [], Console(quiet=True))
        module.Trainer = original
    return times, statistics.median(looks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pairs", type=int, default=8, help="of laps, with and without")
    parser.add_argument("--only", choices=list(RUNS), nargs="+", default=list(RUNS))
    arguments = parser.parse_args()
    for name in arguments.only:
        times, look = laps(RUNS[name], arguments.pairs)
        ratios = [a / b for a, b in zip(times[True], times[False], strict=False)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        alone = statistics.median(times[False])
        print(
            f"{name:26s} with {statistics.median(times[True]):8.2f} ms  without {alone:8.2f} ms  "
            f"ratio {middle:.4f} ({low:.4f} to {high:.4f})  gradients {100 * look / alone:.2f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
