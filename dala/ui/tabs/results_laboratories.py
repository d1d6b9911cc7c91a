"""The lesson on laboratories held out, from the table that comes with the weights. No number is typed here."""

from pathlib import Path

from markupsafe import Markup

from dala import markup
from dala.explain.explainer import Explainer
from dala.hub import laboratories
from dala.hub.cache import HubError
from dala.hub.laboratories import Laboratories, LaboratoriesFileError
from dala.hub.layout import LABORATORIES
from dala.lessons import laboratories_figure
from dala.publishing import laboratories_text
from dala.publishing.card_notes import CardNotes
from dala.ui.tabs import tables

__all__ = ["section"]

TEMPLATE = Path(__file__).with_name("laboratories.html")


def section(explainer: Explainer, notes: CardNotes) -> Markup:
    """The lesson as HTML; empty without a valid table that has two recipes scored at home and outside."""
    table = _read(explainer)
    if not table:
        return Markup()
    drawn, titles = laboratories_text.points(table, notes)
    sentences = laboratories_text.lesson(drawn, titles)
    if not sentences:
        return Markup()
    return markup.render(
        TEMPLATE,
        sentences=sentences,
        titles=titles,
        chart=laboratories_figure.chart(drawn),
        points=drawn,
        metrics=[
            (label, tables.table(*laboratories_text.cells(table, metric, notes)))
            for metric, label in laboratories_text.METRICS.items()
        ],
        notes=laboratories_text.notes(table, notes),
    )


def _read(explainer: Explainer) -> Laboratories | None:
    try:
        file = explainer.origin.beside(LABORATORIES, most=laboratories.MOST_BYTES) if explainer.origin else None
        return laboratories.read(file) if file else None
    except (HubError, LaboratoriesFileError):
        return None
