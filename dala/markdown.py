"""Markdown that is readable as plain text, and numbers with their intervals."""

import re
import textwrap
from collections.abc import Sequence

__all__ = ["interval", "table", "wrapped"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a table; `|` within a cell is escaped.

    Args:
        head: column titles.
        rows: cells, one text for each column.
    """
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(
    value: float | None, low: float | None, high: float | None, bound_digits: int = 2, sign: bool = False
) -> str:
    """Format a number with its interval, such as "0.873 [0.77, 0.96]"; "–" if the number is undefined.

    Args:
        value: shown in three digits after the point.
        low, high: bounds; without them the number stands alone.
        bound_digits: digits after the point of the bounds.
        sign: write a plus in front of positive numbers.
    """
    if value is None:
        return "–"
    plus = "+" if sign else ""
    text = f"{value:{plus}.3f}"
    if low is None or high is None:
        return text
    return f"{text} [{low:{plus}.{bound_digits}f}, {high:{plus}.{bound_digits}f}]"


def wrapped(text: str) -> str:
    """Break paragraphs into lines of at most 120 characters; tables, lists and code stay as they are."""
    parts = text.split("\n\n")
    plain = [bool(re.match(r"[\w*]", part)) for part in parts]
    filled = [
        textwrap.fill(part, 120, break_long_words=False, break_on_hyphens=False) if fill else part
        for part, fill in zip(parts, plain, strict=True)
    ]
    return "\n\n".join(filled)
