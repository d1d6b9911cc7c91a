"""How often the warning before the probabilities errs: drawn from the check's own file, nothing typed."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from dala.images import tissue
from dala.ui.tabs import tables

__all__ = ["page", "rate"]

Row = dict[str, Any]


def page() -> str:
    """The section as markup."""
    told = json.loads(tissue.FILE.read_text(encoding="utf-8"))
    held, unlike, beside = told["tissue"], told["unlike"], told["other_stain"]
    names = " and ".join(filter(None, (", ".join(r["name"] for r in held[:-1]), held[-1]["name"])))
    return (
        "<h3>Does a picture look like tissue at all?</h3>"
        "<p class='told'>Before any probability, colours and texture are compared with those of haematoxylin-eosin "
        f"tissue. Of {_count(held):,} pictures of tissue that the comparison was not fitted on ({escape(names)}), "
        f"{_percent(rate(held))} raise the warning without reason; of {_count(unlike):,} other pictures, from cats to "
        f"blank slides, {_percent(rate(unlike))} raise it. Tissue from a laboratory or a microscope that the "
        "comparison never saw raises it more often: the table tells how often, if a data set is left out of it.</p>"
        f"<details><summary>By data set and by kind of picture</summary>{_tissue(held)}{_others(unlike, beside)}"
        "</details>"
    )


def rate(rows: Sequence[Row]) -> float:
    """Share of all pictures of some rows that raise the warning."""
    return sum(row["warned"] for row in rows) / _count(rows)


def _count(rows: Sequence[Row]) -> int:
    return sum(row["pictures"] for row in rows)


def _tissue(rows: Sequence[Row]) -> str:
    body = [
        [
            escape(row["name"]), f"{row['pictures']:,}", _share(row["warned"], row["pictures"]),
            _share(row["warned_as_another_laboratory"], row["pictures"]),
        ]
        for row in rows
    ]  # fmt: skip
    return tables.quiet(["tissue, held out", "pictures", "warned of", "warned of, if the set is left out"], body)


def _others(unlike: Sequence[Row], beside: Sequence[Row]) -> str:
    rows = [*unlike, *({**row, "name": f"{row['name']} (tissue, not counted)"} for row in beside)]
    body = [[escape(row["name"]), f"{row['pictures']}", _share(row["warned"], row["pictures"])] for row in rows]
    return tables.quiet(["unlike tissue", "pictures", "warned of"], body)


def _share(part: int | None, whole: int) -> str:
    return "–" if part is None else _percent(part / whole)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
