"""`gantool data check`: what is in a data set, before training on it."""

from collections.abc import Sequence

from omegaconf import DictConfig
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gantool.data_facts import Facts, facts_of

WIDTH = 80  # of the table, in letters
ROWS = 12  # of each table; the rest is summed up
FEW = 10_000  # images, below which a discriminator soon knows them by heart
NAMED = 4  # groups of duplicates, images without a partner
UNEVEN = 3  # the largest class, in sizes of the smallest
MODE_NAMES = {
    "L": "L: grey, 8 bits",
    "LA": "LA: grey and alpha, 8 bits",
    "RGB": "RGB: colour, 8 bits",
    "RGBA": "RGBA: colour and alpha, 8 bits",
    "I;16": "I;16: grey, 16 bits",
}


def main(cfg: DictConfig) -> None:
    """Print the facts; exit status 1 tells of corrupt files."""
    found = facts_of(cfg.data)
    for facts in found:
        report(facts, mirror=cfg.data.mirror)
    if any(facts.corrupt for facts in found):
        raise SystemExit(1)


def report(facts: Facts, mirror: bool) -> None:
    console = Console()
    table = Table(box=box.ROUNDED, show_header=False, width=min(WIDTH, console.width))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold", ratio=1)
    table.add_row(facts.label, Text(facts.place))
    table.add_row("images", f"{facts.images:,}")
    if facts.held_out:
        table.add_row("held out", f"{facts.held_out:,} of them, which training never sees")
    if facts.shape:
        channels, height, width = facts.shape
        held = "streamed from files" if facts.streamed else "held in memory"
        shape = f"{width} x {height}, {channels} channel{'s' * (channels > 1)} of {facts.depth} bits"
        table.add_row("training", f"{shape}; {megabytes(facts.bytes)}, {held}")
    table.add_section()
    table.add_row(
        "sizes", counts({f"{width} x {height}": n for (height, width), n in facts.sizes.most_common()})
    )
    table.add_row("modes", counts({MODE_NAMES.get(mode, mode): n for mode, n in facts.modes.most_common()}))
    table.add_section()
    if facts.label == "data":
        table.add_row("classes", counts(facts.classes) if facts.classes else "none")
        table.add_section()
    if facts.alone:
        table.add_row("alone", Text(without_partner(facts.alone)))
        table.add_section()
    table.add_row("duplicates", Text(duplicates(facts.duplicates)))
    table.add_row("corrupt", corrupt(facts.corrupt))
    if hints := advice(facts, mirror):
        table.add_section()
        table.add_row("advice", Text("\n".join(hints)))
    console.print(table)


def counts(numbers: dict[str, int]) -> Table:
    """Names, numbers and shares; the rest in one line where there are many. 100% needs no number."""
    shown = list(numbers.items())[:ROWS]
    rest = list(numbers.values())[ROWS:]
    total = sum(numbers.values())
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    for name, number in shown:
        table.add_row(Text(name), *([f"{number:,}", f"{number / total:.1%}"] if number < total else []))
    if rest:
        between = f"{min(rest):,}" if min(rest) == max(rest) else f"{min(rest):,} to {max(rest):,}"
        table.add_row(f"{len(rest):,} more, {between} each", f"{sum(rest):,}", f"{sum(rest) / total:.1%}")
    return table


def duplicates(groups: list[list[str]]) -> str:
    repeats = sum(len(names) - 1 for names in groups)
    if not repeats:
        return "none"
    lines = [" = ".join([*names[:3], "…"] if len(names) > 3 else names) for names in groups[:NAMED]]
    if len(groups) > NAMED:
        lines.append(f"and {len(groups) - NAMED:,} more groups")
    verb = "image has" if repeats == 1 else "images have"
    return "\n".join([f"{repeats:,} {verb} the very pixels of another:", *lines])


def without_partner(names: Sequence[str]) -> str:
    more = f", and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return f"{len(names):,} have no partner, and are left out: {', '.join(names[:NAMED])}{more}"


def corrupt(reasons: dict[str, str]) -> Text:
    """Every one by name: this is where to look for them."""
    if not reasons:
        return Text("none")
    lines = [f"{name}: {reason}" for name, reason in reasons.items()]
    return Text("\n".join([f"{len(reasons):,} cannot be read:", *lines]), style="red")


def advice(facts: Facts, mirror: bool) -> list[str]:
    """What somebody who knows the trade would say."""
    hints = [*facts.hints]
    if facts.corrupt:
        hints.append("Repair or delete the corrupt files; training skips them, unless data.on_corrupt=fail.")
    if facts.images < FEW:
        cure = "" if mirror else "; try data.mirror=true unless sides matter"
        hints.append(f"{facts.images:,} images are few, D may learn them by heart{cure}.")
    if facts.classes and max(facts.classes.values()) >= UNEVEN * min(facts.classes.values()):
        least, most = (choose(facts.classes, key=lambda name: facts.classes[name]) for choose in (min, max))
        numbers = f"{facts.classes[least]:,} of {least} but {facts.classes[most]:,} of {most}"
        hints.append(f"The classes are uneven, {numbers}: rare ones will look worse.")
    if len(facts.sizes) > 1 and facts.shape:
        _, height, width = facts.shape
        smaller = sum(n for (h, w), n in facts.sizes.items() if h < height or w < width)
        enlarged = f", {smaller:,} of them enlarged" if smaller else ""
        cure = "see data.resolution, and data.fit for proportions"
        hints.append(f"Sizes differ: all become {width} x {height}{enlarged}; {cure}.")
    if len(facts.modes) > 1 and facts.shape:
        channels = f"{facts.shape[0]} channel{'s' * (facts.shape[0] > 1)}"
        hints.append(f"Modes differ: all become {channels}; see data.channels and data.background.")
    return [f"- {hint}" for hint in hints]


def megabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
