"""The section of the tab "How good is it?" on the cross-validated report of the weights. No number is typed here."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dala import markup
from dala.explain.explainer import Explainer
from dala.hub import report as hub_report
from dala.hub.cache import HubError
from dala.hub.layout import REPORT
from dala.hub.report import ClassifierRow, Report, ReportError
from dala.hub.scores import Figures, Interval
from dala.images import encoding
from dala.markdown import interval
from dala.publishing import card_notes, card_text
from dala.publishing.card_notes import CardNotes, CardNotesError
from dala.ui.tabs import results_laboratories, tables

__all__ = ["MOST_BYTES", "NOTHING", "page_of", "plots", "read"]

TEMPLATE = Path(__file__).with_name("report.html")
MOST_BYTES = 5_000_000
SHOWN: tuple[hub_report.Key, ...] = ("title", "protocol", "provenance", "scores")  # a report without one is not shown
COLUMNS = {
    "auc": (
        "AUC of pictures",
        "how often a picture of the class is ranked above one of the other; chance is 0.5",
    ),
    "balanced_accuracy": ("balanced accuracy", "mean of the recalls of the classes; with two classes, chance is 0.5"),
    "patient_auc": ("AUC of patients", "the same ranking for patients, by the mean over their pictures"),
}
PICTURES = {
    "roc": ("ROC", "True positive rate against false positive rate for every cut-off of the probability."),
    "reliability": (
        "Calibration",
        "Of the pictures with a probability of 80 %, 80 % should be classified correctly: the closer to the diagonal, "
        "the better.",
    ),
    "confusion": ("Confusion matrix", "True class against predicted class, the one with the highest probability."),
}
NOTHING = (
    "<p class='lead'>These weights come without a cross-validated report. Their card, if they have one, may state "
    "their quality.</p>"
)


def read(explainer: Explainer) -> tuple[Report, Path] | None:
    """The cross-validated report that comes with a network's weights, and its folder; None without a valid one."""
    try:
        file = explainer.origin.beside(REPORT, most=MOST_BYTES) if explainer.origin else None
        return (hub_report.read(file, MOST_BYTES, SHOWN), file.parent) if file else None
    except (HubError, ReportError):
        return None


def plots(folder: Path) -> dict[str, Path]:
    """Files of a run's plots, by name, as far as its folder has them."""
    files = {name: folder / f"{name}.png" for name in PICTURES}
    return {name: file for name, file in files.items() if file.is_file()}


def page_of(explainer: Explainer) -> str:
    """The report as HTML, or `NOTHING`."""
    result = read(explainer)
    if result is None:
        return NOTHING
    (report, folder), notes = result, _notes(explainer)
    try:
        return markup.render(
            TEMPLATE,
            **_head(report),
            numbers=_numbers(report),
            lessons=_lessons(report),
            laboratories=results_laboratories.section(explainer, notes),
            comparison=_comparison(report, notes),
            figures=_figures(folder),
            patients=_patients(report),
        )
    # A metric or a table is missing, or a number is too large to be formatted.
    except (LookupError, OverflowError):
        return NOTHING


def _head(report: Report) -> dict[str, str]:
    """Title of the report, and what was measured in a sentence or two."""
    provenance, scores = report["provenance"], report["scores"]
    data = f"{provenance.get('data', 'pictures')} {provenance.get('magnification') or ''}".strip()
    if report["protocol"] == "patient":
        partitions = f", repeated over {scores['partitions']} partitions" if scores["partitions"] > 1 else ""
        how = f"Each patient was held out once in {scores['folds']} folds{partitions}."
    else:
        how = f"Split by {report['protocol']}."
    patients = provenance.get("patients", 0)
    of = "; the patients are not known" if patients is None else f" of {scores['patients']} patients"
    return {
        "title": f"{card_text.name(report['title'])} on {data}",
        "summary": f"{scores['images']} pictures{of}. {how}",
    }


