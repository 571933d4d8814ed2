"""`gantool --help` and `gantool VERB --help`, made from the verbs and the comments in conf/."""

import os
import textwrap

from gantool import catalogue
from gantool.verbs import VERBS, Verb

OVERVIEW_EXAMPLES = (
    "gantool train model=dcgan data=digits",
    "gantool sample run=latest",
    "gantool list models",
)

HYDRA = {
    "--cfg job --resolve": "print the configuration instead of running",
    "-m, --multirun": "run every combination of key=a,b,c",
    "--config-dir DIR": "a folder with YAML groups of your own; classes are found in the current folder too",
    "--config-name NAME": "another main YAML, such as one of your own that starts from this verb's",
    "--hydra-help": "what else Hydra can do",
}


def overview() -> str:
    """Every verb in a line, and where to start."""
    return "\n\n".join(
        [
            "gantool trains, evaluates and uses generative adversarial networks.",
            "Usage: gantool VERB [GROUP=OPTION …] [KEY=VALUE …]",
            _section("Verbs", [(verb.name, verb.summary) for verb in VERBS]),
            _examples(OVERVIEW_EXAMPLES),
            "`gantool VERB --help` explains a verb.\n"
            'Tab completion: eval "$(gantool -sc install=bash)" in bash and zsh; '
            "gantool -sc install=fish | source",
        ]
    )


def of(verb: Verb) -> str:
    """How a verb is used, its groups with their options, and its keys with their comments."""
    examples = _examples([f"gantool {verb.name} {example}".strip() for example in verb.examples])
    head = f"gantool {verb.name}: {verb.summary}"
    if verb.name == "list":
        return "\n\n".join([head, "Usage: gantool list [GROUP] [--config-dir DIR]", examples])
    file = catalogue.FOLDER / f"{verb.config}.yaml"
    known = catalogue.groups()
    groups = [
        (f"{group}={option}", ", ".join(known.get(group, {})))
        for group, option in catalogue.defaults(file).items()
    ]
    keys = [(f"{key.name}={key.value}", key.comment) for key in catalogue.keys(file)]
    return "\n\n".join(
        [
            head,
            f"Usage: gantool {verb.name} [GROUP=OPTION …] [KEY=VALUE …]",
            examples,
            *([_section("Groups, with their defaults, and their options", groups)] if groups else []),
            *([_section("Keys, with their defaults", keys)] if keys else []),
            _section("Options of Hydra", list(HYDRA.items())),
            "`gantool list GROUP` explains the options of a group, "
            f"`gantool {verb.name} --cfg job` shows all of its keys.",
        ]
    )


def _examples(commands: tuple[str, ...] | list[str]) -> str:
    return "\n".join(["Examples:", *(f"  {command}" for command in commands)])


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    """Two columns under a title; the right one is wrapped at the width of the terminal."""
    left = min(30, max(len(name) for name, _ in rows))
    lines = [f"{title}:"]
    for name, text in rows:
        first = f"  {name:<{left}}  "
        wrapped = textwrap.wrap(text, max(30, _columns() - left - 4), break_on_hyphens=False) or [""]
        if len(name) > left and text:
            lines.append(f"  {name}")
            first = " " * (left + 4)
        lines.append((first + wrapped[0]).rstrip())
        lines += [" " * (left + 4) + line for line in wrapped[1:]]
    return "\n".join(lines)


def _columns() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:  # the output goes to a file or a pipe
        return 110
