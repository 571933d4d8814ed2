"""Settings as rows: for people on the terminal, for programs in compare.csv."""

import csv
from collections.abc import Callable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from gantool.comparison.quantities import Measure, Quantity, Spread, moments, paces
from gantool.comparison.settings import Difference, Setting
from gantool.sweeps.table import time_of

ARROWS = {"minimize": " ↓", "maximize": " ↑", None: ""}
FILE = "compare.csv"
WIDE = 100_000  # characters: wider than any table

Column = tuple[str, list[str]]  # title, and a cell of each setting


def columns(
    settings: list[Setting], differences: list[Difference], quantities: list[Quantity], marks: dict[str, int]
) -> list[Column]:
    """What people see: a number, and below it the best one of the training."""
    pace = [paces(it) for it in settings]
    found: list[Column] = [(it.title, it.values) for it in differences]
    seeds = [[it.seed for it in setting.traces] for setting in settings]
    found.append(("seeds", [f"{len(set(it))} ({', '.join(it)})" for it in seeds]))
    for title, place, form in (("images", 0, whole), ("time", 1, time_of), ("images/s", 2, whole)):
        spreads = [pace[row][place] for row in range(len(settings))]
        found.append((title, ["" if it is None else about(it, form) for it in spreads]))
    for it in quantities:
        title = f"{it.measure.name}{ARROWS[it.direction]} [{marks[it.measure.protocol]}]"
        found.append(
            (title, [cell(it, place, len(setting.traces)) for place, setting in enumerate(settings)])
        )
    return found


def cell(quantity: Quantity, place: int, runs: int) -> str:
    last, best = quantity.last(place), quantity.best(place)
    if last is None:
        return ""
    some = f" ({last.runs} of {runs} runs)" if last.runs < runs else ""
    return said(last) + some + (f"\nbest {said(best)}" if best is not None else "")


def said(spread: Spread) -> str:
    """0.123 ± 0.004."""
    return f"{spread.mean:.4g}" + ("" if spread.std is None else f" ± {spread.std:.2g}")


def about(spread: Spread, form: Callable[[float], str]) -> str:
    """1,234 ± 56; what is the same of all runs is told without a deviation."""
    return form(spread.mean) + (f" ± {form(spread.std)}" if spread.std else "")


def whole(value: float) -> str:
    return f"{value:,.0f}"


def show(settings: list[Setting], found: list[Column], console: Console) -> None:
    """As many columns beside each other as the terminal has room for, the others below."""
    if not console.is_terminal:  # no line is broken in a file
        console = Console(file=console.file, width=1000)
    part: list[Column] = []
    for column in found:
        if part and width(table(settings, [*part, column]), console) > console.width:
            console.print(table(settings, part))
            part = []
        part.append(column)
    console.print(table(settings, part))


def width(made: Table, console: Console) -> int:
    """Of a table that has all the room it wants."""
    return Measurement.get(console, console.options.update(max_width=WIDE), made).maximum


def table(settings: list[Setting], found: list[Column]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("")
    for title, cells in found:
        words = any(text[:1].isalpha() and not text.startswith("best") for text in cells)
        made.add_column(Text(title), justify="left" if words else "right", no_wrap=True)
    for place, setting in enumerate(settings):
        made.add_row(setting.letter, *(Text(cells[place]) for _, cells in found))
    return made


# Protocols.


def marks(quantities: list[Quantity]) -> dict[str, int]:
    """A number for each protocol."""
    known = dict.fromkeys(it.measure.protocol for it in quantities)
    return {protocol: place for place, protocol in enumerate(known, start=1)}


def footnotes(settings: list[Setting], quantities: list[Quantity], numbers: dict[str, int]) -> list[str]:
    """Each protocol once, with what was measured by it; and what cannot be compared."""
    lines: list[str] = []
    for protocol, number in numbers.items():
        names = [it.measure.name for it in quantities if it.measure.protocol == protocol]
        lines.append(f"[{number}] {', '.join(names)}: {protocol}")
    by_name: dict[str, list[Measure]] = {}
    for it in quantities:
        by_name.setdefault(it.measure.name, []).append(it.measure)
        if len(seen := moments(settings, it.measure)) > 1:
            place = f"{it.measure.name} [{numbers[it.measure.protocol]}]"
            lines.append(f"{place} was evaluated at different moments: {seen[0]:,} to {seen[-1]:,} images.")
    apart: dict[str, list[str]] = {}
    for name, measures in by_name.items():
        if len(measures) > 1:
            ways = " and ".join(f"[{numbers[it.protocol]}]" for it in measures)
            apart.setdefault(ways, []).append(name)
    for ways, names in apart.items():
        which = f"{', '.join(names)} {'was' if len(names) == 1 else 'were'}"
        lines.append(f"Not comparable: {which} measured by different protocols, {ways}.")
    for setting in settings:
        seeds = [it.seed for it in setting.traces]
        for seed in dict.fromkeys(it for it in seeds if seeds.count(it) > 1):
            folders = ", ".join(str(it.folder) for it in setting.traces if it.seed == seed)
            lines.append(f"{setting.letter} has seed {seed} more than once, so ± is too small: {folders}.")
    return lines


# The file.


def write(
    file: Path,
    settings: list[Setting],
    differences: list[Difference],
    quantities: list[Quantity],
    numbers: dict[str, int],
) -> None:
    """One row for each setting, every number unrounded."""
    names = [it.measure.name for it in quantities]
    rows: list[dict[str, object]] = []
    for place, setting in enumerate(settings):
        row: dict[str, object] = {"setting": setting.letter}
        row |= {key: it.values[place] for it in differences for key in it.keys}
        row |= {"runs": len(setting.traces), "seeds": " ".join(it.seed for it in setting.traces)}
        for name, spread in zip(("images", "seconds", "images_per_second"), paces(setting), strict=True):
            row |= entries(name, spread)
        for it in quantities:
            several = names.count(it.measure.name) > 1
            name = f"{it.measure.name} [{numbers[it.measure.protocol]}]" if several else it.measure.name
            row |= entries(name, it.last(place))
            if it.direction is not None and it.measure.name.startswith("metric/"):
                row |= entries(f"{name} best", it.best(place))
            row[f"{name} protocol"] = it.measure.protocol
        row["folders"] = " ".join(str(it.folder) for it in setting.traces)
        rows.append(row)
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def entries(name: str, spread: Spread | None) -> dict[str, object]:
    if spread is None:
        return {name: "", f"{name} std": ""}
    return {name: spread.mean, f"{name} std": "" if spread.std is None else spread.std}
