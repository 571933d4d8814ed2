"""`gantool VERB key=value`: from a verb to the module that does it. Help imports neither torch nor Hydra."""

import os
import sys

from gantool import __version__, verbs
from gantool.mistakes import Mistake, stop


def main() -> None:
    """What the `gantool` script calls. A wrong request ends in one line and exit code 2."""
    try:
        dispatch(sys.argv[1:])
    except Mistake as error:
        stop(error)
    except BrokenPipeError:  # gantool … | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        sys.exit(130)


def dispatch(arguments: list[str]) -> None:
    """Modules are imported where they are needed: help must not wait for Hydra, nor completion for torch."""
    match arguments:
        case [] | ["-h" | "--help" | "help", *_]:
            from gantool import help

            print(help.overview())
        case ["--version", *_]:
            print(f"gantool {__version__}")
        case ["-sc" | "--shell-completion", *_]:
            from gantool import completion

            completion.main(arguments)
        case ["--hydra-help", *_]:
            dispatch(["train", *arguments])
        case _:
            verb = verbs.find(arguments)
            rest = arguments[len(verb.words) :]
            if {"-h", "--help"} & set(rest):
                from gantool import help

                print(help.of(verb))
            elif verb.name == "list":
                from gantool import listing

                listing.main(rest)
            else:
                from gantool.launch import launch

                launch(verb, rest)
