"""Error rates of the check of laboratories, from the file beside the weights. No number is typed here."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from dala import markup
from dala.explain import shift
from dala.explain.explainer import Explainer
from dala.explain.shift import Rate, Rates, ShiftError
from dala.hub.errors import HubError
from dala.ui.tabs import tables

__all__ = ["page"]

TEMPLATE = Path(__file__).with_name("shift_rates.html")
WORDS = {"own": "patients held out", "left_out": "laboratory left out of the check", "outside": "never in the check"}


def page(explainer: Explainer) -> str:
    """The section as HTML; empty for weights without the file."""
    try:
        file = explainer.origin.beside(shift.FILE, most=shift.MOST_BYTES) if explainer.origin else None
        content = shift.read(file, explainer.origin.sha256) if file and explainer.origin else None
    except (HubError, ShiftError):
        return ""
    if content is None or not content["measured"]["own"]:
        return ""
    rates = content["measured"]
    return markup.render(
        TEMPLATE,
        names=" and ".join(row["title"] for row in rates["own"]),
        own=_share(rates["own"]),
        others=_share([*rates["left_out"], *rates["outside"]]),
        table=_table(rates),
    )


def _table(rates: Rates) -> Markup:
    body = []
    for kind, words in WORDS.items():
        rows: list[Rate] = rates[kind]  # type: ignore[literal-required]
        body += [[row["title"], words, f"{row['pictures']:,}", _share([row]), f"{row['median']:.2f}"] for row in rows]
    return tables.table(["laboratory", "pictures of", "pictures", "spoken of", "median distance"], body)


def _share(rows: Sequence[Rate]) -> str:
    count = sum(row["pictures"] for row in rows)
    return f"{100 * sum(row['spoken'] for row in rows) / count:.1f} %" if count else ""
