"""Domain adaptation: what a CycleGAN does for a classifier that learns from one set and works on another.

    python scripts/domain_adaptation.py --root DIR

Two real sets of the same ten classes, drawn by others and scanned otherwise: MNIST, whose folder MNIST/raw
lies in DIR, and the UCI digits that scikit-learn ships. A CycleGAN learns from both piles, without labels,
and translates each into the look of the other. Both ways, a small classifier is tested on images of the
target that nobody has learnt from:

- source: learnt from the source as it is;
- translated: learnt from the translated source with its labels; the idea of Hoffman et al. (2018),
  arXiv:1711.03213, without its semantic and feature terms;
- target: learnt from the target's own labels, which adaptation does without.

Prints each seed, then mean and standard deviation. Seeds choose weights, order and the images that test.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from PIL import Image
from rich.console import Console

from gantool.data.digits import digits
from gantool.data.image_set import ImageSet, InMemory
from gantool.data.torchvision_sets import mnist
from gantool.images import to_uint8
from gantool.library import Generator, load
from gantool.metrics.classifier import Classifier, accuracy, learn
from gantool.train import train

TESTED = 5  # one target image of so many
TOGETHER = 500  # images translated in a pass
NAMES = {"ab": "MNIST to UCI", "ba": "UCI to MNIST"}
CPU = torch.device("cpu")


def part(images: InMemory, places: np.ndarray) -> InMemory:
    assert images.labels is not None
    return InMemory(images.images[places], images.labels.numpy()[places], images.names)


def write(images: InMemory, folder: Path) -> Path:
    folder.mkdir()
    for number, image in enumerate(images.images):
        Image.fromarray(image[0]).save(folder / f"{number:06d}.png")
    return folder


def translator(a: Path, b: Path, out: Path, options: argparse.Namespace, seed: int) -> Generator:
    """CycleGAN from a pile to another."""
    overrides = [
        *("model=cyclegan", "data=two_folders", f"data.a={a}", f"data.b={b}", f"seed={seed}"),
        *(f"data.resolution={options.resolution}", "data.channels=1", f"model.G.width={options.width}"),
        *("metrics=[]", "logger=none", f"images={options.images}", f"sample_every={options.images}"),
        *(f"batch_size={options.batch}", "trainer.accelerator=auto", *options.overrides),
    ]
    with initialize_config_module("gantool.conf", version_base="1.3"):
        cfg = compose("train", overrides=overrides)
    OmegaConf.set_struct(cfg, False)
    if train(cfg, out, [], Console(stderr=True)):
        raise SystemExit(f"The training in {out} did not end as it should.")
    return load(str(out))


def translated(G: Generator, images: InMemory, way: str) -> InMemory:
    """The same digits in the look of the other pile."""
    assert images.labels is not None
    pictures: list[np.ndarray] = []
    for start in range(0, len(images), TOGETHER):
        some = torch.from_numpy(images.images[start : start + TOGETHER]).float() / 127.5 - 1
        pictures.append(to_uint8(G.translate(some, way)))  # (N, H, W, C)
    return InMemory(np.concatenate(pictures).transpose(0, 3, 1, 2), images.labels.numpy(), images.names)


def taught(images: ImageSet, shown: int, test: ImageSet, seed: int) -> float:
    """Accuracy on `test` of a classifier that has been shown so many of these images."""
    torch.manual_seed(seed)
    classifier = Classifier(images.shape[0], images.classes)
    learn(classifier, images, shown, CPU)
    return accuracy(classifier.eval(), test, CPU)


def adapted(options: argparse.Namespace, seed: int, folder: Path) -> dict[str, dict[str, float]]:
    """Accuracies on the target, by the way and by what was learnt from."""
    chance = np.random.default_rng(seed)
    size = options.resolution
    whole, other = mnist(options.root, "train", size), digits(size)
    order = chance.permutation(len(other))
    a = part(whole, chance.permutation(len(whole))[: options.mnist])
    test, b = (part(other, some) for some in np.split(order, [len(order) // TESTED]))
    begin = time.perf_counter()
    G = translator(write(a, folder / "a"), write(b, folder / "b"), folder / "run", options, seed)
    print(f"seed {seed}: {(time.perf_counter() - begin) / 60:.1f} minutes of CycleGAN", end="")
    found: dict[str, dict[str, float]] = {}
    ways = {"ab": (a, b, test), "ba": (b, a, mnist(options.root, "test", size))}
    for way, (source, target, unseen) in ways.items():
        looks = translated(G, source, way)
        sets = {"source": source, "translated": looks, "target": target}
        found[way] = {name: taught(images, options.learn, unseen, seed) for name, images in sets.items()}
        numbers = ", ".join(f"{name} {value:.1%}" for name, value in found[way].items())
        print(f"; {NAMES[way]}: {numbers} of {len(unseen)}", end="", flush=True)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            rows = [np.concatenate(list(some.images[:16, 0]), 1) for some in sets.values()]
            Image.fromarray(np.concatenate(rows)).save(options.out / f"seed{seed}-{way}.png")
    print()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--root", required=True, help="folder that holds MNIST/raw")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--resolution", type=int, default=16)
    parser.add_argument("--width", type=int, default=16, help="of the CycleGAN; published: 64")
    parser.add_argument("--images", type=int, default=20_000, help="that the CycleGAN sees of each pile")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--mnist", type=int, default=10_000, help="images of MNIST")
    parser.add_argument("--learn", type=int, default=30_000, help="images that each classifier is shown")
    parser.add_argument("--out", type=Path, help="folder for pictures: source, translated, target")
    parser.add_argument("overrides", nargs="*", help="of gantool train, such as loss.G.identity.weight=10")
    options = parser.parse_args()
    every: list[dict[str, dict[str, float]]] = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            every.append(adapted(options, seed, Path(folder)))
    for way, name in NAMES.items():
        for kind in every[0][way]:
            values = [found[way][kind] for found in every]
            spread = f" ± {statistics.stdev(values):.1%}" if len(values) > 1 else ""
            print(f"{name}  {kind:11s}{statistics.mean(values):.1%}{spread}")


if __name__ == "__main__":
    main()
