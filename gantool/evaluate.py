"""gantool evaluate: numbers for a trained generator."""

import json
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console

from gantool.checkpoint import load
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.finished import device_of, generate, labels_of, set_of
from gantool.metrics.metric import Metric
from gantool.runs import checkpoint, find
from gantool.seeds import mix
from gantool.summary import lines


def main(cfg: DictConfig) -> None:
    """Measure, print, and write METRIC-<images seen>-seed<seed>.json.

    Raises ValueError for a run that the metric cannot judge.
    """
    name = HydraConfig.get().runtime.choices["metrics"]
    evaluate(cfg, str(name), Console(soft_wrap=True, highlight=False))


def evaluate(cfg: DictConfig, name: str, console: Console) -> Path:
    """One metric of one checkpoint; answers the file with the numbers."""
    for key in ("count", "batch_size"):
        value = cfg[key]
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if not whole and not (key == "count" and value is None):
            raise ValueError(f"{key}={value}: give a whole number of 1 or more.")
    metric: Metric = instantiate(cfg.metrics)
    path = checkpoint(cfg.run)
    gan, config = load(path, cfg.trust)
    metric.check(config.data)
    device = device_of(cfg.device)
    images = set_of(config, cfg.trust)
    asked = metric.prepare(config.data, images, device, console.print)
    count = asked if cfg.count is None else cfg.count

    order, done = Order(len(images), mix(cfg.seed, "evaluate")), 0
    gan.to(device)
    for fake in generate(gan, labels_of(None, count, config), cfg.seed, cfg.batch_size, cfg.standing):
        real = to_range(images[order(done, len(fake))]["image"], fake.dtype)
        metric.update(real, fake)
        done += len(fake)
    numbers = metric.compute()

    folder = Path(cfg.out) if cfg.out else find(cfg.run) / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{gan.images:09d}-seed{cfg.seed}.json"
    record = {"metric": name, "checkpoint": str(path), "images": gan.images, "seed": cfg.seed, **numbers}
    file.write_text(json.dumps({**record, "protocol": metric.protocol}, indent=1) + "\n")
    rows = [
        ("Checkpoint", f"{path} at {gan.images:,} images"),
        *metric.report(),
        ("Protocol", metric.protocol),
        ("Numbers", str(file)),
    ]
    console.print(lines(rows))
    return file
