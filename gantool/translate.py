"""gantool translate: images from images, by a trained generator that makes the ones of the others."""

from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
from omegaconf import DictConfig
from PIL import Image
from rich.console import Console

from gantool.build import whole
from gantool.data.colours import colour
from gantool.data.decode import Corrupt, decode, is_image
from gantool.data.source import Folder, Source, open_source
from gantool.data.threads import bar
from gantool.finished import Finished, device_of, tell
from gantool.images import save, table_of
from gantool.layers.resolution import height_and_width
from gantool.runs import checkpoint, find
from gantool.tiles import Tiles
from gantool.trained import load
from gantool.translator import Translator

STRIPS = "strips"
FILE = "give a folder of images, or a zip of one, or an image."


def main(cfg: DictConfig) -> None:
    """Write a PNG file for every image; exit status 1 tells of files that are none.

    Raises ValueError for what cannot be done, before anything is written.
    """
    tiles = check(cfg)
    place, source, names = images_of(str(cfg.input))
    run, translator = opened(cfg, tiles)
    ending = place.resolve().stem if cfg.direction is None else f"{cfg.direction}-{place.resolve().stem}"
    out = run.place(cfg.out, "translated", ending)
    results = results_of(names)
    refuse_loss(cfg, place, out, results)

    far, corrupt = 0, dict[str, str]()
    with bar("Translating", len(names)) as advance:
        for name, result in zip(names, results, strict=True):
            try:
                image = read(source, name)
            except Corrupt as error:
                corrupt[name] = str(error)
            else:
                far += translator.far(image)
                translate(translator, image, name, out, result, cfg.strips, alone=len(names) == 1)
            advance(1)

    if far:
        tell(
            f"Shorter sides had {translator.trained} pixels in training; those of {far} of {len(names)} "
            "images are more than twice as long or as short. size=trained may look better."
        )
    if count := len(names) - len(corrupt):
        tell(f"{count} image{'s' * (count > 1)} by {run.moment}: {out}")
    if corrupt:
        report(corrupt, len(names), place)
        raise SystemExit(1)


def translate(
    translator: Translator, image: np.ndarray, name: str, out: Path, result: str, strips: bool, alone: bool
) -> None:
    """Write the result of one image, and the strip of both where that is wanted."""
    try:
        shown, made, picture = translator(image, follow=alone)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    write(picture, out / result)
    if strips:
        write(table_of([shown, made]), out / STRIPS / result)


def check(cfg: DictConfig) -> Tiles:
    """The tiles that are asked for. Raises ValueError for values that there are not."""
    whole(cfg, "seed", least=0)
    if cfg.alpha not in ("keep", "drop"):
        raise ValueError(f"alpha={cfg.alpha}: give keep or drop.")
    size = cfg.size
    if size not in (None, "trained") and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise ValueError(f"size={size}: give the pixels of the shorter side, or trained, or null.")
    if cfg.out is not None and is_image(str(cfg.out)):
        raise ValueError(f"out={cfg.out}: give a folder; results are named as their sources, and are PNG.")
    return Tiles(cfg.tile, cfg.overlap)


def images_of(value: str) -> tuple[Path, Source, list[str]]:
    """Where `input` lies, and the names of its images below that; an image has the name of its file."""
    place = Path(value).expanduser()
    if place.is_file() and place.suffix.lower() != ".zip":
        return place, Folder(place.parent), [place.name]
    try:
        source = open_source(place)
    except ValueError as error:
        what = "is not there" if not place.exists() else "is neither a folder, a zip nor an image"
        raise ValueError(f"input={value} {what}; {FILE}") from error
    names = [entry.name for entry in source.images()]
    if not names:
        raise ValueError(f"input={value} holds no images (PNG, JPEG, WebP, TIFF, BMP, GIF); {FILE}")
    return place, source, names


def opened(cfg: DictConfig, tiles: Tiles) -> tuple[Finished, Translator]:
    """What `run`, `direction`, `size`, `alpha`, `seed`, `device` and `trust` ask for."""
    path = checkpoint(str(cfg.run))
    gan, config = load(path, cfg.trust)
    try:
        network = gan.task.translator(gan.generator, cfg.direction)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    gan.to(device_of(cfg.device))
    data = config.data
    channels = data.channels if cfg.direction == "ba" else data.get("source_channels", data.channels)
    enlarges = data.get("scale", 1) > 1  # it has learnt from crops: images of any size are alike to it
    trained = None if enlarges else min(height_and_width(data.resolution))
    if cfg.size == "trained" and trained is None:
        raise ValueError("size=trained: this model enlarges images of any size; leave size out.")
    translator = Translator(
        network=network.eval(),
        channels=channels,
        trained=trained,
        background=colour(data.get("background", "white")),
        side=trained if cfg.size == "trained" else cfg.size,
        tiles=tiles,
        transparent=cfg.alpha == "keep",
        seed=cfg.seed,
    )
    return Finished(gan, config, path, find(str(cfg.run)), ""), translator


def results_of(names: list[str]) -> list[str]:
    """a/b.jpg becomes a/b.png; a/b.jpg.png where there is another a/b, such as a/b.tif."""
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in names]
    alike = Counter(stem.casefold() for stem in stems)  # some file systems know no case
    return [
        f"{stem if alike[stem.casefold()] == 1 else name}.png"
        for stem, name in zip(stems, names, strict=True)
    ]


def refuse_loss(cfg: DictConfig, place: Path, out: Path, results: list[str]) -> None:
    """Raise ValueError where results would take the place of sources, of other files or of each other."""
    if out.is_file():
        raise ValueError(f"out={out} is a file; give a folder.")
    if place.is_dir() and out.resolve().is_relative_to(place.resolve()):
        raise ValueError(f"out={out} lies in input={place}, whose images it would join; give another folder.")
    if cfg.strips and any(result.startswith(f"{STRIPS}/") for result in results):
        raise ValueError(f"strips=true: input={place} has a folder {STRIPS} of its own; rename it.")
    written = [*results, *(f"{STRIPS}/{result}" for result in results if cfg.strips)]
    for name in written:
        if not (out / name).resolve().is_relative_to(out.resolve()):
            raise ValueError(f"input={place}: {name} would be written outside of {out}; rename it.")
    there = [name for name in written if (out / name).exists()]
    if any((out / name).samefile(place) for name in there):
        raise ValueError(f"out={out}: the result would replace its source, {place}; give another folder.")
    if there and not cfg.overwrite:
        raise ValueError(
            f"{out} holds {len(there)} of {len(written)} results already, such as {there[0]}; give another "
            "out, or overwrite=true."
        )


def read(source: Source, name: str) -> np.ndarray:
    """(H, W, C). Raises Corrupt."""
    try:
        return decode(source.read(name))
    except Corrupt:
        raise
    except Exception as error:  # of the disk, of the zip, of its compression
        raise Corrupt(" ".join(str(error).split()) or type(error).__name__) from error


def write(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.dtype == np.uint16:
        Image.fromarray(picture[:, :, 0]).save(path)
    else:
        save(picture, path)


def report(corrupt: dict[str, str], total: int, place: Path) -> None:
    """Every one by name: this is where to look for them."""
    lines = [f"{len(corrupt)} of {total} images in {place} cannot be read, and are left out:"]
    lines += [f"{name}: {reason}" for name, reason in corrupt.items()]
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print("\n".join(lines))
