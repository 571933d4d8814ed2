"""gantool neighbours: fakes beside the training images that they are nearest to."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from gantool import clouds
from gantool.build import whole
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.data.threads import bar
from gantool.finished import Finished, finished, generate, labels_of, set_of, tell
from gantool.images import picture_of, save, to_uint8
from gantool.metrics.classifier_features import ClassifierFeatures
from gantool.metrics.dinov2 import DINOv2
from gantool.metrics.distribution import TOGETHER, as_bytes
from gantool.metrics.extractor import Extractor, eight_bit, extracted
from gantool.metrics.inception import Inception
from gantool.metrics.manifold import share
from gantool.metrics.pixels import Pixels
from gantool.metrics.ranking import ranked
from gantool.prompts import wanted
from gantool.seeds import mix

LINE = 6  # pixels of white between a fake and its neighbours


@final
@dataclass(frozen=True)
class Found:
    """What is nearest to each of N images, the nearest first; all (N, k).

    Attributes:
        places: of the neighbours in the training set.
        mirrored: whether the mirror image of a neighbour is meant.
        distances: to them.
    """

    places: Tensor
    mirrored: Tensor
    distances: Tensor


@final
@dataclass(frozen=True)
class TrainingSet:
    """Images that can be searched by their features.

    Attributes:
        images: the set.
        features: of an image.
        known: those of all images, (M, F), where distances are computed.
        mirror: every image stands for its mirror image, too. One is as far from the mirror image of another
            as its own mirror image is from that one: so those that are looked up are mirrored.
    """

    images: ImageSet
    features: Extractor
    known: Tensor
    mirror: bool

    def nearest(self, pictures: Tensor, k: int, apart: Tensor | None = None) -> Found:
        """To pictures (N, C, H, W), uint8; `apart` (N, E) as `ranked` has it."""
        ways = [pictures, pictures.flip(3)][: 1 + self.mirror]
        lists = [ranked(self.features_of(way), self.known, k, apart) for way in ways]
        squared = torch.cat([found for found, _ in lists], 1)  # (N, V k)
        places = torch.cat([found for _, found in lists], 1)
        mirrored = (torch.arange(len(ways) * k, device=places.device) >= k).expand_as(places)
        twin = (places[:, :, None] == places[:, None, :]) & (mirrored[:, :, None] ^ mirrored[:, None, :])
        other = torch.where(twin, squared[:, None, :], torch.inf).amin(2)  # (N, V k)
        worse = (squared > other) | ((squared == other) & mirrored)  # each image once, in its nearer way
        squared, order = squared.masked_fill(worse, torch.inf).topk(k, 1, largest=False)
        return Found(places.gather(1, order), mirrored.gather(1, order), squared.sqrt())

    def features_of(self, pictures: Tensor) -> Tensor:
        return extracted(self.features, pictures)["features"].to(self.known.device)

    def own(self, places: Tensor, apart: Tensor | None = None) -> Tensor:
        """Distances from images at places (N,) to the nearest other, but not that at `apart` (N,): (N,)."""
        left_out = places[:, None] if apart is None else torch.stack([places, apart], 1)
        pairs, where = left_out.unique(dim=0, return_inverse=True)
        parts = [
            self.nearest(self.pictures(some[:, 0]), 1, some).distances[:, 0] for some in pairs.split(TOGETHER)
        ]
        return torch.cat(parts)[where]

    def pictures(self, places: Tensor) -> Tensor:
        """(N, C, H, W), uint8."""
        return as_bytes(self.images[places.tolist()]["image"])


def main(cfg: DictConfig) -> None:
    """Write neighbours.png and neighbours.csv.

    Raises ValueError for numbers that mean nothing, and features that these data do not have.
    """
    for key in ("count", "neighbours", "rows", "side", "learn"):
        whole(cfg, key, least=1)
    features = features_of(cfg)
    run = finished(cfg, cfg.truncation, cfg.truncation_layers)
    if clouds.is_point(run.shape):
        raise ValueError(f"{run.path} makes points, not images: gantool sample shows them.")
    check(features, cfg.by, run.config.data)
    labels = labels_of(wanted(cfg, run.config), cfg.count, run.config)
    images = set_of(run.config, cfg.trust)
    most = len(images) - 2
    if cfg.neighbours > most:
        raise ValueError(f"neighbours={cfg.neighbours}: of {len(images)} training images, give 1 to {most}.")

    prepare(features, images, run)
    fakes = torch.cat(list(generate(run.gan, labels, cfg.seed, cfg.batch_size, False)))  # (N, C, H, W)
    if not fakes.isfinite().all():
        raise ValueError(f"{run.path} makes images that are not finite; they are near to nothing.")
    training = TrainingSet(
        images, features, read(images, features, run.gan.device), bool(run.config.data.get("mirror"))
    )
    found = training.nearest(eight_bit(fakes), cfg.neighbours)
    own = training.own(found.places.flatten()).view_as(found.places)
    order = suspicious(found.distances[:, 0], own[:, 0])

    out = run.out(cfg.out, "neighbours", f"{cfg.by}-seed{cfg.seed}")
    write(out / "neighbours.csv", order, found, own)
    save(picture(fakes, order[: cfg.rows], found, images), out / "neighbours.png")
    tell(
        "How to read it: left of the line a fake, right of it its nearest training images; where the first "
        "of these is the fake itself, it is a copy."
    )
    nearer, usually = share(found.distances[:, 0] <= own[:, 0]), usual(training, cfg.count, cfg.seed)
    tell(
        f"{nearer:.0%} of the fakes are nearer to a training image than its nearest other training image is; "
        f"of real images it is {usually:.0%}."
    )
    tell(f"{cfg.count} fakes of {run.moment}, by {cfg.by}, the most suspicious first: {out}")


def suspicious(distance: Tensor, own: Tensor) -> list[int]:
    """Numbers of fakes, those first whose distance (N,) to a training image is least in its `own` (N,)."""
    ratio = torch.where(distance == 0, 0.0, distance / own)
    rank = list(zip(ratio.tolist(), distance.tolist(), strict=True))
    return sorted(range(len(rank)), key=lambda fake: rank[fake])


def usual(training: TrainingSet, count: int, seed: int) -> float:
    """The share of so many training images that are nearer to another than any third is, as if fakes."""
    total = len(training.images)
    chosen = Order(total, mix(seed, "neighbours"))(0, min(count, total))
    places = torch.tensor(chosen, device=training.known.device)
    found = training.nearest(training.pictures(places), 1, places[:, None])
    return share(found.distances[:, 0] <= training.own(found.places[:, 0], places))


def write(path: Path, order: list[int], found: Found, own: Tensor) -> None:
    """A row for each pair: the fake, which of its neighbours, where that is in the training set, how far."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["fake", "neighbour", "image", "mirrored", "distance", "own"])
        for fake in order:
            rows = zip(
                *(it[fake].tolist() for it in (found.places, found.mirrored, found.distances, own)),
                strict=True,
            )
            for rank, (place, mirrored, distance, its_own) in enumerate(rows, 1):
                numbers = (f"{distance:.6g}", f"{its_own:.6g}")
                table.writerow([fake, rank, place, int(mirrored), *numbers])


