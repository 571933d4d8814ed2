"""What `gantool detect` says of images: sentences, a table, and pictures of where they are abnormal."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from gantool.anomaly import heat
from gantool.anomaly.scores import numbers, scaled
from gantool.images import save, table_of
from gantool.tasks.task import Scored
from gantool.translate import results_of

SHOWN = 16  # rows of detected.png
SCORES, MAPS = "scores.csv", "maps"


@final
@dataclass
class Judged:
    """What is known of images, in their order, and the most abnormal ones of them.

    Attributes:
        most: images to keep.
        kept: score, name, image and what the model makes of it, the most abnormal first.
    """

    most: int
    names: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    kept: list[tuple[float, str, Tensor, Tensor]] = field(default_factory=list)

    def add(self, names: list[str], images: Tensor, scored: Scored) -> None:
        score, made = scored.score.detach().double().cpu().tolist(), scored.made.detach().float().cpu()
        self.names += names
        self.scores += score
        self.kept += zip(score, names, images, made, strict=True)
        self.kept = sorted(self.kept, key=lambda one: -one[0])[: self.most]


def found(scores: Tensor, limit: float | None, abnormal: Tensor | None) -> dict[str, Any]:
    """`flagged`, and where it is known what is abnormal, how well that was told."""
    flags = None if limit is None else scores > limit  # (N,)
    record: dict[str, Any] = {} if flags is None else {"flagged": int(flags.sum())}
    if abnormal is None:
        return record
    record |= {"abnormal": int(abnormal.sum()), **numbers(scores, abnormal)}
    if flags is not None:
        for name, those in (("alarms_of_normal", ~abnormal), ("alarms_of_abnormal", abnormal)):
            record[name] = flags[those].double().mean().item() if those.any() else None
    return record


def sentences(record: dict[str, Any]) -> Iterator[str]:
    """The same for people."""
    if record["method"] == "search":
        yield f"Scored by a search of {record['steps']} steps for the nearest image that G can make."
    if record["threshold"] is not None:
        yield (
            f"{record['flagged']:,} of {record['count']:,} are abnormal: they score more than "
            f"{record['threshold']:.4g}, as {record['false_alarms']:.3g} of the {record['reference']:,} "
            "training images do at most."
        )
    if "auroc" in record:
        few = f"{record['abnormal']:,} are abnormal"
        yield f"AUROC {record['auroc']:.4f}, AUPRC {record['auprc']:.4f} ({few})."
    if record.get("alarms_of_normal") is not None and record.get("alarms_of_abnormal") is not None:
        yield (
            f"Found: {record['alarms_of_abnormal']:.1%} of the abnormal images; false alarms: "
            f"{record['alarms_of_normal']:.1%} of the normal ones."
        )


def write(
    path: Path, names: Sequence[str], scores: Tensor, limit: float | None, abnormal: Tensor | None
) -> None:
    """A row for each image, in their order."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "score", "scaled", "abnormal", *([] if abnormal is None else ["truth"])])
        for place, (name, score, share) in enumerate(
            zip(names, scores.tolist(), scaled(scores).tolist(), strict=True)
        ):
            said = "" if limit is None else "yes" if score > limit else "no"
            truth = [] if abnormal is None else ["yes" if abnormal[place] else "no"]
            table.writerow([name, f"{score:.8g}", f"{share:.6f}", said, *truth])


def forget(out: Path) -> None:
    """Delete the heat maps of the images in an earlier table, which the next one may not draw again."""
    if not (out / SCORES).exists():
        return
    with (out / SCORES).open(newline="") as file:
        names = [row["path"] for row in csv.DictReader(file)]
    for place in results_of(names):
        if ".." not in Path(place).parts and not Path(place).is_absolute():
            (out / MAPS / place).unlink(missing_ok=True)


def draw(out: Path, judged: Judged, maps: int | None, top: float) -> None:
    """Each picture: the image, what the model makes of it, and where they differ.

    Args:
        out: the folder.
        judged: the images.
        maps: of so many a picture of its own; None = of all.
        top: error that is white.
    """
    rows = [[image, made, heat.picture(heat.error(image, made), top)] for _, _, image, made in judged.kept]
    shown = [torch.stack(column) for column in zip(*rows[:SHOWN], strict=True)]
    save(table_of(shown), out / "detected.png")
    most = len(rows) if maps is None else maps
    places = dict(zip(judged.names, results_of(judged.names), strict=True))
    for (_, name, _, _), row in zip(judged.kept[:most], rows, strict=False):
        path = out / MAPS / places[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        save(table_of([picture[None] for picture in row]), path)
