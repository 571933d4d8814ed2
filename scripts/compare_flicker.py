"""Recycle-GAN against CycleGAN on moving shapes: how their videos flicker, and how far off they are.

    python scripts/compare_flicker.py --images 2000 --seeds 2

Both learn from the same frames of data=moving_shapes, unpaired: Recycle-GAN from windows of three, CycleGAN
from batches of three single frames, so that both see as many frames in as many updates. Networks are as
narrow as asked for, all other numbers the published ones. Prints one table, of held-out clips whose true
translation is known: metrics=flicker, mean over seeds, and minutes of training. Writes OUT/table.csv and
OUT/clip.gif: a clip, the translation by each, and the truth.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from gantool.animation import animate
from gantool.data.films import Reel, reels
from gantool.data.module import to_range
from gantool.data.moving_shapes import moving_shapes
from gantool.images import enlarged, table_of
from gantool.trained import load

FRAMES = 3  # of a window
MODELS = {"cyclegan": FRAMES, "recyclegan": 1}  # samples of a batch that hold as many frames
COLUMNS = tuple(f"{way}_{name}" for way in ("ab", "ba") for name in ("flicker", "motion", "error"))


def gantool(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "gantool", *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"gantool {' '.join(words)}\n{done.stdout}{done.stderr}")


def measured(model: str, folder: Path, wanted: argparse.Namespace, seed: int) -> dict[str, float]:
    """The numbers of one training."""
    many, began = MODELS[model], time.perf_counter()
    gantool(
        "train",
        f"model={model}",
        "data=moving_shapes",
        f"data.resolution={wanted.resolution}",
        f"data.width={wanted.width}",
        f"data.clips={wanted.clips}",
        f"images={many * wanted.images}",
        f"batch_size={many * wanted.batch_size}",
        f"seed={seed}",
        "metrics=[]",
        "evaluate_every=0",
        "health_every=0",
        f"sample_every={many * wanted.images}",
        "samples=8",
        "logger=none",
        f"hydra.run.dir={folder}",
        f"trainer.accelerator={wanted.accelerator}",
    )
    minutes = (time.perf_counter() - began) / 60
    gantool("evaluate", f"run={folder}", "metrics=flicker", f"out={folder}", "batch_size=16")
    [file] = folder.glob("flicker-*.json")
    numbers = json.loads(file.read_text())
    return {name: numbers[name] for name in COLUMNS} | {"minutes": minutes}


def untouched(wanted: argparse.Namespace) -> dict[str, float]:
    """The numbers of frames that are left as they are: what doing nothing is worth."""
    from gantool.metrics.flicker import Flicker
    from gantool.metrics.motion import pairs
    from gantool.metrics.sight import Shown

    metric, (a, b) = Flicker(), held_out(wanted)
    metric.known = True
    some = range(len(a.lasting(2)))
    shown = {
        way: (*pairs(here, some), *pairs(here, some), *pairs(there, some))
        for way, here, there in (("ab", a, b), ("ba", b, a))
    }
    return metric.judge(metric.look(Shown(shown))).values


def held_out(wanted: argparse.Namespace) -> tuple[Reel, Reel]:
    """Both sides of what training never sees."""
    sides = reels(moving_shapes(wanted.resolution, hold_out=4, held_out=True))
    assert sides is not None
    return sides


@torch.no_grad()
def clip(folders: dict[str, Path], wanted: argparse.Namespace) -> Iterator[np.ndarray]:
    """Frames of a held-out clip: two rows, a to b and b to a; source, each model, truth."""
    sides = held_out(wanted)
    networks = {}
    for model, folder in folders.items():
        gan, _ = load(folder / "checkpoints" / "last.ckpt")
        networks[model] = gan.eval()
    for time_ in range(int(sides[0].bounds[1])):
        rows = []
        for way, here, there in zip(("ab", "ba"), sides, sides[::-1], strict=True):
            source, truth = (to_range(it[[time_]]["image"], torch.float32) for it in (here, there))
            made = [gan.task.translator(gan.generator, way)(source) for gan in networks.values()]
            rows.append([source, *made, truth])
        columns = [torch.cat(column) for column in zip(*rows, strict=True)]
        yield table_of([enlarged(column, 4 * wanted.resolution) for column in columns])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=4000, help="windows that Recycle-GAN sees")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--width", type=int, default=8, help="features of the first layers")
    parser.add_argument("--clips", type=int, default=32, help="of each side")
    parser.add_argument("--batch-size", type=int, default=4, help="windows")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("outputs/flicker"))
    wanted = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {model: [] for model in MODELS}
    for seed in range(wanted.seeds):
        for model, runs in found.items():
            runs.append(measured(model, wanted.out / f"{model}-{seed}", wanted, seed))
            print(model, seed, {name: round(value, 4) for name, value in runs[-1].items()}, flush=True)

    means = {"left as it is": untouched(wanted)} | {
        model: {name: statistics.mean(run[name] for run in runs) for name in runs[0]}
        for model, runs in found.items()
    }
    names = (*COLUMNS, "minutes")
    table = Table("", *means)
    for name in names:
        table.add_row(name, *(f"{it[name]:.4f}" if name in it else "" for it in means.values()))
    Console().print(table)
    with (wanted.out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["model", *names])
        writer.writeheader()
        writer.writerows({"model": row, **numbers} for row, numbers in means.items())
    animate(clip({model: wanted.out / f"{model}-0" for model in MODELS}, wanted), wanted.out / "clip.gif", 8)


if __name__ == "__main__":
    main()
