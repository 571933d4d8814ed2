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
    flags = {
        prefix + found.name
        for prefix, file in request.files()
        for found in catalogue.keys(file)
        if found.value in ("true", "false")
    }
    for path, value in walk(config):
        if path not in flags & typed or isinstance(value, bool) or str(value).startswith("${"):
            continue
        if request.verb.name != "train" or str(value).lower() in ANSWERS:
            raise Mistake(f"{path}={value}: give true or false.")
