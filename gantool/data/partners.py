"""Which image belongs to which: by equal names in two folders, or by a table."""

import csv
import io
import logging
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gantool.data.corrupt import NAMED
from gantool.data.decode import is_image
from gantool.data.sides import Side, look, start_of

HEADERS = {"a", "b", "from", "image", "input", "name", "output", "source", "target", "to"}  # of columns
LONGEST = 60  # letters of a row in a message
log = logging.getLogger(__name__)


def partners(
    path: str | None, source: str | None, target: str | None, table: str | None
) -> tuple[Side, Side]:
    """Source and target, image by image, as conf/data/pairs.yaml describes them; only readable ones."""
    if table is not None:
        return by_table(path, source, target, table)
    for key, folder in (("source", source), ("target", target)):
        if folder is None:
            raise ValueError(
                f"data.{key} is missing: give data.source=DIR data.target=DIR, folders of images with equal "
                "names; or data.path=DIR data.layout=side_by_side; or data.table=FILE.csv."
            )
    return by_name(look("source", path, source), look("target", path, target))


def by_name(source: Side, target: Side) -> tuple[Side, Side]:
    """Images of the same name, whatever their suffix; the others are left out, with a warning.

    Raises ValueError where no image has a partner, or one has two.
    """
    ours, theirs = numbered(source), numbered(target)
    both = [(position, theirs[name]) for name, position in ours.items() if name in theirs]
    if not both and len(source) and len(target):
        raise ValueError(
            f"No image of data.source={source.place} has a partner of the same name in "
            f"data.target={target.place}: there is {source.names[0]} here and {target.names[0]} there. "
            "Rename them, or give data.table=FILE.csv."
        )
    lost_ours, lost_theirs = ({bare(name, side.below) for name in side.corrupt} for side in (source, target))
    alone = (
        [source.names[p] for name, p in ours.items() if name not in theirs and name not in lost_theirs],
        [target.names[p] for name, p in theirs.items() if name not in ours and name not in lost_ours],
    )
    tell_alone(alone)
    positions = np.array(both, np.int64).reshape(-1, 2)
    return (
        replace(source.chosen(positions[:, 0]), alone=alone[0]),
        replace(target.chosen(positions[:, 1]), alone=alone[1]),
    )


def bare(name: str, below: str) -> str:
    """Without the folder that all have in common, and without its suffix."""
    return name.removeprefix(below).rpartition(".")[0]


def numbered(side: Side) -> dict[str, int]:
    """Bare name -> position."""
    positions: dict[str, int] = {}
    for position, name in enumerate(side.names):
        before = positions.setdefault(bare(name, side.below), position)
        if before != position:
            raise ValueError(
                f"data.{side.key}: {side.names[before]} and {name} would have the same partner; keep one."
            )
    return positions


def tell_alone(alone: tuple[Sequence[str], Sequence[str]]) -> None:
    if any(alone):
        named = ", ".join([*alone[0], *alone[1]][:NAMED])
        log.warning(
            "%d images of data.source and %d of data.target have no partner of the same name: %s%s. They are "
            "skipped.",
            *map(len, alone),
            named,
            ", …" if sum(map(len, alone)) > NAMED else "",
        )


def by_table(path: str | None, source: str | None, target: str | None, table: str) -> tuple[Side, Side]:
    """The two images of each row; names start from data.source and data.target, or else where the table lies.

    Raises ValueError for names that are not there.
    """
    file = Path(str(table)).expanduser()
    folder = str(file.parent) if path is None else path
    rows = rows_of(file)
    sides = []
    for column, (key, place) in enumerate((("source", source), ("target", target))):
        root, below = (place, None) if path is None and place is not None else (folder, place)
        start = start_of(below)
        names = [start + row[column] for row in rows]
        side = look(key, root, below, set(names))
        positions = {name: position for position, name in enumerate(side.names)}
        missing = [name for name in names if name not in positions and name not in side.corrupt]
        if missing:
            raise ValueError(
                f"data.table={table} names {len(missing)} images that are not in {side.source.path}, such as "
                f"{shown(missing[:1])}; set data.path, or data.{key}, to the folder that names start from."
            )
        sides.append((side, [positions.get(name, -1) for name in names]))
    places = np.array([found for _, found in sides]).T  # (N, 2), -1 for a corrupt image
    places = places[(places >= 0).all(1)]
    one, other = (side.chosen(places[:, column]) for column, (side, _) in enumerate(sides))
    return one, other


def rows_of(file: Path) -> list[tuple[str, str]]:
    """Source and target of each row, once; a first row that names no image is a header."""
    try:
        content = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"data.table={file} cannot be read ({error}); give a CSV file in UTF-8.") from error
    try:
        rows = [row for row in csv.reader(io.StringIO(content, newline="")) if row]
    except csv.Error as error:
        raise ValueError(
            f"data.table={file} cannot be read ({error}); look for a quote without its other end."
        ) from error
    if rows and not is_image(rows[0][0].strip()):
        header, *rows = rows
        if not HEADERS & {cell.strip().casefold() for cell in header}:
            log.warning("The first row of data.table=%s, %s, is taken for a header.", file, shown(header))
    for row in rows:
        if len(row) < 2 or not (is_image(row[0].strip()) and is_image(row[1].strip())):
            raise ValueError(f"data.table={file} has a row {shown(row)}; expected source.png,target.png.")
    if not rows:
        raise ValueError(f"data.table={file} is empty; give rows of source.png,target.png.")
    pairs = [(clean(row[0]), clean(row[1])) for row in rows]
    once = list(dict.fromkeys(pairs))
    if len(once) < len(pairs):
        log.warning(
            "%d of %d rows of data.table=%s repeat others. They are skipped.",
            len(pairs) - len(once),
            len(pairs),
            file,
        )
    return once


def shown(row: Sequence[str]) -> str:
    """Its cells on one line, for people."""
    text = ", ".join(map(repr, row))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def clean(name: str) -> str:
    return posixpath.normpath(name.strip().replace("\\", "/"))
