"""Error rates of the tissue check, from the check's own file. No number is typed here."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dala import markup
from dala.images import tissue
from dala.ui.tabs import tables

__all__ = ["page", "rate"]

Row = dict[str, Any]
TEMPLATE = Path(__file__).with_name("tissue_rates.html")


def page() -> Markup:
    """The section as HTML."""
    rates = json.loads(tissue.FILE.read_text(encoding="utf-8"))
    held_out, unlike = rates["tissue"], rates["unlike"]
    return markup.render(
        TEMPLATE,
        names=" and ".join(filter(None, (", ".join(r["name"] for r in held_out[:-1]), held_out[-1]["name"]))),
        tissue=_summary(held_out, _tissue(held_out)),
        other=_summary(unlike, _others(unlike, rates["other_stain"])),
    )


def rate(rows: Sequence[Row]) -> float:
    """The share of all pictures of some rows that raise the warning."""
    return sum(row["warned"] for row in rows) / _count(rows)


def _summary(rows: Sequence[Row], table: Markup) -> dict[str, str]:
    return {"count": f"{_count(rows):,}", "rate": _percent(rate(rows)), "table": table}


def _count(rows: Sequence[Row]) -> int:
    return sum(row["pictures"] for row in rows)


def _tissue(rows: Sequence[Row]) -> Markup:
    body = [
        [
            row["name"], f"{row['pictures']:,}", _share(row["warned"], row["pictures"]),
            _share(row["warned_as_another_laboratory"], row["pictures"]),
        ]
        for row in rows
    ]  # fmt: skip
    return tables.table(["tissue, held out", "pictures", "warned", "warned, if the set is left out"], body)


def _others(unlike: Sequence[Row], other_stain: Sequence[Row]) -> Markup:
    rows = [*unlike, *({**row, "name": f"{row['name']} (tissue, not counted)"} for row in other_stain)]
    body = [[row["name"], f"{row['pictures']}", _share(row["warned"], row["pictures"])] for row in rows]
    return tables.table(["not tissue", "pictures", "warned"], body)


def _share(part: int | None, whole: int) -> str:
    return "–" if part is None else _percent(part / whole)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
