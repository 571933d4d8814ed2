"""gantool detect: which images are unlike those that a model has learnt from, and where."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from gantool.anomaly import heat
from gantool.anomaly.judged import SCORES, SHOWN, Judged, draw, forget, found, sentences, write
from gantool.anomaly.scores import threshold
from gantool.anomaly.search import Search
from gantool.build import refuse_foreign, whole
from gantool.data.colours import colour
from gantool.data.decode import Corrupt
from gantool.data.image_set import ImageSet
from gantool.data.module import to_range
from gantool.data.order import Order
from gantool.data.resize import Format
from gantool.data.threads import bar
from gantool.finished import Finished, device_of, evenly, set_of, settle, tell
from gantool.prompts import is_told
from gantool.runs import checkpoint, find
from gantool.seeds import mix
from gantool.spaces import space_of
from gantool.tasks.autoencoding import Autoencoding
from gantool.tasks.task import Scored, moved
from gantool.trained import load
from gantool.translate import images_of, read, report

USUAL = {"model": 1000, "search": 100}  # normal images that a threshold is taken from
Scorer = Callable[[Tensor], Scored]  # (N, C, H, W) in [-1, 1] on the CPU
Pass = tuple[list[str], Tensor]  # names and images


def main(cfg: DictConfig) -> None:
    """Write scores.csv, detected.json, detected.png and a heat map of the most abnormal images.

    Exit status 1 tells of files that are no images. Raises ValueError for what cannot be done.
    """
    check(cfg)
    run = opened(cfg)
    method, scorer = scorer_of(cfg, run)
    out = place_of(cfg, run)
    source, labels, total, corrupt = given(cfg, run)
    normal = torch.tensor([])
    if count := USUAL[method] if cfg.reference is None else cfg.reference:
        normal, errors = reference(cfg, run, scorer, count)
        limit, top = threshold(normal, cfg.false_alarms), heat.scale(errors)
    else:
        limit, top = None, None

    judged = Judged(max(SHOWN, total if cfg.maps is None else cfg.maps))
    with bar("Detecting", total) as advance:
        for names, images in source:
            judged.add(names, images, scorer(images))
            advance(len(names))
    if corrupt:
        report(corrupt, total, Path(str(cfg.input)))
    if not judged.names:
        raise ValueError(f"input={cfg.input} holds no image that can be read.")
    scores = torch.tensor(judged.scores, dtype=torch.float64)
    abnormal = None if labels is None else torch.tensor([labels[name] for name in judged.names])

    out.mkdir(parents=True, exist_ok=True)
    forget(out)
    write(out / SCORES, judged.names, scores, limit, abnormal)
    top = heat.scale([heat.error(i, m) for _, _, i, m in judged.kept]) if top is None else top
    draw(out, judged, cfg.maps, top)
    record = {
        "checkpoint": str(run.path),
        "method": method,
        "steps": cfg.steps if method == "search" else None,
        "images": run.gan.images,
        "count": len(scores),
        "false_alarms": cfg.false_alarms,
        "reference": len(normal),
        "threshold": limit,
        **found(scores, limit, abnormal),
    }
    (out / "detected.json").write_text(json.dumps(record, indent=1) + "\n")
    for line in sentences(record):
        tell(line)
    tell(f"{len(scores):,} images by {run.moment}: {out}")
    if corrupt:
        raise SystemExit(1)


def check(cfg: DictConfig) -> None:
    """Raise ValueError for values that there are not."""
    for key, least in (("steps", 0), ("batch_size", 1), ("seed", 0)):
        whole(cfg, key, least)
    for key, least in (("reference", 0), ("maps", 0), ("count", 1)):
        if cfg[key] is not None:
            whole(cfg, key, least)
    for key in ("false_alarms", "feature_share"):
        value = cfg[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"{key}={value}: give a share, from 0 to 1.")
    if cfg.method not in ("auto", *USUAL):
        raise ValueError(f"method={cfg.method}: choose auto, {' or '.join(USUAL)}.")
    if cfg.input == "test" and cfg.normal is not None:
        raise ValueError(f"normal={cfg.normal}: input=test knows its normal images; leave it out.")


def opened(cfg: DictConfig) -> Finished:
    path = checkpoint(str(cfg.run))
    gan, config = load(path, cfg.trust)
    gan.to(device_of(cfg.device))
    gan.task.advance(gan.images)
    if gan.task.translates:
        gan.generator.eval()
    else:
        settle(gan, evenly(config), cfg.seed, cfg.standing)
    return Finished(gan, config, path, find(str(cfg.run)), "")


def place_of(cfg: DictConfig, run: Finished) -> Path:
    """The folder to fill, which may not exist yet. Raises ValueError for one that holds results already."""
    out = run.place(cfg.out, "detected", "test" if cfg.input == "test" else Path(str(cfg.input)).stem)
    if out.exists() and not out.is_dir():
        raise ValueError(f"out={out} is a file; give a folder.")
    if (out / SCORES).exists() and not cfg.overwrite:
        raise ValueError(f"{out / SCORES} exists already; give another out, or overwrite=true.")
    return out


def scorer_of(cfg: DictConfig, run: Finished) -> tuple[str, Scorer]:
    """How images are scored, by name and as a function. Raises ValueError where that was not learnt."""
    task = run.gan.task
    method = cfg.method if cfg.method != "auto" else "model" if task.detects else "search"
    if method == "model":
        if not task.detects:
            raise ValueError(
                f"method=model: {run.moment} has not learnt to tell abnormal images; use method=search, or "
                "model=f_anogan (beyond its pretrain=IMAGES) or model=ganomaly."
            )

        @torch.no_grad()
        def score(images: Tensor) -> Scored:
            return task.scored(run.G, moved({"image": images}, run.G)["image"])

        return method, score
    if task.translates or isinstance(task, Autoencoding):
        raise ValueError(
            f"method=search: {run.path} makes images of images, and a search needs latents: use a model of "
            "noise to image, or method=model with one that has learnt to tell (ganomaly, f_anogan)."
        )
    if run.config.task.get("conditional") or is_told(run.config):
        raise ValueError(
            f"method=search: {run.path} makes images of classes or captions that it is told, and an image "
            "comes without one; use a model that is not conditional."
        )
    space = space_of(run, "z")
    return method, Search(run, space, cfg.steps, cfg.feature_share, cfg.seed, cfg.batch_size)


# What is judged.


def given(
    cfg: DictConfig, run: Finished
) -> tuple[Iterator[Pass], dict[str, bool] | None, int, dict[str, str]]:
    """Images pass by pass; whether each is abnormal, where known; how many; corrupt ones, once read."""
    if cfg.input == "test":
        images = test_of(run.config, cfg.trust)
        places = some(len(images), cfg)
        assert images.labels is not None
        labels = {name_of(place): bool(images.labels[place]) for place in places}
        return in_passes(images, places, cfg.batch_size), labels, len(places), {}
    _, source, names = images_of(str(cfg.input))
    labels = labels_of(names, cfg)
    names = [names[place] for place in some(len(names), cfg)]
    form, corrupt = format_of(run), dict[str, str]()

    def passes() -> Iterator[Pass]:
        for start in range(0, len(names), cfg.batch_size):
            good: dict[str, Tensor] = {}
            for name in names[start : start + cfg.batch_size]:
                try:
                    pixels = form(read(source, name))
                except Corrupt as error:
                    corrupt[name] = str(error)
                else:
                    good[name] = to_range(torch.from_numpy(pixels.copy()), torch.get_default_dtype())
            if good:
                yield list(good), torch.stack(list(good.values()))

    return passes(), labels, len(names), corrupt


def test_of(config: DictConfig, trust: bool) -> ImageSet:
    """What the run's own data hold to judge it by. Raises ValueError where they hold nothing."""
    if "test" not in config.data:
        raise ValueError("input=test: this run was not trained with data=one_class; give a folder of images.")
    if trust is not True:
        refuse_foreign({"data": OmegaConf.to_container(config.data)})
    return instantiate(config.data.test)


