"""`gantool list [GROUP]`: what conf/ offers, from the comments at the head of its YAML files."""

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gantool import catalogue
from gantool.mistakes import Mistake, suggestion

PAPER = re.compile(r"\(\d{4}|arXiv:")


class Entry(NamedTuple):
    name: str
    paper: str
    summary: str


class Arguments(argparse.ArgumentParser):
    """argparse, but a mistake is a ValueError as everywhere else."""

    def error(self, message: str) -> NoReturn:
        raise Mistake(f"{message}. Usage: gantool list [GROUP] [--config-dir DIR]")


def main(arguments: list[str]) -> None:
    parser = Arguments(add_help=False)
    parser.add_argument("group", nargs="?")
    parser.add_argument("--config-dir", "-cd")
    chosen = parser.parse_args(arguments)
    if chosen.config_dir is not None and not Path(chosen.config_dir).is_dir():
        raise Mistake(f"There is no folder {chosen.config_dir}, the value of --config-dir.")
    groups = catalogue.groups(chosen.config_dir)
    if chosen.group is None:
        table = _table("group", "options", "names")
        for name, options in groups.items():
            table.add_row(Text(name, "bold"), str(len(options)), ", ".join(options))
    else:
        table = _table("name", "paper", "")
        for name, file in groups[resolve(chosen.group, list(groups))].items():
            entry = describe(name, catalogue.header(file))
            table.add_row(Text(entry.name, "bold"), Text(entry.paper), Text(entry.summary))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def resolve(word: str, groups: list[str]) -> str:
    """The group somebody means by `model` or `models`."""
    for group in groups:
        if singular(word) == singular(group):
            return group
    raise Mistake(f"No group {word}. {suggestion(word, groups)}")


def singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def describe(name: str, header: list[str]) -> Entry:
    """`Name: Authors (year), arXiv:…`, then lines that describe it; or a first line that does so already."""
    title, *lines = header or [""]
    _, colon, paper = title.partition(": ")
    if colon and PAPER.search(paper):
        return Entry(name, paper.rstrip("."), first_sentence(" ".join(lines)))
    return Entry(name, "", first_sentence(title))


def first_sentence(text: str) -> str:
    return re.split(r"(?<=[^.])\.\s+(?=[A-Z0-9])", text, maxsplit=1)[0].rstrip(".")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", "group"))
    return table
