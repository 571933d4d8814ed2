"""gantool evaluate: numbers for a trained generator."""

import json
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gantool import catalogue
from gantool.build import refuse_foreign
from gantool.callbacks.evaluation import held_out_of, nothing_held_out
from gantool.checkpoint import load
from gantool.data.image_set import ImageSet
from gantool.finished import device_of, set_of
from gantool.gan import GAN
from gantool.measure import MOST, Subject, measure, together
from gantool.metrics.metric import Metric
from gantool.runs import checkpoint, find
from gantool.summary import lines


def main(cfg: DictConfig) -> None:
    """Measure, print, and write METRIC-<images seen>-seed<seed>.json.

    Raises ValueError for a run that a metric cannot judge.
    """
    evaluate(cfg, Console(soft_wrap=True, highlight=False))


def evaluate(cfg: DictConfig, console: Console) -> list[Path]:
    """All chosen metrics of one checkpoint; answers the files with the numbers."""
    for key in ("count", "batch_size"):
        value = cfg[key]
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if not whole and value is not None:
            raise ValueError(f"{key}={value}: give a whole number of 1 or more.")
    device, path = device_of(cfg.device), checkpoint(cfg.run)
    gan, config = load(path, cfg.trust)
    metrics = metrics_of(cfg, config)
    for metric in metrics.values():
        metric.check(gan.task, config.data)
    gan.to(device)
    return [judged(cfg, gan, config, name, metric, path, console) for name, metric in metrics.items()]


def judged(
    cfg: DictConfig, gan: GAN, config: DictConfig, name: str, metric: Metric, path: Path, console: Console
) -> Path:
    """One of them."""
    images = held_out(config, cfg.trust, name) if metric.alike else set_of(config, cfg.trust)
    asked = metric.prepare(config.data, images, gan.device, console.print)
    most = len(images) if asked is None else asked
    count = most if cfg.count is None else min(cfg.count, most) if metric.alike else cfg.count
    default = together(config, True) if metric.alike else MOST[False]
    subject = Subject(gan, config, images, cfg.seed, cfg.batch_size or default, cfg.standing)
    found = measure(metric, subject, count)

    folder = Path(cfg.out) if cfg.out else find(cfg.run) / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{gan.images:09d}-seed{cfg.seed}.json"
    record = {"metric": name, "checkpoint": str(path), "images": gan.images, "seed": cfg.seed, **found.record}
    file.write_text(json.dumps({**record, "protocol": metric.protocol}, indent=1) + "\n")
    rows = [
        ("Checkpoint", f"{path} at {gan.images:,} images"),
        *found.rows,
        ("Protocol", metric.protocol),
        ("Numbers", str(file)),
    ]
    console.print(lines(rows))
    return file


def metrics_of(cfg: DictConfig, config: DictConfig) -> dict[str, Metric]:
    """Those that are asked for, or else those of the training.

    Raises ValueError where there are neither.
    """
    chosen = cfg.metrics
    if not chosen:
        chosen = config.get("metrics")
        if chosen and not cfg.trust:
            refuse_foreign({"metrics": OmegaConf.to_container(chosen)})
    if not chosen:
        names = ", ".join(catalogue.groups()["metrics"])
        raise ValueError(
            "metrics is empty, and this run measured nothing in training: choose metrics=likeness or another "
            f"of {names}."
        )
    return instantiate(chosen, _convert_="all")


def held_out(config: DictConfig, trust: bool, name: str) -> ImageSet:
    """What the training of a run never saw.

    Raises ValueError where it saw everything, or anybody's code would make the images.
    """
    if not trust:
        refuse_foreign({"data": OmegaConf.to_container(config.data)})
    images = held_out_of(config)
    if images is None:
        raise ValueError(f"metrics={name}: in the training of this run {nothing_held_out(config.data)}")
    return images
