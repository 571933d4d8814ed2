"""What somebody asked of a verb: the command line as Hydra's own parser reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from hydra import compose, initialize_config_module
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import OmegaConf

from gantool import catalogue, runs
from gantool.mistakes import Mistake, suggestion
from gantool.verbs import Verb

ITSELF = (None, "auto")  # values of `resume` that mean the folder which Hydra makes


class Request(NamedTuple):
    """`gantool VERB overrides options`."""

    verb: Verb
    overrides: list[str]
    options: list[str]  # with their values
    config_dir: str | None
    multirun: bool

    def groups(self) -> dict[str, dict[str, Path]]:
        return catalogue.groups(self.config_dir)

    def files(self) -> Iterator[tuple[str, Path]]:
        """(prefix of its keys, YAML file) of the verb and of every chosen option."""
        main = catalogue.FOLDER / f"{self.verb.config}.yaml"
        typed = {key(line): line.partition("=")[2] for line in self.overrides}
        groups = self.groups()
        yield "", main
        for group, option in {**catalogue.defaults(main), **typed}.items():
            if file := groups.get(group, {}).get(option):
                yield f"{group}.", file
                yield "", file  # an option may be `@package _global_`

    def comment(self, name: str) -> str:
        """What is written behind a key in its YAML file."""
        comments = [
            found.comment
            for prefix, file in self.files()
            for found in catalogue.keys(file)
            if prefix + found.name == name and found.comment
        ]
        return comments[0] if comments else ""

    def known(self) -> list[str]:
        """Every dotted key of the configuration that these groups compose, and the names of the groups."""
        chosen = [line for line in self.overrides if key(line) in self.groups()]
        path = [f"hydra.searchpath=['file://{Path(self.config_dir).absolute()}']"] if self.config_dir else []
        with initialize_config_module("gantool.conf", version_base="1.3"):
            try:
                cfg = compose(self.verb.config, [*chosen, *path], return_hydra_config=True)
            except HydraException:  # a second mistake, in a group
                cfg = compose(self.verb.config, return_hydra_config=True)
        paths = [path for path, _ in walk(OmegaConf.to_container(cfg, resolve=False)) if path]
        return [*paths, *(group for group in self.groups() if group not in paths)]

    def resumed(self) -> list[str]:
        """`resume=RUN` goes on inside the folder of that run; Hydra has to know before it makes a new one."""
        typed = [line for line in self.overrides if key(line) == "resume"]
        if self.verb.name != "train" or self.multirun or not typed:
            return []
        value = OverridesParser.create().parse_overrides(typed)[-1].value()
        if value in ITSELF:
            return []
        folder = QuotedString(str(runs.find(str(value))), Quote.single)
        return [f"hydra.run.dir={folder.with_quotes()}"]


def parse(verb: Verb, arguments: list[str]) -> Request:
    """Overrides and options may stand in any order, which Hydra alone would refuse."""
    parser = get_args_parser()
    known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]

    def error(message: str) -> NoReturn:
        unknown = message.startswith("unrecognized")
        cure = suggestion(message.rpartition(" ")[2], known) if unknown else f"See gantool {verb.name} --help"
        raise Mistake(f"{message}. {cure}")

    parser.error = error
    chosen = parser.parse_intermixed_args(arguments)
    for line in chosen.overrides:
        if line.startswith("="):
            raise Mistake(f"{line} has no key: write key=value.")
        if line.endswith("="):
            raise Mistake(f"{line} has no value: none is {line}null, the empty string \"{line}''\".")
    options = [argument for argument in arguments if argument not in chosen.overrides]
    overrides = chosen.overrides
    if verb.name == "train" and any(key(line) == "resume" for line in overrides):
        overrides = [f"++{line}" if line.startswith(moving()) else line for line in overrides]
    for name in verb.gathered:
        overrides = gathered(overrides, name)
    return Request(verb, overrides, options, chosen.config_dir, chosen.multirun)


def moving() -> tuple[str, ...]:
    """Beginnings of what a resumed run may change, where its data or loss, not the default ones, have it."""
    from gantool.resume import FREE

    return tuple(f"{name}=" for name in FREE if name.startswith(("data.", "loss.")))


def gathered(overrides: list[str], name: str) -> list[str]:
    """`run=A run=B` -> `run=[A,B]`, of which Hydra alone would hear no more than run=B."""
    lines = [line for line in overrides if line.startswith(f"{name}=")]
    if len(lines) < 2:
        return overrides
    values = [line.partition("=")[2].strip() for line in lines]
    inside = [value[1:-1] if value.startswith("[") and value.endswith("]") else value for value in values]
    both = f"{name}=[{','.join(value for value in inside if value)}]"
    return [*(line for line in overrides if line not in lines), both]


def key(override: str) -> str:
    """`+optimizer.D.lr=1` -> `optimizer.D.lr`."""
    return override.partition("=")[0].lstrip("+~")


def walk(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, node) of a tree of dicts and lists and everything below it."""
    yield path, node
    if isinstance(node, dict):
        for name, value in node.items():
            yield from walk(value, f"{path}.{name}" if path else str(name))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from walk(value, f"{path}[{i}]")
