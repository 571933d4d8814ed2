"""AUROC of each digit of MNIST as the one normal class, by four ways to tell the others.

    python scripts/anomaly_table.py --root DIR
    python scripts/anomaly_table.py --root DIR --digits 3 8 --images 100_000 --width 8 --resolution 16

For each digit: f-AnoGAN, GANomaly, AnoGAN's search of the latents of f-AnoGAN's generator (on --searched
images of the test split), and what 32 principal components of the normal images do not explain. Networks are
narrow, and f-AnoGAN's learning rates larger than published, so that it needs hours, not days, on a CPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from gantool.anomaly.scores import numbers
from gantool.data.image_set import ImageSet
from gantool.data.one_class import one_class

COMPONENTS = 32
MODELS = {
    "f_anogan": ("n_critic=2", "optimizer.lr.before=5e-4", "optimizer.lr.after=1e-3", "model.G.latent=64"),
    "ganomaly": (),
}


def principal_components(settings: dict[str, object], digit: int) -> float:
    """AUROC of the squared distance from the space of the components."""
    train = rows(one_class("mnist", settings, normal=digit))
    test = one_class("mnist", settings, normal=digit, show="test")
    assert test.labels is not None
    mean = train.mean(0)
    _, _, basis = torch.linalg.svd(train - mean, full_matrices=False)  # (F, F)
    centred = rows(test) - mean
    rest = centred - centred @ basis[:COMPONENTS].T @ basis[:COMPONENTS]
    return numbers(rest.square().sum(1), test.labels.bool())["auroc"]


def rows(images: ImageSet) -> Tensor:
    """(N, F), in [0, 1]."""
    return images[range(len(images))]["image"].flatten(1).float() / 255


def gantool(*words: str) -> float:
    """Run a verb; answers seconds."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "gantool", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def auroc(run: Path, out: Path, *words: str) -> tuple[float, float]:
    """And the seconds that it takes."""
    seconds = gantool(
        "detect", f"run={run}", "input=test", "reference=0", "maps=0", f"out={out}", "device=cpu", *words
    )
    return json.loads((out / "detected.json").read_text())["auroc"], seconds


def trained(model: str, digit: int, folder: Path, arguments: argparse.Namespace) -> float:
    """Seconds of a training."""
    return gantool(
        "train",
        f"model={model}",
        "data=one_class",
        "data.of=mnist",
        f"data.root={arguments.root}",
        f"data.normal={digit}",
        f"data.resolution={arguments.resolution}",
        f"images={arguments.images}",
        *([f"pretrain={int(0.7 * arguments.images)}"] if model == "f_anogan" else []),
        f"model.G.width={arguments.width}",
        f"seed={arguments.seed}",
        f"hydra.run.dir={folder}",
        f"sample_every={arguments.images}",
        "health_every=0",
        "logger=none",
        "trainer.accelerator=cpu",
        *MODELS[model],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", required=True, help="where MNIST lies, or is downloaded to")
    parser.add_argument("--digits", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--images", type=int, default=500_000, help="of each training")
    parser.add_argument("--resolution", type=int, default=28)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--searched", type=int, default=200, help="test images that AnoGAN judges; 0 = none")
    parser.add_argument("--steps", type=int, default=500, help="of its search")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for the runs; none = they are not kept")
    arguments = parser.parse_args()
    settings = {"root": arguments.root, "resolution": arguments.resolution}
    print(f"{arguments.images:,} images, {arguments.resolution} pixels, width {arguments.width}")
    print("digit | PCA | GANomaly (seconds) | f-AnoGAN (seconds) | AnoGAN search (seconds)", flush=True)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = arguments.out or Path(temporary)
        for digit in arguments.digits:
            cells = {"PCA": (principal_components(settings, digit), 0.0)}
            for model in ("ganomaly", "f_anogan"):
                run = place / f"{model}-{digit}"
                seconds = trained(model, digit, run, arguments)
                value, _ = auroc(run, run / "detected", "method=model")
                cells[model] = value, seconds
            if arguments.searched:
                run = place / f"f_anogan-{digit}"
                words = ("method=search", f"count={arguments.searched}", f"steps={arguments.steps}")
                cells["search"] = auroc(run, run / "searched", *words)
            for name, (value, _) in cells.items():
                found.setdefault(name, []).append(value)
            texts = [f"{value:.3f}" + (f" ({s:.0f})" if s else "") for value, s in cells.values()]
            print(" | ".join([str(digit), *texts]), flush=True)
    print(" | ".join(["mean", *(f"{sum(values) / len(values):.3f}" for values in found.values())]))


if __name__ == "__main__":
    main()
