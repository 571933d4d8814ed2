"""Your own images with captions of your own: a folder or zip of images, and a CSV or JSON file beside it."""

import csv
import io
import json
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from gantool.data.captioned import Captioned, Reader
from gantool.data.corrupt import report
from gantool.data.folder import format_of, only, survey
from gantool.data.held_out import part
from gantool.data.scan import modes, sizes
from gantool.data.sentences import Sentences
from gantool.data.source import Source
from gantool.data.streamed import Streamed
from gantool.data.table import SEPARATORS
from gantool.data.tree import Tree
from gantool.data.vocabulary import Vocabulary, words_of

FORMS = "a CSV of image,caption, or a JSON of {image: [captions]} or of records with both"
IMAGE, CAPTION = ("image", "file", "file_name", "filename"), ("caption", "captions", "text")
Table = dict[str, list[str]]


def captions(
    path: str | None = None,
    captions: str | None = None,
    subset: str | None = None,
    resolution: int | Sequence[int] | None = None,
    channels: int | None = None,
    fit: str = "crop",
    background: str = "white",
    labels: str | None = "auto",
    label_column: str | None = None,
    min_count: int = 1,
    embeddings: str | None = None,
    hold_out: int = 0,
    on_corrupt: str = "skip",
    in_memory: bool | str = "auto",
    memory: int = 2_000_000_000,
    held_out: bool = False,
) -> Captioned:
    """The set that conf/data/captions.yaml describes, where each argument is explained.

    With `held_out` the images that it does not show in training, read by the words of those that it does.
    """
    if path is None or captions is None:
        raise ValueError("data=captions needs data.path=DIR, of images, and data.captions=FILE, of captions.")
    if on_corrupt not in ("skip", "fail"):
        raise ValueError(f"data.on_corrupt={on_corrupt}; use skip or fail.")
    if in_memory not in ("auto", True, False):
        raise ValueError(f"data.in_memory={in_memory}; use auto, true or false.")
    if not isinstance(min_count, int) or isinstance(min_count, bool) or min_count < 1:
        raise ValueError(f"data.min_count={min_count}: give how often a word must occur, 1 or more.")
    found = survey(path, subset, labels, label_column)
    images = found.images
    report(images.corrupt, len(images.names), found.source.path, fail=on_corrupt == "fail")
    below = f"{subset.strip('/')}/" if subset else ""
    told = matched(table_of(found.source, captions), found.source, list(images.names), below, captions)

    form = format_of(modes(images.facts), only(sizes(images.facts)), resolution, channels, fit, background)
    shown, hidden = part(len(told), hold_out, False), part(len(told), hold_out, True) if held_out else None
    chosen = shown if hidden is None else hidden
    files = Tree(found.source, images.names.chosen(chosen) if hold_out else images.names)
    classes = found.classes
    indices = None if classes is None else torch.from_numpy(classes.labels[chosen])
    streamed = Streamed(files, form, indices, () if classes is None else classes.names)
    if in_memory == "auto":
        in_memory = form.bytes * len(files) < memory
    reader = reader_of((text for place in shown for text in told[place]), min_count, embeddings)
    every = (text for texts in told for text in texts)  # what may be false of the few that are held out
    return Captioned(
        streamed.in_memory() if in_memory else streamed,
        [told[place] for place in chosen],
        reader,
        list(dict.fromkeys(every)) if held_out else None,
    )


def reader_of(texts: Iterable[str], min_count: int, embeddings: str | None) -> Reader:
    """Raises ValueError where too few words are left."""
    if embeddings is not None:
        return Sentences(embeddings)
    vocabulary = Vocabulary.of(texts, min_count)
    if len(vocabulary) == 2:
        raise ValueError(f"data.min_count={min_count}: no word occurs so often; give a smaller number.")
    return vocabulary


