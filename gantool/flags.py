"""Keys that are true or false."""

from typing import Any

from gantool import catalogue
from gantool.mistakes import Mistake
from gantool.request import Request, key, walk

ANSWERS = ("yes", "no", "on", "off", "y", "n")


def refuse_flags(config: Any, request: Request) -> None:
    """A key that is true or false as it comes must stay so: to Hydra, `no` is a text, which counts as true.

    Some keys of a training take a name as well; there only what looks like an answer is refused.
    """
    typed = {key(line) for line in request.overrides}
    wrong = [
        (path, value)
        for path, value in walk(config)
        if path in typed and not isinstance(value, bool) and not str(value).startswith("${")
        if request.verb.name != "train" or str(value).lower() in ANSWERS
    ]
    if not wrong:
        return
    flags = {
        prefix + found.name
        for prefix, file in request.files()
        for found in catalogue.keys(file)
        if found.value in ("true", "false")
    }
    for path, value in wrong:
        if path in flags:
            raise Mistake(f"{path}={value}: give true or false.")
