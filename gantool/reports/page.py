"""A page from a template: everything from files is escaped, nothing is asked of a network."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def rendered(template: str, content: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("gantool.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = lambda value: f"{value:,}"
    environment.filters["rounded"] = lambda value: f"{value:,.4g}"
    return environment.get_template(template).render(content)


def write(file: Path, html: str) -> None:
    """Beside and moved into place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_text(html, encoding="utf-8")
    part.replace(file)