def picture(fakes: Tensor, chosen: list[int], found: Found, images: ImageSet) -> np.ndarray:
    """(H', W', C): a row for each of the chosen fakes, then a white line, then its neighbours."""
    places, mirrored = (it[chosen].flatten().cpu() for it in (found.places, found.mirrored))
    real = to_range(images[places.tolist()]["image"], torch.float32)
    real = torch.where(mirrored[:, None, None, None], real.flip(3), real)
    left = picture_of(to_uint8(fakes[chosen]), 1)
    right = picture_of(to_uint8(real), found.places.shape[1])
    line = np.full((len(left), LINE, left.shape[2]), 255, np.uint8)
    return np.concatenate([left, line, right], 1)


def features_of(cfg: DictConfig) -> Extractor:
    """Those that `by` names. Raises ValueError for any other."""
    choices: dict[str, Callable[[], Extractor]] = {
        "pixels": lambda: Pixels(cfg.side),
        "classifier": lambda: ClassifierFeatures(cfg.learn, cfg.cache),
        "inception": lambda: Inception(weights=cfg.weights),
        "dinov2": lambda: DINOv2(weights=cfg.weights),
    }
    if cfg.by not in choices:
        raise ValueError(f"by={cfg.by}: choose one of {', '.join(choices)}.")
    return choices[cfg.by]()


def check(features: Extractor, by: str, data: DictConfig) -> None:
    """Raise ValueError for data that these features cannot see, in the words of this verb."""
    if by == "classifier" and (data.classes or 0) < 2:
        raise ValueError("by=classifier learns from labels, but these data have none; use by=pixels.")
    try:
        features.check(by, data)
    except ValueError as error:
        raise ValueError(str(error).replace("metrics=", "by=")) from error


def prepare(features: Extractor, images: ImageSet, run: Finished) -> None:
    """Get the network ready."""
    try:
        features.prepare("", images, run.gan.device, tell)
    except ValueError as error:
        raise ValueError(str(error).replace("metrics..features.weights", "weights")) from error


@torch.no_grad()
def read(images: ImageSet, features: Extractor, device: torch.device) -> Tensor:
    """Features (M, F) of the training set, read block by block."""
    parts: list[Tensor] = []
    with bar("Reading the training set", len(images)) as advance:
        for start in range(0, len(images), TOGETHER):
            some = range(start, min(start + TOGETHER, len(images)))
            parts.append(extracted(features, as_bytes(images[some]["image"]))["features"])
            advance(len(some))
    return torch.cat(parts).to("cpu" if device.type == "mps" else device)  # mps has no float64
