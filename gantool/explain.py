"""From an exception of Hydra, OmegaConf or a verb to one line about the wrong request behind it."""

import errno
import functools
import importlib.metadata
import inspect
import os
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import yaml
from hydra.errors import (
    CompactHydraException,
    ConfigCompositionException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import MissingMandatoryValue
from omegaconf.errors import OmegaConfBaseException

from gantool.mistakes import Mistake, nearest, suggestion
from gantool.request import Request, key, walk
from gantool.sharded import REFUSED

TRACEBACK = "(HYDRA_FULL_ERROR=1 shows the traceback)"
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR)
FULL = (errno.ENOSPC, errno.EDQUOT)
PLUGINS = {  # of Hydra, that gantool[sweep] brings
    "hydra/launcher": {
        "joblib": "hydra-joblib-launcher",
        "submitit_local": "hydra-submitit-launcher",
        "submitit_slurm": "hydra-submitit-launcher",
    },
    "hydra/sweeper": {"optuna": "hydra-optuna-sweeper"},
}


@functools.singledispatch
def explain(error: BaseException, request: Request, config: Any) -> str | None:
    """A wrong request as one line; None for an error that deserves its traceback.

    `config` is the configuration as plain containers, before interpolation, for an error inside a verb.
    """
    # Lightning's word for a wrong value; to import it only to compare would cost seconds.
    return _hinted(error) if type(error).__name__ == "MisconfigurationException" else None


def refuse_missing(config: Any, request: Request) -> None:
    """A key that is still `???` is refused before anything is built; a `_partial_` may be completed later."""
    recipes = tuple(
        f"{path}." for path, node in walk(config) if isinstance(node, dict) and node.get("_partial_")
    )
    for path, value in walk(config):
        if value == "???" and not path.startswith(recipes):
            raise Mistake(_missing(path, request))


# What composition says: overrides, groups, keys.


@explain.register
def _(error: OverrideParseException, request: Request, config: Any) -> str:
    typed = error.override
    if "=" not in typed:
        meant = [f"{group}={typed}" for group, options in request.groups().items() if typed in options]
        cure = f"Did you mean {' or '.join(meant)}?" if meant else _nearest_keys(typed, request)
        return f"{typed} is not of the form key=value. {cure}"
    name, _, value = typed.partition("=")
    reason = next((f" ({line})" for line in str(error).splitlines() if "input" in line or " at " in line), "")
    return f"Cannot read {typed}{reason}. Quote a value with special characters: \"{name}='{value}'\""


@explain.register
def _(error: MissingConfigException, request: Request, config: Any) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    if group in PLUGINS and option in PLUGINS[group]:
        return f"{group}={option}: {_install(PLUGINS[group][option])}"
    if not group:
        group, option = option, ""
    if not option:
        return f"No configuration {group}.yaml. Name its folder: --config-dir DIR"
    asked = re.match(r"In '(.+?)'", str(error))
    typed = any(key(line) == group for line in request.overrides)
    by = f", which {asked[1]}.yaml names" if asked and not typed else ""
    return _no_option(group, option, list(error.options or []), by)


@explain.register
def _(error: ConfigCompositionException, request: Request, config: Any) -> str | None:
    text = str(error)
    if match := re.match(r"Could not (?:override|delete(?: from config\.)?) '([^'=]+)", text):
        return _no_key(match[1], request)
    if match := re.match(r"Override (\S+) looks like a config group override", text):
        return _no_key(key(match[1]), request)
    if match := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.+)'( requires|\n)", text):
        name, _, values = match[1].partition("=")
        text = f"; for one text write \"{name}='{values}'\"" if " " in values else ""
        return f"{match[1]} has several values. To run each add -m; for a list write {name}=[{values}]{text}"
    if match := re.match(r"(\S+) appears more than once", text):
        return f"{match[1]} has an option already: replace it by {match[1]}=OPTION, without a plus."
    if not text and error.__cause__ is not None:
        return explain(error.__cause__, request, config)
    return _line(error)


