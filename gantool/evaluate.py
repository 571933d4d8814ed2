"""gantool evaluate: numbers for a trained generator."""

import json
from itertools import count
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gantool import catalogue
from gantool.artefact import card_of
from gantool.build import refuse_foreign, whole
from gantool.callbacks.evaluation import held_out_of, nothing_held_out
from gantool.callbacks.evaluation import protocol as protocol_of
from gantool.data.image_set import ImageSet
from gantool.finished import device_of, set_of
from gantool.gan import GAN
from gantool.measure import Request, by_sight, measure
from gantool.metrics.metric import Metric
from gantool.metrics.sight import Sight
from gantool.resume import refuse_changed
from gantool.runs import EXPORTED, checkpoint, find
from gantool.subject import MOST, Subject, together
from gantool.summary import lines
from gantool.trained import load
from gantool.truncation import truncate


def main(cfg: DictConfig) -> None:
    """Measure, print, and write METRIC-<images seen>-seed<seed>.json.

    Raises ValueError for a run that a metric cannot judge.
    """
    evaluate(cfg, Console(soft_wrap=True, highlight=False))


def evaluate(cfg: DictConfig, console: Console) -> list[Path]:
    """All chosen metrics of one checkpoint; answers the files with the numbers."""
    for key in ("count", "batch_size"):
        if cfg[key] is not None:
            whole(cfg, key, least=1)
    whole(cfg, "seed", least=0)
    if cfg.standing not in (True, False, "auto"):
        raise ValueError(f"standing={cfg.standing}: give true, false or auto.")
    device, path = device_of(cfg.device), checkpoint(cfg.run)
    gan, config = load(path, cfg.trust)
    metrics = metrics_of(cfg, config)
    for metric in metrics.values():
        metric.check(gan.task, config.data)
    truncate(gan, cfg.truncation)
    gan.to(device)
    console.print(lines([("Checkpoint", f"{path} at {gan.images:,} images")]))
    files: list[Path] = []
    for sight, some in by_sight(metrics.items()).items():
        files += judged(cfg, gan, config, sight, some, path, console)
    return files


def judged(
    cfg: DictConfig,
    gan: GAN,
    config: DictConfig,
    sight: Sight,
    metrics: dict[str, Metric],
    path: Path,
    console: Console,
) -> list[Path]:
    """Those of one sight: every image is made once for all of them."""
    images = held_out(config, cfg.trust, ", ".join(metrics)) if sight.held_out else set_of(config, cfg.trust)
    requests = [
        Request(metric, metric.prepare(config.data, images, gan.device, console.print, cfg.count))
        for metric in metrics.values()
    ]
    size = cfg.batch_size or (together(config, True) if gan.task.translates else MOST[False])
    truncation = truncation_of(cfg, path)
    subject = Subject(gan, config, images, cfg.seed, size, cfg.standing, truncation)
    folder = folder_of(cfg, path)
    folder.mkdir(parents=True, exist_ok=True)
    narrow = "" if truncation is None else f"-truncation{truncation}"
    files: list[Path] = []
    for name, request, found in zip(metrics, requests, measure(requests, subject), strict=True):
        protocol = protocol_of(request.metric, subject)
        record = {
            "metric": name,
            "checkpoint": str(path),
            "images": gan.images,
            "seed": cfg.seed,
            **({} if gan.task.translates else {"truncation": truncation}),
            "samples": request.count,
            **found.record,
            "protocol": protocol,
        }
        file = place_of(folder, f"{name}-{gan.images:09d}-seed{cfg.seed}{narrow}", record)
        beside = file.with_suffix(".part")
        beside.write_text(json.dumps(record, indent=1) + "\n")
        beside.replace(file)
        console.print(lines([*found.rows, ("Protocol", protocol), ("Numbers", str(file))]))
        files.append(file)
    return files


def truncation_of(cfg: DictConfig, path: Path) -> float | None:
    """What is asked for, or what an exported file has."""
    if cfg.truncation is None and path.suffix == EXPORTED:
        return card_of(path)["truncation"]["threshold"]
    return cfg.truncation


def folder_of(cfg: DictConfig, path: Path) -> Path:
    """The folder for them. Those of an exported file are none of the run's, wherever it lies."""
    if cfg.out is not None:
        return Path(str(cfg.out)).expanduser()
    return find(cfg.run) / (f"metrics-{path.stem}" if path.suffix == EXPORTED else "metrics")


def place_of(folder: Path, stem: str, record: dict[str, Any]) -> Path:
    """STEM.json, or STEM-2.json and so on: what was measured by another protocol stays."""
    names = (f"{stem}.json" if number == 1 else f"{stem}-{number}.json" for number in count(1))
    return next(file for file in map(folder.joinpath, names) if not file.exists() or alike(file, record))


def alike(file: Path, record: dict[str, Any]) -> bool:
    """Whether a file holds numbers by the protocol of this record, of as many samples."""
    try:
        known = json.loads(file.read_text())
    except ValueError:
        return False
    return isinstance(known, dict) and all(known.get(key) == record[key] for key in ("protocol", "samples"))


def metrics_of(cfg: DictConfig, config: DictConfig) -> dict[str, Metric]:
    """Those that are asked for, or else those of the training.

    Raises ValueError where there are neither.
    """
    chosen = cfg.metrics
    if not chosen:
        chosen = config.get("metrics")
        if chosen and cfg.trust is not True:
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

    Raises ValueError where it saw everything, anybody's code would make the images, or there are others than
    there were, so that others are held out.
    """
    if trust is not True:
        refuse_foreign({"data": OmegaConf.to_container(config.data)})
    images = held_out_of(config)
    if images is None:
        raise ValueError(f"metrics={name}: in the training of this run {nothing_held_out(config.data)}")
    if "shown" in config.data:
        light = {"in_memory": False} if "in_memory" in config.data.set else {}
        refuse_changed(
            OmegaConf.to_container(config.data),  # pyright: ignore
            {"shown": len(instantiate(config.data.set, **light))},
        )
    return images
