"""gantool translate: images or videos, by a trained generator that makes the ones of the others."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
from omegaconf import DictConfig
from PIL import Image
from rich.console import Console

from gantool import videos
from gantool.build import whole
from gantool.data.colours import colour
from gantool.data.decode import Corrupt, decode, is_image
from gantool.data.source import Folder, Source, natural, open_source
from gantool.data.threads import bar
from gantool.finished import Finished, device_of, tell
from gantool.images import save, table_of
from gantool.layers.resolution import height_and_width
from gantool.runs import checkpoint, find
from gantool.tiles import Tiles
from gantool.trained import load
from gantool.translate_video import frames_of, translate_video
from gantool.translator import Translator
from gantool.videos import ENDING, is_video, videos_below

STRIPS = "strips"
FILE = "give a folder of images or videos, a zip of images, an image, or a video."


def main(cfg: DictConfig) -> None:
    """Write a PNG file for every image, an mp4 for every video; exit status 1 tells of files that are none.

    Raises ValueError for what cannot be done, before anything is written.
    """
    tiles = check(cfg)
    place, source, names = images_of(str(cfg.input))
    run, translator = opened(cfg, tiles)
    ending = place.resolve().stem if cfg.direction is None else f"{cfg.direction}-{place.resolve().stem}"
    out, results = run.place(cfg.out, "translated", ending), results_of(names)
    if is_video(out.name):  # which check() allows for one video alone
        out, results = out.parent, [out.name]
    refuse_loss(
        cfg, place, out, results, [source.path / name for name in names] if place.is_dir() else [place]
    )

    far, corrupt = 0, dict[str, str]()
    with bar("Translating", length(source, names)) as advance:
        for name, result in zip(names, results, strict=True):
            try:
                if is_video(name):
                    strip = out / STRIPS / result if cfg.strips else None
                    far += translate_video(translator, source.path / name, out / result, strip, advance)
                    continue
                image = read(source, name)
            except Corrupt as error:
                corrupt[name] = str(error)
            else:
                far += translator.far(image)
                translate(translator, image, name, out, result, cfg.strips, alone=len(names) == 1)
            advance(1)

    if far:
        tell(
            f"Shorter sides had {translator.trained} pixels in training; those of {far} of {counted(names)} "
            "are more than twice as long or as short. size=trained may look better."
        )
    if done := [name for name in names if name not in corrupt]:
        tell(f"{counted(done)} by {run.moment}: {out}")
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
    if cfg.out is not None and is_video(str(cfg.out)):
        if not (is_video(str(cfg.input)) and Path(str(cfg.input)).expanduser().is_file()):
            raise ValueError(f"out={cfg.out} needs one video as input; give a folder.")
        if not str(cfg.out).lower().endswith(ENDING):
            raise ValueError(f"out={cfg.out}: videos are written as {ENDING}; give such a name, or a folder.")
    return Tiles(cfg.tile, cfg.overlap)


def images_of(value: str) -> tuple[Path, Source, list[str]]:
    """Where `input` lies, and the names of its images and videos below that; a file has its own name."""
    place = Path(value).expanduser()
    if place.is_file() and place.suffix.lower() != ".zip":
        if is_video(place.name):
            videos.check(f"input={value}")
        return place, Folder(place.parent), [place.name]
    try:
        source = open_source(place)
    except ValueError as error:
        what = "is not there" if not place.exists() else "is neither a folder, a zip, an image nor a video"
        raise ValueError(f"input={value} {what}; {FILE}") from error
    names = [entry.name for entry in source.images()]
    if clips := videos_below(place) if place.is_dir() else []:
        videos.check(f"input={value}")
        names = sorted([*names, *clips], key=natural)
    if not names:
        raise ValueError(f"input={value} holds no images (PNG, JPEG, WebP, TIFF, BMP, GIF) or videos; {FILE}")
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
    """a/b.jpg becomes a/b.png, a/b.mov a/b.mp4; a/b.jpg.png where there is another a/b, such as a/b.tif."""
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in names]
    alike = Counter(stem.casefold() for stem in stems)  # some file systems know no case
    return [
        f"{stem if alike[stem.casefold()] == 1 else name}{ENDING if is_video(name) else '.png'}"
        for stem, name in zip(stems, names, strict=True)
    ]


def refuse_loss(cfg: DictConfig, place: Path, out: Path, results: list[str], sources: list[Path]) -> None:
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
    refuse_clash(place, out, written)
    there = [name for name in written if (out / name).exists()]
    own = {path.resolve() for path in sources} if there else set[Path]()
    if lost := [path for path in (out / name for name in there) if path.resolve() in own]:
        raise ValueError(f"out={out}: the result would replace its source, {lost[0]}; give another folder.")
    if there and not cfg.overwrite:
        raise ValueError(
            f"{out} holds {len(there)} of {len(written)} results already, such as {there[0]}; give another "
            "out, or overwrite=true."
        )


def refuse_clash(place: Path, out: Path, written: list[str]) -> None:
    """Raise ValueError where a result would be another one, a folder of others, or one of the sources."""
    taken = set[str]()
    for name in written:
        if name.casefold() in taken:  # some file systems know no case
            raise ValueError(f"input={place}: two results would be {name}; rename one of their sources.")
        taken.add(name.casefold())
    for name in written:
        if place.is_dir() and (out / name).resolve().is_relative_to(place.resolve()):
            raise ValueError(f"out={out}: {name} would join its sources in {place}; give another folder.")
        for folder in PurePosixPath(name).parents[:-1]:
            if folder.as_posix().casefold() in taken:
                raise ValueError(
                    f"input={place}: {folder} would be a result, and the folder of {name}; rename it."
                )
            if (out / folder).is_file():
                raise ValueError(f"out={out}: {folder} is a file there, no folder; give another out.")
        if (out / name).is_dir():
            raise ValueError(f"out={out}: {name} is a folder there, no file; give another out.")


def length(source: Source, names: list[str]) -> int | None:
    """Images to be made, frames of videos included; None where a video does not say."""
    counts = [frames_of(source.path / name) if is_video(name) else 1 for name in names]
    return None if None in counts else sum(count for count in counts if count is not None)


def counted(names: list[str]) -> str:
    """3 images, 1 video, or both, for people."""
    clips = sum(map(is_video, names))
    kinds = {"image": len(names) - clips, "video": clips}
    return " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items() if count)


def read(source: Source, name: str) -> np.ndarray:
    """(H, W, C). Raises Corrupt."""
    try:
        return decode(source.read(name))
    except Corrupt:
        raise
    except Exception as error:  # of the disk, of the zip, of its compression
        raise Corrupt(" ".join(str(error).split()) or type(error).__name__) from error


def write(picture: np.ndarray, path: Path) -> None:
    """The file appears, or is replaced, when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        if picture.dtype == np.uint16:
            Image.fromarray(picture[:, :, 0]).save(beside)
        else:
            save(picture, beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def report(corrupt: dict[str, str], total: int, place: Path) -> None:
    """Every one by name: this is where to look for them."""
    what, lost = "images", "cannot be read, and are left out"
    if any(map(is_video, corrupt)):
        what, lost = "files", "cannot be read, or not to their end"
    lines = [f"{len(corrupt)} of {total} {what} in {place} {lost}:"]
    lines += [f"{name}: {reason}" for name, reason in corrupt.items()]
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print("\n".join(lines))