def _numbers(report: Report) -> list[dict[str, str]]:
    """The headline figures, with what statistics of colour alone reach."""
    colour, numbers = _colour(report.get("beside", {})), []
    for key, (label, meaning) in COLUMNS.items():
        value, _, bounds = _interval(report["scores"]["figures"][key]).partition(" ")
        numbers.append({
            "label": label,
            "meaning": meaning,
            "value": value,
            "interval": bounds,
            "colour": f"colour alone {interval(colour[key][0], None, None)}" if colour else "",
        })  # fmt: skip
    return numbers


def _lessons(report: Report) -> list[dict[str, Any]]:
    """Bar charts of the network and of colour alone, under both ways of splitting; none without an image-wise run."""
    image = report.get("image_wise")
    if not image:
        return []
    own, colours = report["scores"]["figures"], (_colour(image["beside"]), _colour(report.get("beside", {})))
    rows = [("network, split by image", image["figures"], "image"), ("network, split by patient", own, "patient")]
    rows += [(f"colour alone, split by {by}", f, by) for by, f in zip(("image", "patient"), colours, strict=True) if f]
    return [
        {"title": COLUMNS[key][0], "bars": _bars((title, figures[key], by) for title, figures, by in rows)}
        for key in list(COLUMNS)[:2]
    ]


def _bars(rows: Iterable[tuple[str, Interval, str]]) -> list[dict[str, Any]]:
    """Bars from chance, 0.5, to 1, with their intervals; positions in percent. Undefined numbers have no bar."""

    def at(value: float) -> float:
        return 200 * min(max(value - 0.5, 0), 0.5)

    return [
        {
            "label": label,
            "kind": kind,
            "width": f"{at(value):.1f}",
            "interval": (f"{at(low):.1f}", f"{at(high) - at(low):.1f}")
            if low is not None and high is not None
            else None,
            "value": interval(value, None, None),
        }
        for label, (value, low, high), kind in rows
        if value is not None
    ]


def _notes(explainer: Explainer) -> CardNotes:
    """Display names of the runs, from `card.json` next to the weights; none where it is missing or cannot be used."""
    try:
        file = explainer.origin.beside(card_notes.FILE, most=card_notes.MOST_BYTES) if explainer.origin else None
        return card_notes.read(file) if file else CardNotes()
    except (HubError, CardNotesError):
        return CardNotes()


def _comparison(report: Report, notes: CardNotes) -> Markup | None:
    """A table of the networks that were trained on the same folds."""
    if not report.get("beside"):
        return None
    own = report["scores"]
    rows = [(report["title"], own["figures"], own["partitions"])]
    rows += [(title, row["figures"], row["partitions"]) for title, row in report["beside"].items()]
    body = [
        [card_text.name(title, notes), *(_interval(figures[key]) for key in COLUMNS), str(partitions)]
        for title, figures, partitions in rows
    ]
    return tables.table(["", *(label for label, _ in COLUMNS.values()), "partitions"], body)


def _patients(report: Report) -> Markup:
    body = [
        [
            row["patient"], row["label"], str(row["images"]), f"{100 * row['right']:.0f} %",
            f"{row['probability']:.2f}",
        ]
        for row in report["scores"]["by_patient"]
    ]  # fmt: skip
    return tables.table(["patient", "class", "pictures", "correct", "mean probability of the true class"], body)


def _figures(folder: Path) -> list[dict[str, str]]:
    """The plots of the run as far as its folder has them, as data URLs."""
    return [
        {
            "title": PICTURES[name][0],
            "meaning": PICTURES[name][1],
            "source": encoding.data_url(file.read_bytes(), "image/png"),
        }
        for name, file in plots(folder).items()
    ]


def _colour(others: dict[str, ClassifierRow]) -> Figures | None:
    """Figures of the classifier of colour statistics alone."""
    return next((row["figures"] for row in others.values() if row["network"] == "colour"), None)


def _interval(figure: Interval) -> str:
    value, low, high = figure
    return interval(value, low, high)
