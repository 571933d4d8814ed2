"""What conf/ offers, read as text: groups, options, keys and the comments behind them, in milliseconds."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(importlib.import_module("gantool.conf").__path__[0])

DEFAULT = re.compile(r" *- (?:optional )?(?P<group>[\w/]+): (?P<option>\S+)")
KEY = re.compile(r"(?P<indent> *)(?P<name>\w+):(?: +(?P<value>[^#\s].*?))?(?: +# *(?P<comment>.*))?$")


class Key(NamedTuple):
    name: str  # dotted path inside its file
    value: str  # as written; empty for a mapping
    comment: str


def groups(config_dir: str | None = None) -> dict[str, dict[str, Path]]:
    """Group -> option -> its file; a file of `config_dir` comes before ours of the same name, as in Hydra."""
    found: dict[str, dict[str, Path]] = {}
    for folder in [FOLDER] + ([Path(config_dir)] if config_dir else []):
        for file in sorted(folder.glob("*/**/*.yaml")):
            group, option = file.relative_to(folder).with_suffix("").as_posix().split("/", 1)
            if group != "hydra":
                found.setdefault(group, {})[option] = file
    return {group: dict(sorted(found[group].items())) for group in sorted(found)}


def header(file: Path) -> list[str]:
    """The comment lines at the head of a YAML file, without Hydra's own `@package`."""
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            break
        comment = line.lstrip("#").strip()
        if comment and not comment.startswith("@package"):
            lines.append(comment)
    return lines


def defaults(file: Path) -> dict[str, str]:
    """Group -> default option, from the defaults list of a verb."""
    inside, found = False, {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if re.match(r"\w", line):
            inside = line.startswith("defaults:")
        if inside and (match := DEFAULT.match(line)):
            found[match["group"]] = match["option"]
    return found


def keys(file: Path) -> Iterator[Key]:
    """Every `key: value # comment` of a YAML file, but for Hydra's own."""
    parents: list[tuple[int, str]] = []  # (indent, name) of the mappings around this line
    for line in file.read_text(encoding="utf-8").splitlines():
        match = KEY.match(line)
        if match is None:
            continue
        indent = len(match["indent"])
        parents = [(depth, name) for depth, name in parents if depth < indent] + [(indent, match["name"])]
        if parents[0][1] not in ("defaults", "hydra"):
            yield Key(".".join(name for _, name in parents), match["value"] or "", match["comment"] or "")
