"""Tables of numbers: rows as images of one pixel, a channel for each column, in units of its deviation."""

import csv
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from gantool.data.held_out import part
from gantool.data.image_set import Batch, ImageSet
from gantool.mistakes import suggestion

SEPARATORS = (",", ";", "\t")
MISSING = ("", "?", "na", "n/a", "nan", "null", "none")
FEW = 8  # names of columns in a message


@final
class Table(ImageSet):
    """Rows as float images (F, 1, 1) of mean 0 and deviation 1 in each column.

    Args:
        values: (N, F), in the units of the table.
        columns: their names.
        mean: (F,), which is taken from each value.
        deviation: (F,), which the rest is divided by.
    """

    def __init__(self, values: np.ndarray, columns: Sequence[str], mean: np.ndarray, deviation: np.ndarray):
        self.images = torch.from_numpy((values - mean) / deviation).float()[:, :, None, None]  # (N, F, 1, 1)
        self.columns = tuple(columns)
        self.mean, self.deviation = mean, deviation
        self.shape = (len(self.columns), 1, 1)
        self.names = ()
        self.labels = None

    @property
    def facts(self) -> dict[str, Any]:
        """What a value was before: with it, rows can be made without the table."""
        return {
            "columns": list(self.columns),
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return {"image": self.images[torch.as_tensor(indices)]}


def table(
    path: str | None,
    columns: Sequence[str] | None = None,
    separator: str = "auto",
    hold_out: int = 0,
    held_out: bool = False,
) -> Table:
    """The set that conf/data/table.yaml describes, where each argument is explained.

    With `held_out` the rows that it does not show in training, in units of the others.

    Raises ValueError for a file that is no table of numbers, in one line that says where and what to do.
    """
    if path is None:
        raise ValueError("data=table needs a table: give data.path=FILE.csv.")
    file = Path(path).expanduser()
    if not file.is_file():
        raise ValueError(
            f"data.path={path} is no file; give a CSV, with the columns' names in its first row."
        )
    header, rows = read(file, separator)
    columns = [columns] if isinstance(columns, str) else columns
    chosen = list(header) if columns is None else [str(name) for name in columns]
    check(header, chosen, path)
    values = numbers(rows, header, chosen, path)  # (N, F)
    if len(values) < 2:
        raise ValueError(f"data.path={path} has {len(values)} rows; there is nothing to learn from.")
    seen = values[part(len(values), hold_out, held_out=False)]
    if len(seen) < 2:
        raise ValueError(
            f"data.hold_out={hold_out} leaves {len(seen)} of {len(values)} rows to learn from; give less."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = seen.mean(0), seen.std(0)
    if huge := [name for name, spread in zip(chosen, deviation, strict=True) if not isfinite(spread)]:
        raise ValueError(
            f"data.path={path}: the numbers of column {huge[0]} are too large to be squared; give them in a "
            f"larger unit, or leave it out: {choice([name for name in chosen if name not in huge])}."
        )
    varied = (np.ptp(seen, 0) > 0) & (deviation > 0)  # equal numbers may deviate from their mean by rounding
    constant = [name for name, varies in zip(chosen, varied, strict=True) if not varies]
    if constant:
        rest = [name for name in chosen if name not in constant]
        raise ValueError(
            f"data.path={path}: column {constant[0]} has the same value in every row, and nothing to "
            f"learn; leave it out: {choice(rest)}."
        )
    shown = values[part(len(values), hold_out, held_out=True)] if held_out else seen
    return Table(shown, chosen, mean, deviation)


def read(file: Path, separator: str) -> tuple[list[str], list[list[str]]]:
    """The first row, which names the columns, and all others."""
    if separator != "auto" and len(separator) != 1:
        raise ValueError(f"data.separator={separator}; give one letter, or auto.")
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            first = opened.readline()
            letter = max(SEPARATORS, key=first.count) if separator == "auto" else separator
            opened.seek(0)
            rows = list(csv.reader(opened, delimiter=letter))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"data.path={file} cannot be read as a CSV of UTF-8 text: {error}.") from error
    if not rows:
        raise ValueError(f"data.path={file} is empty; give a CSV, with the columns' names in its first row.")
    return [name.strip() for name in rows[0]], rows[1:]


def check(header: list[str], chosen: list[str], path: str) -> None:
    """Raise ValueError for columns that have no name, or not one of their own, or are not there."""
    if not any(header):
        raise ValueError(f"data.path={path}: its first row is blank; begin with the columns' names.")
    if all(number(cell) is not None for cell in header):
        raise ValueError(
            f"data.path={path}: its first row holds numbers ({', '.join(header[:3])} …), not the columns' "
            "names; put a row of names above it."
        )
    twice = [name for place, name in enumerate(header) if name in header[:place]]
    if twice:
        raise ValueError(f"data.path={path} has two columns named {twice[0] or '(nothing)'}; rename one.")
    unknown = [name for name in chosen if name not in header]
    if unknown:
        raise ValueError(f"data.columns: {path} has no column {unknown[0]}. {suggestion(unknown[0], header)}")
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"data.columns={chosen}: name each column once, and one at least.")


def numbers(rows: list[list[str]], header: list[str], chosen: list[str], path: str) -> np.ndarray:
    """The chosen columns as (N, F), float64.

    Raises ValueError for a cell that is no number. Rows are counted as in a spreadsheet: names are row 1.
    """
    places = [header.index(name) for name in chosen]
    values = np.empty((len(rows), len(chosen)))
    count = 0
    for line, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise ValueError(
                f"data.path={path}: row {line} has {len(row)} cells, but there are {len(header)} columns; "
                "repair it, or name the right data.separator."
            )
        for column, place in enumerate(places):
            value = number(row[place])
            if value is None or not isfinite(value):
                raise ValueError(f"data.path={path}: {wrong(rows, header, chosen, place, line)}")
            values[count, column] = value
        count += 1
    return values[:count]


def wrong(rows: list[list[str]], header: list[str], chosen: list[str], place: int, line: int) -> str:
    """What is the matter with a cell, and what to do about it."""
    cell, name = rows[line - 2][place].strip(), header[place]
    good = [it for it in chosen if all(numeric(rows, header.index(it)))]
    cure = f"leave it out: {choice(good)}" if good else "tables of numbers are what is learnt from"
    if cell.lower() in MISSING or number(cell) is not None:
        what = f"has {cell or 'nothing'} instead of a number in row {line}"
        return f"column {name} {what}; fill it in, remove that row, or {cure}."
    return f"column {name} holds text, {cell[:40]} in row {line}; write it as numbers, or {cure}."


def numeric(rows: list[list[str]], place: int) -> Iterator[bool]:
    """Whether a column's cells are finite numbers."""
    for row in rows:
        if len(row) > place and any(cell.strip() for cell in row):
            value = number(row[place])
            yield value is not None and isfinite(value)


def number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)  # Python alone reads 1_5 as 15
    except ValueError:
        return None


def choice(columns: list[str]) -> str:
    """How to choose these on the command line."""
    some = ",".join(columns[:FEW]) + (",…" if len(columns) > FEW else "")
    return f"'data.columns=[{some}]'"
