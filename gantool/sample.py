"""gantool sample: images from a trained generator."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from torch import Tensor

from gantool import clouds
from gantool.build import refuse_foreign
from gantool.checkpoint import load
from gantool.data.image_set import ImageSet
from gantool.gan import GAN
from gantool.images import picture_of, save, to_uint8
from gantool.layers.resolution import height_and_width
from gantool.priors import Gaussian, Truncated
from gantool.runs import checkpoint, find
from gantool.seeds import mix
from gantool.standing import needs_standing_statistics, standing_statistics
from gantool.tasks.generation import Generation
from gantool.tasks.task import moved


def main(cfg: DictConfig) -> None:
    """Write a grid and single images; of points, a cloud and a table.

    Raises ValueError for labels that the model does not know.
    """
    if not isinstance(cfg.count, int) or cfg.count < 1:
        raise ValueError(f"count={cfg.count}: give the number of images, 1 or more.")
    if not isinstance(cfg.batch_size, int) or cfg.batch_size < 1:
        raise ValueError(f"batch_size={cfg.batch_size}: give the images of one pass, 1 or more.")
    if not cfg.grid and not cfg.singles:
        raise ValueError("grid=false singles=false leaves nothing to write.")
    path = checkpoint(cfg.run)
    gan, config = load(path, cfg.trust)
    labels = labels_of(cfg.label, cfg.count, config)
    truncate(gan, cfg.truncation)
    gan.to(device_of(cfg.device))
    narrow = "" if cfg.truncation is None else f"-truncation{cfg.truncation}"
    out = Path(cfg.out) if cfg.out else find(cfg.run) / f"samples-{gan.images:09d}-seed{cfg.seed}{narrow}"
    out.mkdir(parents=True, exist_ok=True)

    if clouds.is_point((config.data.channels, *height_and_width(config.data.resolution))):
        write_points(cfg, gan, config, out)
    else:
        write_images(cfg, gan, labels, out)
    Console().print(
        f"{cfg.count} images of {path} at {gan.images:,} images: {out}", highlight=False, soft_wrap=True
    )


def write_images(cfg: DictConfig, gan: GAN, labels: Tensor, out: Path) -> None:
    kept: list[np.ndarray] = []
    for number, batch in enumerate(generate(gan, labels, cfg.seed, cfg.batch_size, cfg.standing)):
        pictures = to_uint8(batch)  # (N, H, W, C)
        if cfg.singles:
            for i, picture in enumerate(pictures, start=number * cfg.batch_size):
                save(picture, out / f"{i:06d}.png")
        if cfg.grid:
            kept.append(pictures)
    if cfg.grid:
        save(picture_of(np.concatenate(kept), cfg.columns), out / "grid.png")


def write_points(cfg: DictConfig, gan: GAN, config: DictConfig, out: Path) -> None:
    """cloud.png, of COUNT points where fewer are asked for, and points.csv in the data's own units."""
    labels = torch.zeros(max(cfg.count, clouds.COUNT), dtype=torch.long)
    fake = torch.cat(list(generate(gan, labels, cfg.seed, cfg.batch_size, cfg.standing)))  # (N, 2, 1, 1)
    if cfg.singles:
        rows = (
            fake[: cfg.count].flatten(1).double() * OmegaConf.select(config, "data.scale", default=1)
        ).tolist()
        (out / "points.csv").write_text("\n".join(["x,y", *(f"{x:.6g},{y:.6g}" for x, y in rows), ""]))
    if cfg.grid:
        images = set_of(config, cfg.trust)
        real = images[range(min(len(fake), len(images)))]["image"]
        save(clouds.cloud(fake, real, clouds.landscape(gan)), out / "cloud.png")


def set_of(config: DictConfig, trust: bool) -> ImageSet:
    """The images that a run was trained on. Raises ValueError where anybody's code would make them."""
    if not trust:
        refuse_foreign({"data": {"set": OmegaConf.to_container(config.data.set)}})
    return instantiate(config.data.set)


def truncate(gan: GAN, threshold: Any) -> None:
    """Let the prior draw from within `threshold` standard deviations. Raises ValueError where it has none."""
    if threshold is None:
        return
    if not isinstance(threshold, int | float) or not threshold > 0:
        raise ValueError(
            f"truncation={threshold}: give a number of standard deviations above 0, such as 0.7."
        )
    if not isinstance(gan.task, Generation) or not isinstance(gan.task.prior, Gaussian):
        raise ValueError(
            f"truncation={threshold}: only Gaussian latents can be truncated; this model has others."
        )
    gan.task.prior = Truncated(gan.task.prior, float(threshold))


@torch.no_grad()
def generate(gan: GAN, labels: Tensor, seed: int, batch_size: int, standing: bool | str) -> Iterator[Tensor]:
    """Images of (N, C, H, W) in [-1, 1], batch by batch, for labels of (count,).

    The latents depend on `seed` and the place of the image alone, not on the batch size or the device.
    """
    torch.manual_seed(mix(seed, "latents"))
    drawn = gan.task.draw({"label": labels})
    G = gan.generator
    if needs_standing_statistics(gan) if standing == "auto" else standing:
        reference = {"label": labels.repeat(-(-batch_size // len(labels)))[:batch_size]}
        standing_statistics(G, gan.task, reference)
    G.eval()
    for start in range(0, len(labels), batch_size):
        batch = {name: value[start : start + batch_size] for name, value in drawn.items()}
        yield gan.task.generate(G, moved(batch, G))["fake"].cpu()


def labels_of(label: Any, count: int, config: DictConfig) -> Tensor:
    """A class index for each image.

    Of `label` (a name, a number, or a list of them), or of every class in turn.
    """
    if not config.task.conditional:
        if label is not None:
            raise ValueError(f"label={label}: this model is not conditional; it makes images of any class.")
        return torch.zeros(count, dtype=torch.long)
    classes, names = config.data.classes, list(config.data.names)
    wanted = list(label) if OmegaConf.is_list(label) else [label] if label is not None else range(classes)
    indices = [index_of(one, classes, names) for one in wanted]
    return torch.tensor([indices[i % len(indices)] for i in range(count)])


def index_of(label: Any, classes: int, names: list[str]) -> int:
    if str(label) in names:
        return names.index(str(label))
    if isinstance(label, int) and 0 <= label < classes:
        return label
    raise ValueError(f"label={label}: the classes are 0 to {classes - 1}: {', '.join(names)}.")


def device_of(name: str) -> torch.device:
    """`auto` is the best device here. Raises ValueError for one that is not here."""
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(best if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device={name}: not available here; use auto or {best}.") from error
    return device
