"""Shell completion: the verb is ours, the rest is Hydra's.

The helper that Hydra installs in the shell calls `gantool -sc query=SHELL` with the line so far in COMP_LINE,
and no verb: so the verb is taken out of that line, and names the configuration where Hydra looks.
"""

import contextlib
import io
import os

from gantool import catalogue, verbs
from gantool.mistakes import Mistake
from gantool.verbs import Verb


def main(arguments: list[str]) -> None:
    """`-sc install=SHELL`, `-sc uninstall=SHELL` are Hydra's own; `-sc query=SHELL` prints the choices."""
    if not arguments[1:2] or not arguments[1].startswith("query="):
        try:
            _hydra("train", arguments)
        except ValueError as error:
            raise Mistake(" ".join(str(error).split())) from error
        return
    separator = "\n" if arguments[1] == "query=fish" else " "
    line = os.environ.get("COMP_LINE", "")
    # A line that cannot be completed, since an earlier word of it is wrong or unfinished, has no choices.
    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        found = choices(line[: int(os.environ.get("COMP_POINT") or len(line))], arguments)
        print(separator.join(found))


def choices(line: str, arguments: list[str]) -> list[str]:
    """What the last word of `gantool …` may become; it is empty if the line ends in a space."""
    *before, word = line.split()[1:] + ([""] if line[-1:].isspace() else [])
    verb = next((verb for verb in verbs.VERBS if before[: len(verb.words)] == verb.words), None)
    if verb is None:
        possible = [verb.words for verb in verbs.VERBS if verb.words[: len(before)] == before]
        return [words[len(before)] for words in possible if words[len(before)].startswith(word)]
    before = before[len(verb.words) :]
    if verb.name == "list":
        return [group for group in catalogue.groups() if group.startswith(word) and not before]
    if word.startswith("-"):
        return [option for option in _options() if option.startswith(word)]
    return _of_hydra(verb, before, word, arguments)


def _options() -> list[str]:
    from hydra._internal.utils import get_args_parser

    actions = get_args_parser()._actions
    return [name for action in actions for name in action.option_strings if name.startswith("--")]


def _of_hydra(verb: Verb, before: list[str], word: str, arguments: list[str]) -> list[str]:
    from gantool.launch import environ
    from gantool.request import parse

    request = parse(verb, before)
    user = ["--config-dir", request.config_dir] if request.config_dir else []
    line = " ".join(["gantool", *(["-m"] if request.multirun else []), *request.overrides, word])
    output = io.StringIO()
    with environ("COMP_LINE", line), contextlib.redirect_stdout(output):
        _hydra(verb.config, [*arguments, *user])
    file = catalogue.FOLDER / f"{verb.config}.yaml"
    unused = set(catalogue.groups()) - set(catalogue.defaults(file))
    return [choice for choice in output.getvalue().split() if _group(choice) not in unused]


def _group(choice: str) -> str:
    return choice.lstrip("+~").partition("=")[0].partition("/")[0]


def _hydra(config: str, arguments: list[str]) -> None:
    from gantool.launch import run

    run(config, arguments, lambda cfg: None)
