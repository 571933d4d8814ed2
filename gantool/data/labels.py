"""Class names of images: from the folders that hold them, from a CSV, or from NVIDIA's dataset.json.

A label file names images below `data.path`, or below `data.subset`.
"""

import csv
import io
import json
import logging
import posixpath
from collections.abc import Sequence
from pathlib import Path

from gantool.data.decode import is_image
from gantool.data.source import Source

log = logging.getLogger(__name__)


def class_names(
    source: Source, names: Sequence[str], subset: str, labels: str | None, label_column: str | None
) -> list[str] | None:
    """The name of the class of every image, or None where there are no classes.

    Args:
        names: of the images, below the source's root.
        labels: `auto`, `none` or a label file, which lies in the working directory or in the source.
    """
    if labels == "auto" and label_column is None:
        if source.holds("dataset.json"):
            return _from_file(source, names, subset, "dataset.json", None)
        return from_folders([posixpath.relpath(name, subset or ".") for name in names])
    if labels in ("auto", "none", None):
        if label_column is not None:
            raise ValueError(
                f"data.label_column={label_column} needs a table: give data.labels=FILE.csv too."
            )
        return None
    return _from_file(source, names, subset, labels, label_column)


def from_folders(names: Sequence[str]) -> list[str] | None:
    """The name of the folder directly around each image, if there are at least two such names."""
    folders = [posixpath.basename(posixpath.dirname(name)) for name in names]
    if len(set(folders)) < 2:
        return None
    if "" in folders:
        log.warning(
            "No labels: %d of %d images lie outside of the folders that could name classes, such as %s.",
            folders.count(""),
            len(names),
            names[folders.index("")],
        )
        return None
    return folders


def _from_file(
    source: Source, names: Sequence[str], subset: str, file: str, label_column: str | None
) -> list[str] | None:
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
    missing = [n for n in table if not source.holds(n) and not source.holds(posixpath.join(subset, n))]
    if missing:
        raise ValueError(
            f"{file} names {len(missing)} images that are not in {source.path}, such as {missing[0]}; "
            "remove their lines, or set data.path to the folder that the names start from."
        )
    within = {name: posixpath.relpath(name, subset or ".") for name in names}
    unlabelled = [name for name in names if name not in table and within[name] not in table]
    if unlabelled:
        raise ValueError(
            f"{len(unlabelled)} of {len(names)} images have no label in {file}, such as {unlabelled[0]}; "
            "add them, choose others by data.subset, or set data.labels=none."
        )
    return [table[name] if name in table else table[within[name]] for name in names]


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