def matched(table: Table, source: Source, names: Sequence[str], below: str, file: str) -> list[list[str]]:
    """The captions of each image. Raises ValueError for a table that does not fit the images."""
    merged: Table = {}
    for name, texts in table.items():
        merged.setdefault(posixpath.normpath(name.replace("\\", "/")), []).extend(texts)
    table = merged
    missing = [name for name in table if not source.holds(name) and not source.holds(below + name)]
    if missing:
        raise ValueError(
            f"{file} names {len(missing)} images that are not in {source.path}, such as {missing[0]}; remove "
            "them, or set data.path to the folder that the names start from."
        )
    told = [table.get(name) or table.get(name.removeprefix(below)) or [] for name in names]
    if bare := [name for name, texts in zip(names, told, strict=True) if not texts]:
        raise ValueError(
            f"{len(bare)} of {len(names)} images have no caption in {file}, such as {bare[0]}; write some, "
            "or choose others by data.subset."
        )
    for name, texts in zip(names, told, strict=True):
        if empty := [text for text in texts if not words_of(text)]:
            raise ValueError(f"{file}: a caption of {name} is {empty[0]!r}, which has no words; write some.")
    return told


def table_of(source: Source, file: str) -> Table:
    """Captions by the name of their image. Raises ValueError for a file that is no such table."""
    path = Path(file).expanduser()
    if not path.is_file() and not source.holds(file):
        raise ValueError(f"data.captions={file} is neither a file here nor in {source.path}; give {FORMS}.")
    content = path.read_bytes() if path.is_file() else source.read(file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"data.captions={file} is not UTF-8 text ({error}); save it as UTF-8.") from error
    match path.suffix.lower():
        case ".csv":
            return gathered(from_csv(text, file))
        case ".json":
            return gathered(from_json(text, file))
    raise ValueError(f"data.captions={file}; give {FORMS}.")


def gathered(rows: Iterable[tuple[str, str]]) -> Table:
    table: Table = {}
    for name, text in rows:
        table.setdefault(name.strip(), []).append(" ".join(text.split()))
    return table


def from_csv(content: str, file: str) -> list[tuple[str, str]]:
    """Image and caption of each row; the first row names the columns."""
    letter = max(SEPARATORS, key=(content.splitlines() or [""])[0].count)
    try:
        table = list(csv.reader(io.StringIO(content, newline=""), delimiter=letter))
    except csv.Error as error:
        raise ValueError(f"{file} cannot be read as a CSV ({error}): is a quote left open?") from error
    rows = [row for row in table if any(cell.strip() for cell in row)]
    header = [name.strip().lower() for name in rows[0]] if rows else []
    places = [next((header.index(n) for n in names if n in header), -1) for names in (IMAGE, CAPTION)]
    if -1 in places:
        known = ", ".join(header) or "nothing"
        raise ValueError(
            f"{file} begins with {known[:80]}; its first row must name the columns image,caption."
        )
    if short := next((row for row in rows if len(row) <= max(places)), None):
        raise ValueError(f"{file} has a row without a caption: {letter.join(short)}; expected image,caption.")
    if long := next((row for row in rows if any(cell.strip() for cell in row[len(header) :])), None):
        raise ValueError(
            f"{file} has a row of {len(long)} cells where its first has {len(header)}: "
            f'{letter.join(long)[:80]}; put captions with a "{letter}" between quotes.'
        )
    return [(row[places[0]], row[places[1]]) for row in rows[1:]]


def from_json(content: str, file: str) -> list[tuple[str, str]]:
    """{"a.png": ["a cat", …], …}, or [{"image": "a.png", "caption": "a cat"}, …]."""
    try:
        table = json.loads(content)
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is no JSON ({error}); give {FORMS}.") from error
    pairs = (
        table.items() if isinstance(table, dict) else map(record_of, table) if isinstance(table, list) else ()
    )
    rows: list[tuple[str, str]] = []
    for name, texts in pairs:
        several: Any = [texts] if isinstance(texts, str) else texts
        if not isinstance(name, str) or not isinstance(several, list):
            raise ValueError(f"{file} has an entry {str((name, texts))[:80]}; give {FORMS}.")
        if wrong := [text for text in several if not isinstance(text, str)]:
            raise ValueError(f"{file}: a caption of {name} is {wrong[0]!r}, not text; give {FORMS}.")
        rows += [(name, text) for text in several]
    if not rows:
        raise ValueError(f"{file} holds no captions; give {FORMS}.")
    return rows


def record_of(record: Any) -> tuple[Any, Any]:
    """Image and caption, or captions, of {"image": …, "caption": …}; None for what is not there."""
    if not isinstance(record, dict):
        return None, record
    found = [next((record[name] for name in names if name in record), None) for names in (IMAGE, CAPTION)]
    return found[0], found[1]
