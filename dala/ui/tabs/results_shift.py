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
WORDS = {"own": "held out in turn", "left_out": "whole laboratory left out", "outside": "none"}


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
    titles = [row["title"] for row in rates["own"]]
    return markup.render(
        TEMPLATE,
        names=" and ".join(filter(None, (", ".join(titles[:-1]), titles[-1]))),
        own=_range(rates["own"]),
        others=_range([*rates["left_out"], *rates["outside"]]),
        table=_table(rates),
    )


def _table(rates: Rates) -> Markup:
    body = []
    for kind, words in WORDS.items():
        rows: list[Rate] = rates[kind]  # type: ignore[literal-required]
        body += [[row["title"], words, f"{row['pictures']:,}", _share(row), f"{row['median']:.2f}"] for row in rows]
    return tables.table(["laboratory", "part in the fit", "pictures", "with the note", "median distance"], body)


def _range(rows: Sequence[Rate]) -> str:
    """The least and the largest share: laboratories with many pictures do not hide the others."""
    ranked = sorted(rows, key=lambda row: row["spoken"] / row["pictures"])
    shares = list(dict.fromkeys(map(_share, ranked[:1] + ranked[-1:])))
    return " to ".join(shares)


def _share(row: Rate) -> str:
    return f"{100 * row['spoken'] / row['pictures']:.1f} %"
