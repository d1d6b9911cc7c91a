"""The section of the tab "How good is it?" on the cross-validated report of the weights. No number is typed here."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from dala import markup
from dala.explain.explainer import Explainer
from dala.files import read_json
from dala.hub.cache import HubError
from dala.images import encoding
from dala.publishing import card_notes, card_text
from dala.publishing.card_notes import CardNotes, CardNotesError
from dala.ui.tabs import tables

__all__ = ["MOST_BYTES", "NOTHING", "page_of", "plots", "read"]

Json = dict[str, Any]
TEMPLATE = Path(__file__).with_name("report.html")
MOST_BYTES = 5_000_000
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
        "Of the pictures given 80 %, 80 % should be right: the closer to the diagonal, the better.",
    ),
    "confusion": ("Confusion matrix", "True class against predicted class, the one with the highest probability."),
}
NOTHING = (
    "<p class='told'>These weights come without a cross-validated report. What is known about their quality is in "
    "their card, if they have one.</p>"
)


def read(explainer: Explainer) -> tuple[Json, Path] | None:
    """The cross-validated report that comes with a network's weights, and its folder; None without a valid one."""
    try:
        file = explainer.origin.beside("report.json", most=MOST_BYTES) if explainer.origin else None
        report = read_json(file) if file else {}
        return (report, file.parent) if file and report["scores"]["figures"]["auc"] else None
    except (HubError, OSError, ValueError, KeyError, TypeError):
        return None


def plots(folder: Path) -> dict[str, Path]:
    """Files of the plots of a run that lie in its folder, by name."""
    files = {name: folder / f"{name}.png" for name in PICTURES}
    return {name: file for name, file in files.items() if file.is_file()}


def page_of(explainer: Explainer) -> str:
    """The report as HTML, or `NOTHING`."""
    result = read(explainer)
    if result is None:
        return NOTHING
    report, folder = result
    try:
        return markup.render(
            TEMPLATE,
            **_head(report),
            numbers=_numbers(report),
            lessons=_lessons(report),
            comparison=_comparison(report, _notes(explainer)),
            figures=_figures(folder),
            patients=_patients(report),
        )
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return NOTHING


def _head(report: Json) -> dict[str, str]:
    """Title of the report, and what was measured in a sentence or two."""
    provenance, scores = report["provenance"], report["scores"]
    data = f"{provenance.get('data', 'pictures')} {provenance.get('magnification') or ''}".strip()
    if report["protocol"] == "patient":
        partitions = f", repeated over {scores['partitions']} partitions" if scores["partitions"] > 1 else ""
        how = f"Each patient was held out once in {scores['folds']} folds{partitions}."
    else:
        how = f"Split by {report['protocol']}."
    return {
        "title": f"{card_text.name(str(report['title']))} on {data}",
        "summary": f"{scores['images']} pictures of {scores['patients']} patients. {how}",
    }


def _numbers(report: Json) -> list[dict[str, str]]:
    """The headline figures, with what statistics of colour alone reach."""
    colour, numbers = _colour(report.get("beside", {})), []
    for key, (label, meaning) in COLUMNS.items():
        value, low, high = report["scores"]["figures"][key]
        numbers.append({
            "label": label,
            "meaning": meaning,
            "value": f"{value:.2f}",
            "interval": _interval(low, high),
            "colour": f"colour alone {colour[key][0]:.2f}" if colour and colour[key][0] is not None else "",
        })  # fmt: skip
    return numbers


def _lessons(report: Json) -> list[Json]:
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


def _bars(rows: Iterable[tuple[str, list[float], str]]) -> list[Json]:
    """Bars from chance, 0.5, to 1, with their intervals; positions in percent."""

    def at(value: float) -> float:
        return 200 * min(max(value - 0.5, 0), 0.5)

    return [
        {
            "label": label,
            "kind": kind,
            "width": f"{at(value):.1f}",
            "interval": (f"{at(low):.1f}", f"{at(high) - at(low):.1f}") if low is not None else None,
            "value": f"{value:.2f}",
        }
        for label, (value, low, high), kind in rows
    ]


def _notes(explainer: Explainer) -> CardNotes:
    """Display names of the runs, from `card.json` next to the weights; none where it is missing or cannot be used."""
    try:
        file = explainer.origin.beside(card_notes.FILE, most=card_notes.MOST_BYTES) if explainer.origin else None
        return card_notes.read(file) if file else CardNotes()
    except (HubError, CardNotesError):
        return CardNotes()


def _comparison(report: Json, notes: CardNotes) -> Markup | None:
    """A table of the networks that were trained on the same folds."""
    if not report.get("beside"):
        return None
    rows = [(str(report["title"]), report["scores"]), *report["beside"].items()]
    body = [
        [card_text.name(title, notes), *(_figure(row["figures"][key]) for key in COLUMNS), str(row["partitions"])]
        for title, row in rows
    ]
    return tables.table(["", *(label for label, _ in COLUMNS.values()), "partitions"], body)


def _patients(report: Json) -> Markup:
    body = [
        [
            *(str(row[key]) for key in ("patient", "label", "images")), f"{100 * row['right']:.0f} %",
            f"{row['probability']:.2f}",
        ]
        for row in report["scores"]["by_patient"]
    ]  # fmt: skip
    return tables.table(["patient", "class", "pictures", "correct", "mean probability of the true class"], body)


def _figures(folder: Path) -> list[dict[str, str]]:
    """The plots of the run that lie in its folder."""
    return [
        {
            "title": PICTURES[name][0],
            "meaning": PICTURES[name][1],
            "source": encoding.data_url(file.read_bytes(), "image/png"),
        }
        for name, file in plots(folder).items()
    ]


def _colour(beside: Json) -> Json | None:
    """Figures of the classifier that sees statistics of colour alone."""
    return next((row["figures"] for row in beside.values() if row["network"] == "colour"), None)


def _figure(figure: list[float | None]) -> str:
    """A value with its interval, as a cell: "0.87 0.77 to 0.96"."""
    value, low, high = figure
    if value is None:
        return "–"
    interval = _interval(low, high)
    return Markup("{:.2f} <small>{}</small>").format(value, interval) if interval else f"{value:.2f}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f"{low:.2f} to {high:.2f}"