def labels_of(names: Sequence[str], cfg: DictConfig) -> dict[str, bool] | None:
    """Whether each is abnormal: not in a folder that is named `normal`. None where none is named."""
    if cfg.normal is None:
        return None
    wanted = {str(one) for one in (cfg.normal if OmegaConf.is_list(cfg.normal) else [cfg.normal])}
    labels = {name: not wanted & set(PurePosixPath(name).parts[:-1]) for name in names}
    if all(labels.values()):
        there = sorted({part for name in names for part in PurePosixPath(name).parts[:-1]})
        raise ValueError(
            f"normal={cfg.normal}: no image of input={cfg.input} lies in a folder of that name; folders: "
            f"{', '.join(there[:10]) or 'none'}."
        )
    return labels


def format_of(run: Finished) -> Format:
    """What images had in training."""
    data, (channels, height, width) = run.config.data, run.shape
    fit, background = data.get("fit", "crop"), colour(data.get("background", "white"))
    return Format(channels, (height, width), 8, fit, background)


def in_passes(images: ImageSet, places: Sequence[int], size: int) -> Iterator[Pass]:
    for start in range(0, len(places), size):
        part = list(places[start : start + size])
        yield [*map(name_of, part)], to_range(images[part]["image"], torch.get_default_dtype())


def name_of(place: int) -> str:
    return f"{place:06d}"


def some(total: int, cfg: DictConfig) -> list[int]:
    """Places of as many images as shall be judged, in rising order."""
    order = Order(total, mix(cfg.seed, "judged"))
    return sorted(order(0, total if cfg.count is None else min(total, cfg.count)))


def reference(cfg: DictConfig, run: Finished, scorer: Scorer, count: int) -> tuple[Tensor, list[Tensor]]:
    """Scores (N,) of images that training has seen, and the errors of each pass: (n, H, W)."""
    images = set_of(run.config, cfg.trust)
    chosen = Order(len(images), mix(cfg.seed, "detect"))(0, min(count, len(images)))
    scores: list[Tensor] = []
    errors: list[Tensor] = []
    with bar("Looking at normal images", len(chosen)) as advance:
        for names, shown in in_passes(images, chosen, cfg.batch_size):
            scored = scorer(shown)
            scores.append(scored.score.detach().double().cpu())
            errors.append(heat.error(shown, scored.made.detach().cpu()))
            advance(len(names))
    return torch.cat(scores), errors
