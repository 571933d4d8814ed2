"""Class names of images: from the folders that hold them, from a CSV, or from NVIDIA's dataset.json.

A label file names images below `data.path`, or below `data.subset`.
"""

import csv
import io
import json
import logging
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from gantool.data.decode import is_image
from gantool.data.source import Source, natural

log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Classes:
    """The class of each image.

    Args:
        labels: (N,) int32, counting through `names`.
        names: of the classes that occur, in natural order.
    """

    labels: np.ndarray
    names: list[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Classes":
        """From the name of the class of each image."""
        numbers: dict[str, int] = {}
        rough = np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), np.int32)
        used = sorted(numbers, key=natural)
        final_number = {name: number for number, name in enumerate(used)}
        return cls(np.array([final_number[name] for name in numbers], np.int32)[rough], used)

    def counts(self) -> dict[str, int]:
        """Images of each class, in the order of the labels."""
        numbers = np.bincount(self.labels, minlength=len(self.names)).tolist()
        return dict(zip(self.names, numbers, strict=True))


def classes_of(
    source: Source, names: Sequence[str], below: str, labels: str | None, label_column: str | None
) -> Classes | None:
    """The class of every image, or None where there are no classes.

    Args:
        names: of the images, below the source's root.
        below: what all names begin with: `data.subset` and a slash, or nothing.
        labels: `auto`, `none` or a label file, which lies in the working directory or in the source.
    """
    if labels == "auto" and label_column is None:
        if source.holds("dataset.json"):
            return _from_file(source, names, below, "dataset.json", None)
        return from_folders(names, below)
    if labels in ("auto", "none", None):
        if label_column is not None:
            raise ValueError(
                f"data.label_column={label_column} needs a table: give data.labels=FILE.csv too."
            )
        return None
    return _from_file(source, names, below, labels, label_column)


def from_folders(names: Sequence[str], below: str = "") -> Classes | None:
    """The name of the folder directly around each image, if there are at least two such names."""
    found = Classes.of(name.removeprefix(below).rpartition("/")[0].rpartition("/")[2] for name in names)
    if len(found.names) < 2:
        return None
    if "" in found.names:
        outside = found.labels == found.names.index("")
        log.warning(
            "No labels: %d of %d images lie outside of the folders that could name classes, such as %s.",
            outside.sum(),
            len(names),
            names[int(outside.argmax())],
        )
        return None
    return found


def _from_file(
    source: Source, names: Sequence[str], below: str, file: str, label_column: str | None
) -> Classes | None:
    content = _content(source, file)
    suffix = Path(file).suffix.lower()
    if suffix == ".csv":
        table = from_csv(content, file, label_column)
    elif suffix == ".json" and label_column is None:
        table = from_json(content, file)
    else:
        raise ValueError(f"data.labels={file}; use auto, none, a .csv, or a .json without data.label_column.")
    if table is None:
        return None

    table = {posixpath.normpath(name.replace("\\", "/")): label for name, label in table.items()}
    missing = [n for n in table if not source.holds(n) and not source.holds(below + n)]
    if missing:
        raise ValueError(
            f"{file} names {len(missing)} images that are not in {source.path}, such as {missing[0]}; "
            "remove their lines, or set data.path to the folder that the names start from."
        )
    unlabelled = [name for name in names if name not in table and name.removeprefix(below) not in table]
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} of {len(names)} images have no label in {file}, such as {unlabelled[0]}; "
            "add them, choose others by data.subset, or set data.labels=none."
        )
    return Classes.of(table[name] if name in table else table[name.removeprefix(below)] for name in names)


def _content(source: Source, file: str) -> str:
    path = Path(file).expanduser()
    if path.is_file():
        content = path.read_bytes()
    elif source.holds(file):
        content = source.read(file)
    else:
        raise ValueError(
            f"data.labels={file} is neither a file here nor in {source.path}; use auto, none or a file."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"data.labels={file} is not UTF-8 text ({error}); save it as UTF-8.") from error


def from_csv(content: str, file: str, label_column: str | None = None) -> dict[str, str]:
    """File and label of each row; a first row whose first cell names no image is a header."""
    rows = [row for row in csv.reader(io.StringIO(content, newline="")) if row]
    header = rows.pop(0) if rows and not is_image(rows[0][0]) else []
    column = 1
    if label_column is not None:
        if label_column not in header:
            known = ", ".join(header) if header else "its first row is no header"
            raise ValueError(f"{file} has no column data.label_column={label_column}; columns: {known}.")
        column = header.index(label_column)
    for row in rows:
        if len(row) <= column:
            raise ValueError(f"{file} has a row without a label: {','.join(row)}; expected file,label.")
    return {row[0].strip(): row[column].strip() for row in rows}


def from_json(content: str, file: str) -> dict[str, str] | None:
    """{"labels": [["a.png", 3], …]}, where `null` means no labels, or {"a.png": "cat", …}."""
    forms = '{"labels": [["a.png", 3], …]} or {"a.png": "cat", …}'
    try:
        table = json.loads(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is no JSON ({error}); expected {forms}.") from error
    match table:
        case {"labels": None}:
            return None
        case {"labels": [*rows]}:
            pairs = rows
        case {}:
            pairs = list(table.items())
        case _:
            raise ValueError(f"{file} has another form than {forms}; set data.labels=none.")
    for pair in pairs:
        match pair:
            case [str(), str() | int()]:
                continue
        raise ValueError(f"{file} holds {json.dumps(pair)[:60]}; expected {forms}, or set data.labels=none.")
    return {name: str(label) for name, label in pairs}