@explain.register
def _(error: CompactHydraException, request: Request, config: Any) -> str:
    return _line(error)


@explain.register
def _(error: yaml.YAMLError, request: Request, config: Any) -> str:
    return _line(error)


@explain.register
def _(error: MissingMandatoryValue, request: Request, config: Any) -> str:
    return _missing(error.full_key or str(error).split()[-1], request)


@explain.register
def _(error: OmegaConfBaseException, request: Request, config: Any) -> str:
    first = str(error).splitlines()[0]
    where = f"{error.full_key}: " if error.full_key and error.full_key not in first else ""
    return f"{where}{first}" + ("" if config is None else f" {TRACEBACK}")


# What a verb says, and the classes that it builds.


@explain.register
def _(error: ValueError, request: Request, config: Any) -> str | None:
    """Ours are sentences already; one of Hydra's stands for a group that was given a number."""
    if str(error).startswith("Config group override must be"):
        groups = request.groups()
        for line in request.overrides:
            if key(line) in groups and line.partition("=")[2] not in groups[key(line)]:
                return _no_option(key(line), line.partition("=")[2], list(groups[key(line)]))
    return _hinted(error)


@explain.register
def _(error: OSError, request: Request, config: Any) -> str | None:
    if error.errno not in DENIED + FULL:
        return None
    cure = "Make room" if error.errno in FULL else "Choose a folder that you may write to"
    where = f": {error.filename}" if error.filename else ""
    what = "hydra.run.dir=DIR for a run" if request.verb.name == "train" else "out=DIR"
    return f"{error.strerror}{where}. {cure}, such as {what}."


@explain.register
def _(error: ModuleNotFoundError, request: Request, config: Any) -> str | None:
    """A package that one of our extras would have brought; any other is a mistake in some code."""
    return _install(error.name) if error.name and _extra(error.name) else None


@explain.register
def _(error: TypeError, request: Request, config: Any) -> str | None:
    """A keyword that some key gives to a class; that of a `_partial_` comes to light only in its call."""
    match = re.search(r"(\w+)(?:\.__\w+__)?\(\) got an unexpected keyword argument '(\w+)'", str(error))
    return match and _no_keyword(match[1], match[2], config)


@explain.register
def _(error: InstantiationException, request: Request, config: Any) -> str | None:
    """The error of the class that could not be built, after the key that chose it."""
    chain = list(_chain(error))
    keys = re.findall(r"full_key: (\S+)", "\n".join(map(str, chain)))
    path = keys[-1] if keys else request.verb.config
    targets = [match[1] for one in chain if (match := re.match(r"Error .* target '([\w.]+)'", str(one)))]
    cause = next((one for one in chain if not isinstance(one, InstantiationException)), None)
    if cause is None or not targets:
        return f"{path}: {_line(error).partition(' full_key:')[0]}"
    if isinstance(cause, ImportError):
        return _not_imported(path, targets[-1], chain[-1])
    if match := re.search(r"(\w+)(?:\.__\w+__)?\(\) missing \d+ required .*arguments?: (.+)", str(cause)):
        return f"{path}: {match[1]} also needs {match[2]}. {TRACEBACK}"
    sentence = explain(cause, request, config)
    return sentence if sentence is None or isinstance(cause, TypeError) else f"{path}: {sentence}"


# Sentences.


def _no_option(group: str, option: str, options: list[str], by: str = "") -> str:
    if group == "trainer" and option in REFUSED:
        return f"trainer={option}: {REFUSED[option]}"
    see = "" if group.startswith("hydra/") else f"See: gantool list {group}"
    parts = f"No option {option} in group {group}{by}.", suggestion(option, options), see
    return " ".join(part for part in parts if part)


