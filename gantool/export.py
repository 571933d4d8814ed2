"""gantool export: a trained generator alone, in a file that describes itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from gantool import artefact, clouds, hub
from gantool.build import refuse_foreign, whole
from gantool.finished import evenly, settle
from gantool.formats.format import Format, Subject
from gantool.gan import GAN
from gantool.images import picture_of, to_uint8
from gantool.library import Generator
from gantool.metrics.content import content
from gantool.runs import EXPORTED, checkpoint, find
from gantool.summary import lines
from gantool.trained import load
from gantool.truncation import truncate

SHOWN = 36  # samples on the picture of a repository


def main(cfg: DictConfig) -> None:
    """Write the file, and say how it compares with the generator.

    Raises ValueError for a generator that the format cannot hold.
    """
    export(cfg, Console(soft_wrap=True, highlight=False))


def export(cfg: DictConfig, console: Console) -> Path:
    """Answers the file."""
    whole(cfg, "seed", least=0)
    if cfg.licence is not None and not isinstance(cfg.licence, str):
        raise ValueError(f"licence={cfg.licence}: give the name of a licence, such as cc-by-4.0.")
    if cfg.hub is not None:
        hub.check(cfg.hub)
    path = checkpoint(str(cfg.run))
    form: Format = instantiate(cfg.format)
    if cfg.hub is not None and form.suffix != EXPORTED:
        raise ValueError(f"hub={cfg.hub}: a repository holds what gantool opens again: format=safetensors.")
    gan, config = load(path, cfg.trust)
    truncate(gan, cfg.truncation, cfg.truncation_layers)
    card = card_of(cfg, gan, config, path)
    card = card if cfg.hub is None else hub.public(card)
    subject = Subject(gan, card, cfg.direction, cfg.seed)
    form.check(subject)
    out = place(cfg, form, subject, find(str(cfg.run)))
    stand(gan, config, cfg.seed, cfg.standing)
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = form.write(subject, out)
    size = out.stat().st_size
    told = [("Generator", f"{path} at {gan.images:,} images"), ("File", f"{out}, {size / 1e6:,.2f} MB")]
    if cfg.hub is not None:
        hub.furnish(out.parent, cfg.hub, card, picture(gan, config, card, cfg.seed))
        rows = [*rows, ("Folder", str(out.parent)), ("Hub", hub.push(out, cfg.hub, cfg.hub_private))]
    console.print(lines([*told, *rows]))
    return out


def picture(gan: GAN, config: DictConfig, card: dict[str, Any], seed: int) -> np.ndarray | None:
    """What a generator of latents makes, (H, W, C); None of others, which need images of someone."""
    if gan.task.translates or clouds.is_point((card["channels"], *card["resolution"])):
        return None
    return picture_of(to_uint8(Generator(gan, config, card).sample(SHOWN, seed=seed)))


def place(cfg: DictConfig, form: Format, subject: Subject, folder: Path) -> Path:
    """The file to write. Raises ValueError where it would take the place of another."""
    way = "" if cfg.direction is None else f"-{cfg.direction}"
    narrow = "" if cfg.truncation is None else f"-truncation{cfg.truncation}"
    if cfg.hub is not None:
        home = folder / "hub" / str(cfg.hub) if cfg.out is None else Path(str(cfg.out)).expanduser()
        for beside in hub.BESIDE:
            free(home / beside, cfg.overwrite)
        return free(home / f"{hub.NAME}{form.suffix}", cfg.overwrite)
    name = f"{subject.card['family'] or 'generator'}-{subject.gan.images:09d}{way}{narrow}{form.suffix}"
    out = folder / name if cfg.out is None else Path(str(cfg.out)).expanduser()
    if out.suffix != form.suffix:
        raise ValueError(f"out={out}: files of this format end with {form.suffix}.")
    if out.is_dir():
        raise ValueError(f"out={out} is a folder; give a file.")
    return free(out, cfg.overwrite)


def free(out: Path, overwrite: bool) -> Path:
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists already; give another out, or overwrite=true.")
    return out


@torch.no_grad()
def stand(gan: GAN, config: DictConfig, seed: int, standing: bool | str) -> None:
    """Give a generator of latents the statistics that `gantool sample` would give it."""
    if not gan.task.translates:
        settle(gan, evenly(config), seed, standing)
    gan.generator.eval()


def card_of(cfg: DictConfig, gan: GAN, config: DictConfig, path: Path) -> dict[str, Any]:
    """Of an exported file its own, changed where something else is wanted."""
    truncation = {"threshold": cfg.truncation, "layers": cfg.truncation_layers}
    if path.suffix == EXPORTED:
        card = artefact.card_of(path)
        changed = {"truncation": truncation} if cfg.truncation is not None else {}
        return {**card, **changed, **({"licence": cfg.licence} if cfg.licence else {})}
    return artefact.card(
        gan,
        config,
        content=content_of(config, cfg.trust),
        truncation=truncation,
        licence=cfg.licence,
        metrics=metrics_of(find(str(cfg.run)), gan.images),
    )


def content_of(config: DictConfig, trust: bool) -> str | None:
    """Of the data, where they are at hand, not behind a URL: see `metrics.content`."""
    plain: Any = OmegaConf.to_container(config.data.set)
    if "://" in str(plain):
        return None
    if trust is not True:
        refuse_foreign({"data": {"set": plain}})
    try:
        return content(instantiate(plain))
    except (ValueError, OSError, InstantiationException):  # a generator needs no data; these are not here
        return None


def metrics_of(folder: Path, images: int) -> list[dict[str, Any]]:
    """What `gantool evaluate` has found out about this moment of a run, with the protocols."""
    records = [json.loads(file.read_text()) for file in sorted((folder / "metrics").glob("*.json"))]
    private = ("checkpoint",)
    return [
        {name: value for name, value in record.items() if name not in private}
        for record in records
        if record.get("images") == images
    ]
