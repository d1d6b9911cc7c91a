"""Markdown that a person can read as it is."""

import re
import textwrap
from collections.abc import Sequence

__all__ = ["table", "wrapped"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells of text."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def wrapped(text: str) -> str:
    """Paragraphs in lines that a person can read and compare; tables, lists and code as they are."""
    parts = text.split("\n\n")
    plain = [bool(re.match(r"[\w*]", part)) for part in parts]
    filled = [
        textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False) if fill else part
        for part, fill in zip(parts, plain, strict=True)
    ]
    return "\n\n".join(filled)