def _no_key(name: str, request: Request) -> str:
    typed = next((line for line in request.overrides if key(line) == name), name)
    if name in request.groups():
        return f"{typed}: gantool {request.verb.name} does not use the group {name}; +{typed} adds it."
    add = "" if typed.startswith("~") else f" A new key needs a plus: +{typed}"
    return f"{typed}: no group or key {name}. {_nearest_keys(name, request)}{add}"


def _nearest_keys(name: str, request: Request) -> str:
    """Keys of nearly this name, those beside it first, and of this name elsewhere; or else all beside it."""
    keys = [known for known in request.known() if known.startswith("hydra.") == name.startswith("hydra.")]
    parent, dot, leaf = name.rpartition(".")
    beside = [known for known in keys if dot and known.rpartition(".")[0] == parent]
    elsewhere = [known for known in keys if known.endswith(f".{leaf}")]
    close = sorted(nearest(name, keys), key=lambda known: known not in beside)
    if close := [*dict.fromkeys([*close, *elsewhere])][:4]:
        return f"Nearest: {', '.join(close)}."
    return suggestion(name, beside) or f"All: gantool {request.verb.name} --help"


def _missing(name: str, request: Request) -> str:
    comment = request.comment(name)
    return f"{name} has no value. Add {name}=…" + (f" ({comment})" if comment else "")


def _no_keyword(name: str, word: str, config: Any) -> str | None:
    """The key that gives a class a keyword it does not take; None if it came from elsewhere."""
    for path, node in walk(config):
        if not isinstance(node, dict) or not node.keys() >= {"_target_", word}:
            continue
        target = str(node["_target_"])
        found = pkgutil.resolve_name(target)
        if name in [it.__name__ for it in (inspect.getmro(found) if isinstance(found, type) else [found])]:
            parameters = inspect.signature(found).parameters.values()
            words = [it.name for it in parameters if it.kind not in (it.VAR_POSITIONAL, it.VAR_KEYWORD)]
            return f"{path}.{word}: {target} takes no {word}. {suggestion(word, words)}"
    return None


def _not_imported(path: str, target: str, error: BaseException) -> str | None:
    """A class that is misspelt, or whose module is, or whose module needs a package that is not installed."""
    if match := re.match(r"Requirement '([\w-]+)", str(error)):  # of a class of Lightning's
        return f"{path}: {_install(match[1])}"
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    if not f"{target}.".startswith(f"{error.name}."):
        return f"{path}: {_install(error.name)}"
    parent, _, name = error.name.rpartition(".")
    if not parent:
        return f"{path}: no module {name} for {target}. A module of yours belongs into {os.getcwd()}"
    found = pkgutil.resolve_name(parent)
    modules = {it.name for it in pkgutil.iter_modules(getattr(found, "__path__", []))}
    own = {word for word, it in vars(found).items() if getattr(it, "__module__", None) == found.__name__}
    return f"{path}: no {error.name}. {suggestion(name, sorted(modules | own))}"


def _install(module: str) -> str:
    package = module.partition(".")[0].replace("_", "-")
    extra = _extra(module)
    return f"This needs the package {package}: pip install " + (f"'gantool[{extra}]'" if extra else package)


def _extra(module: str) -> str | None:
    """The extra of gantool that brings a package."""
    package = re.escape(module.partition(".")[0].replace("_", "-"))
    requirements = "\n".join(importlib.metadata.requires("gantool") or [])
    match = re.search(rf"^{package}\b.*extra == ['\"](\w+)", requirements, re.MULTILINE | re.IGNORECASE)
    return match[1] if match else None


# What an exception is.


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _hinted(error: BaseException) -> str:
    if match := re.match(r"Caught (\w+) in DataLoader worker process .*\n\1: (.+)", str(error), re.DOTALL):
        return " ".join(match[2].split())
    return str(error) if _origin(error) == "gantool" else f"{_line(error)} {TRACEBACK}"


def _origin(error: BaseException) -> str:
    """The package whose code raised an exception."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return str(step.tb_frame.f_globals.get("__name__", "")).partition(".")[0] if step else ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__
