"""Tables of the page."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from dala import markup

__all__ = ["table"]

TEMPLATE = Path(__file__).with_name("tables.html")


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> Markup:
    """A table whose first column names the rows.

    Args:
        head: titles of the columns.
        body: rows of cells, each as long as `head`. Strings are escaped; `Markup` is inserted as it is.
    """
    return markup.render(TEMPLATE, head=head, body=body)
