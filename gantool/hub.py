"""A trained generator on the Hugging Face Hub: the folder that it expects, and the way there and back."""

import importlib.util
import json
import shlex
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

SCHEME = "hf://"
NAME = "model"  # of the exported file
WEIGHTS = f"{NAME}.safetensors"
README, CARD, PICTURE = "README.md", "config.json", "samples.png"
BESIDE = (README, CARD, PICTURE)  # the exported file
NAMES = ("classes", "names")  # of the card: no folders, whatever they look like


def check(repo: Any) -> str:
    """The name of a repository, OWNER/NAME. Raises ValueError for what is none."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ValueError(f"hub={repo} needs huggingface-hub: pip install 'gantool[export]'.")
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    name = str(repo)
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ValueError(f"hub={name} is no name of a repository: give OWNER/NAME.") from error
    if name.count("/") != 1:
        raise ValueError(f"hub={name} names no owner: give OWNER/NAME.")
    return name


def public(card: dict[str, Any]) -> dict[str, Any]:
    """The card without the folders of this machine: of absolute paths, the last part stays.

    URLs lose names, passwords and what follows a question mark: keys to what is not public.
    """

    def shown(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: inner if key in NAMES else shown(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [shown(inner) for inner in value]
        if isinstance(value, str):
            if "://" in value:
                return bare(value)
            for kind in (PurePosixPath(value), PureWindowsPath(value)):
                if kind.is_absolute() or value.startswith("~"):
                    return kind.name
        return value

    return shown(card)


def bare(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}".partition("?")[0].partition("#")[0]


def furnish(folder: Path, repo: str, card: dict[str, Any], picture: np.ndarray | None) -> None:
    """Put beside an exported file what the Hub shows: README.md, config.json and a picture (H, W, C)."""
    from gantool.images import save

    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")
    (folder / README).write_text(readme(repo, card, picture is not None))
    if picture is not None:
        save(picture, folder / PICTURE)


def readme(repo: str, card: dict[str, Any], illustrated: bool) -> str:
    """The model card: what the Hub reads between two lines of ---, and what people read below."""
    translates = card["prior"] is None
    family, data = card["family"] or card["task"], card["data"]["name"]
    shape = "x".join(str(side) for side in (card["channels"], *card["resolution"]))
    classes = card["classes"] if card["conditional"] else []
    call = "translate(images)" if translates else "sample(16, seed=0)"
    command = "translate run={} input=DIR" if translates else "sample run={}"
    facts = {
        "family": family,
        "trained on": f"{data}, {card['images']:,} images seen"
        if data
        else f"{card['images']:,} images seen",
        "images": f"(C, H, W) = {shape}, values in [-1, 1]",
        "parameters": f"{card['parameters']:,}",
        "classes": ", ".join(classes) or None,
        "truncation": (card.get("truncation") or {}).get("threshold"),
        "licence": card.get("licence"),
        "made by": card["made_by"],
    }
    front = {
        "library_name": "gantool",
        "pipeline_tag": kind_of(card),
        "license": card.get("licence"),
        "tags": ["gan", "gantool", str(family).replace("_", "-")],
    }
    parts = [
        "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in front.items() if value) + "---",
        f"# {repo.partition('/')[2]}",
        f"A generator of images, trained as a GAN with `gantool` ({family}).",
        *([f"![samples]({PICTURE})"] if illustrated else []),
        "## Use",
        f"```\npip install gantool huggingface-hub\ngantool {command.format(SCHEME + repo)}\n```",
        f'```python\nimport gantool\n\nG = gantool.load("{SCHEME}{repo}")\n'
        f"images = G.{call}  # (N, C, H, W) in [-1, 1]\n```",
        "## Facts",
        "| | |\n|---|---|\n"
        + "\n".join(f"| {name} | {cell(value)} |" for name, value in facts.items() if value is not None),
        *measured(card.get("metrics") or []),
    ]
    return "\n\n".join(parts) + "\n"


def kind_of(card: dict[str, Any]) -> str:
    """The Hub's name of what the generator does."""
    if card["prior"] is None:
        return "image-to-image"
    return "text-to-image" if "words" in card["config"]["task"] else "unconditional-image-generation"


def measured(records: list[dict[str, Any]]) -> list[str]:
    """The numbers of `gantool evaluate`, each metric with its protocol."""
    lines = [
        f"- {', '.join(f'{name} {value:.5g}' for name, value in numbers.items())}: {record['protocol']}"
        for record in records
        if (
            numbers := {
                name: it for name, it in record.items() if isinstance(it, float) and name != "truncation"
            }
        )
    ]
    return ["## Metrics", "\n".join(lines)] if lines else []


def push(file: Path, repo: str, private: bool) -> str:
    """Upload a file and what `furnish` has put beside it, and nothing else that lies there.

    Answers where it is, or why it is not there and how it gets there later.
    """
    from huggingface_hub import HfApi, get_token

    folder, names = file.parent, [file.name, *BESIDE]
    words = ["hf", "upload", repo, str(folder), *(word for name in names for word in ("--include", name))]
    later = f"later: {shlex.join(words)}"
    if get_token() is None:
        return f"not pushed, as there is no token (hf auth login, or HF_TOKEN); {later}"
    try:
        api = HfApi()
        address = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo, folder_path=folder, allow_patterns=names, commit_message="A generator of gantool"
        )
    except failures() as error:
        return f"not pushed: {first_line(error)}; {later}"
    return str(address)


def fetch(run: str) -> Path:
    """The exported file that hf://OWNER/NAME, or hf://OWNER/NAME@REVISION, names; fetched once.

    Raises ValueError where there is none, or no way to it.
    """
    repo, _, revision = run.removeprefix(SCHEME).partition("@")
    name = check(repo)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, WEIGHTS, revision=revision or None))
    except failures() as error:
        raise ValueError(f"{run}: {WEIGHTS} could not be fetched: {first_line(error)}") from error


def failures() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises on the way: OSError, or the HTTPError of the client that it is built on."""
    from huggingface_hub.errors import HfHubHTTPError

    return HfHubHTTPError.__bases__  # pyright: ignore


def cell(value: Any) -> str:
    """Within a table of Markdown."""
    return " ".join(str(value).split()).replace("|", "\\|")


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def place(run: str) -> Path:
    """Where what is made of hf://OWNER/NAME is written."""
    return Path("outputs") / "hub" / run.removeprefix(SCHEME).partition("@")[0]
