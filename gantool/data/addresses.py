"""From data.path to the addresses of shards: a folder, a tar, a pattern, or URLs of these."""

import glob
import itertools
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from gantool.data.source import natural

BRACES = re.compile(r"\{([^{}]*)\}")


def find(path: str) -> list[str]:
    """Absolute paths or URLs of shards: in the order of a brace pattern, otherwise in natural order.

    Raises ValueError where there are none.
    """
    found = [address for word in _expanded(path) for address in _found(word)]
    if not found:
        raise ValueError(
            f"data.path={path} holds no .tar files; give a folder of shards, a pattern or a URL, "
            "write shards with scripts/write_shards.py, or take images as they are with data=folder."
        )
    if twice := [address for address, next_one in itertools.pairwise(sorted(found)) if address == next_one]:
        raise ValueError(f"data.path={path} names {twice[0]} twice; name every shard once.")
    return found


def is_remote(address: str) -> bool:
    return "://" in address


def folder_of(address: str) -> str:
    """Of a shard, with the slash at its end; a URL's query is no part of it."""
    address = (
        address if not is_remote(address) else urlsplit(address)._replace(query="", fragment="").geturl()
    )
    return address[: len(address) - len(name_of(address))]


def name_of(address: str) -> str:
    """The last part of a path or of a URL."""
    return urlsplit(address).path.rpartition("/")[2] if is_remote(address) else os.path.basename(address)


def _found(word: str) -> list[str]:
    if is_remote(word):
        return [word] if name_of(word).endswith(".tar") and "*" not in word else _listed(word)
    place = Path(word).expanduser()
    if place.is_dir():
        files = place.glob("*.tar")
    elif any(letter in word for letter in "*?[") and not place.exists():
        files = map(Path, glob.glob(str(place), recursive=True))
    elif place.is_file():
        files = [place]
    else:
        raise ValueError(
            f"data.path: {word} is not there; give a folder of shards, a tar, a pattern or a URL."
        )
    visible = (os.path.abspath(file) for file in files if not file.name.startswith("."))
    return sorted(visible, key=natural)


def _listed(url: str) -> list[str]:
    """The shards of a remote folder, or of a pattern with stars."""
    from gantool.data.remote import file_system, reason

    pattern = url if "*" in url else f"{url.rstrip('/')}/*.tar"
    try:
        system, path = file_system(pattern)
        found = [system.unstrip_protocol(name) for name in system.glob(path)]
    except Exception as error:  # of the network, of the protocol, of a package that is not installed
        raise ValueError(
            f"data.path={url} cannot be listed ({reason(error)}); "
            "name its shards, as in URL/a-{000..099}.tar."
        ) from error
    return sorted(found, key=natural)


def _expanded(path: str) -> list[str]:
    """`a-{08..10}.tar` and `{a,b}.tar`, as a shell expands them."""
    if Path(path).expanduser().exists():
        return [path]
    choices: list[list[str]] = []
    for position, part in enumerate(BRACES.split(path)):
        choices.append([part] if position % 2 == 0 else _choices(part, path))
    return ["".join(parts) for parts in itertools.product(*choices)]


def _choices(inside: str, path: str) -> list[str]:
    if match := re.fullmatch(r"(\d+)\.\.(\d+)", inside):
        first, last = match.groups()
        padded = any(len(number) > 1 and number[0] == "0" for number in (first, last))
        width = max(len(first), len(last)) if padded else 0
        if int(first) <= int(last):
            return [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]
    elif "," in inside:
        return inside.split(",")
    raise ValueError(f"data.path={path}: {{{inside}}} is no pattern; write {{000..099}} or {{train,valid}}.")
