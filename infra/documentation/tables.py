"""Markdown of the generated pages."""

from collections.abc import Iterable, Sequence

NEW_LINE = "<br>"


def page(title: str, source: str, *parts: str) -> str:
    """Join a page's title, source note and parts, with blank lines between them."""
    written = f"<!-- Written by `make reference` from {source}: change that. -->"
    return "\n\n".join([f"# {title}", written, *(part.strip() for part in parts if part.strip())]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; `|` in a cell is escaped."""
    lines = [_row(head), "|" + "---|" * len(head), *(_row(row) for row in rows)]
    return "\n".join(lines)


def code(text: object) -> str:
    """Format text as code."""
    return f"`{text}`"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"
