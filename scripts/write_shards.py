"""Write tar shards from a folder or zip of images, for `gantool train data=shards data.path=OUT`.

    python scripts/write_shards.py DIR OUT
    python scripts/write_shards.py photos.zip OUT --subset train --resolution 256 --images-per-shard 5000

The images are shuffled, so that each shard is a sample of all: 00042.jpg, as it was, or 00042.png of another
size, and, where there are labels, 00042.json with the class and the name that it had. Beside the shards lies
shards.index, which lets training begin at once, also through a URL.
"""

import argparse
import io
import json
import math
import sys
import tarfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from gantool.data.corrupt import report
from gantool.data.decode import decode
from gantool.data.folder import Survey, format_of, only, survey
from gantool.data.indexing import index_of
from gantool.data.resize import Format
from gantool.data.scan import modes, sizes
from gantool.data.storage import Disk
from gantool.data.threads import in_threads


def png(content: bytes, form: Format) -> bytes:
    """The image in this format."""
    pixels = form(decode(content)).transpose(1, 2, 0)  # (H, W, C)
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if form.channels == 1 else np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()


def members(found: Survey, form: Format | None, seed: int) -> Iterator[list[tuple[str, bytes]]]:
    """The files of each image, name and content, in shuffled order.

    Args:
        form: what the images become; None = they stay as they are.
    """
    names, classes = found.images.names, found.classes
    order = np.random.default_rng(seed).permutation(len(names))
    digits = len(str(len(order) - 1))

    def read(number: int) -> bytes:
        content = found.source.read(names[int(order[number])])
        return content if form is None else png(content, form)

    for number, content in enumerate(in_threads(read, range(len(order)), "Writing shards")):
        name = names[int(order[number])]
        suffix = PurePosixPath(name).suffix.lower() if form is None else ".png"
        files = [(f"{number:0{digits}d}{suffix}", content)]
        if classes is not None:
            facts = {"label": classes.names[classes.labels[order[number]]], "file": name}
            files.append((f"{number:0{digits}d}.json", json.dumps(facts).encode()))
        yield files


def write(found: Survey, out: Path, images_per_shard: int, form: Format | None, seed: int) -> list[Path]:
    """All shards. They get their names when the last is finished: there are all of them, or none."""
    count = math.ceil(len(found.images.names) / images_per_shard)
    digits = max(6, len(str(count - 1)))
    shards = [out / f"shard-{number:0{digits}d}.tar" for number in range(count)]
    unfinished = [shard.with_suffix(".part") for shard in shards]
    images = members(found, form, seed)
    try:
        for part in unfinished:
            with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
                for name, content in chain.from_iterable(islice(images, images_per_shard)):
                    header = tarfile.TarInfo(name)
                    header.size = len(content)
                    tar.addfile(header, io.BytesIO(content))
        for part, shard in zip(unfinished, shards, strict=True):
            part.replace(shard)
    finally:
        for part in unfinished:
            part.unlink(missing_ok=True)
    return shards


def run(wanted: argparse.Namespace) -> str:
    """Everything from the arguments on; answers what was written."""
    if wanted.images_per_shard < 1:
        raise ValueError(f"--images-per-shard {wanted.images_per_shard}: use 1 or more.")
    if wanted.out.exists() and (not wanted.out.is_dir() or any(wanted.out.iterdir())):
        raise ValueError(f"{wanted.out} is not an empty folder; name a new one.")
    found = survey(wanted.path, wanted.subset, wanted.labels, wanted.label_column)
    images = found.images
    report(images.corrupt, len(images.names), found.source.path, fail=wanted.on_corrupt == "fail")
    form = None
    if wanted.resolution is not None:
        resolution = wanted.resolution[0] if len(wanted.resolution) == 1 else wanted.resolution
        size = only(sizes(images.facts))
        form = format_of(modes(images.facts), size, resolution, None, wanted.fit, wanted.background)

    wanted.out.mkdir(parents=True, exist_ok=True)
    shards = write(found, wanted.out, wanted.images_per_shard, form, wanted.shuffle_seed)
    index = index_of([str(shard.absolute()) for shard in shards], Disk())
    total = sum(shard.bytes for shard in index.shards)
    labelled = f" of {len(index.names)} classes" if index.names else ""
    return (
        f"{len(index.rows):,} images{labelled} in {len(shards)} shards, {total / 1e6:,.1f} MB. "
        f"Train on them: gantool train data=shards data.path={wanted.out}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", help="a folder or zip of images, of any depth")
    parser.add_argument("out", type=Path, help="a new or empty folder for the shards")
    parser.add_argument("--images-per-shard", type=int, default=10_000)
    parser.add_argument("--shuffle-seed", type=int, default=0)
    parser.add_argument("--subset", help="only the images below this folder of path")
    parser.add_argument("--labels", default="auto", help="auto, none, or a CSV or JSON file")
    parser.add_argument("--label-column", help="the column of a CSV with a header")
    parser.add_argument("--on-corrupt", choices=["skip", "fail"], default="skip")
    sides = (
        "save PNG files of this size, height and width where they differ; otherwise images stay as they are"
    )
    parser.add_argument("--resolution", type=int, nargs="+", metavar="PIXELS", help=sides)
    parser.add_argument("--fit", default="crop", help="with --resolution: crop, pad or stretch")
    parser.add_argument("--background", default="white", help="with --resolution: the colour of padding")
    arguments = parser.parse_args()
    try:
        print(run(arguments))
    except (ValueError, OSError) as error:
        sys.exit(f"write_shards.py: {error}")


if __name__ == "__main__":
    main()
