"""The tab that says how good the network is: drawn from the report beside its weights, nothing typed."""

import base64
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from dala.explain.explainer import Explainer
from dala.files import read_json
from dala.hub.cache import HubError
from dala.hub.layout import CARD, REPORT
from dala.images import tissue
from dala.publishing import card_notes, card_text
from dala.publishing.card_notes import CardNotes, CardNotesError
from dala.ui.download import SAVE, data_url
from dala.ui.model_cache import HOST
from dala.ui.session import PLUMBING, Page, Seen
from dala.ui.tabs import glossary, results_benchmark, results_tissue, tables

__all__ = ["Results", "build", "card_of", "page_of", "read"]

Json = dict[str, Any]
MOST_BYTES = 5_000_000
COLUMNS = {
    "auc": ("AUC of pictures", "how often a picture of a class is ranked above one of another; 0.5 is chance"),
    "balanced_accuracy": ("balanced accuracy", "mean of the classes' hit rates; of two, 0.5 is chance"),
    "patient_auc": ("AUC of patients", "the same ranking, of patients by the mean of their pictures"),
}
PICTURES = {
    "roc": ("ROC", "True positives against false positives as the cut on the probability moves."),
    "reliability": (
        "Calibration",
        "Of pictures given 80 %, 80 % should be right: the closer to the diagonal the better.",
    ),
    "confusion": ("Confusion matrix", "Which class was called what, at the largest probability."),
}
NOTHING = (
    "<p class='told'>No cross-validated report lies beside these weights: what is known of how good they are stands in "
    "their card, if they have one.</p>"
)
LESSONS = """
<h3>Two lessons of this data</h3>
<p class='told'><b>Leakage.</b> Pictures of one patient resemble each other. Dealt out one by one, they stand on both
sides of the split, and the network is asked about patients it has seen. <b>Confound.</b> Slides are stained
differently, so fifteen statistics of colour alone already tell something: what the network knows of tissue is what it
has beyond them.</p>
"""


class Results:
    """The tab's handler."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show(self, seen: Seen | None) -> tuple[str, str, str]:
        """The report of the session's network, what was found of its explanations, and the host's own card."""
        key = seen.model if seen else HOST
        explainer = self.page.shelf[key]
        return page_of(explainer), results_benchmark.page(explainer), card_of(explainer) if key == HOST else ""

    def download(self, seen: Seen | None) -> str:
        """The figures and the data behind them as one zip, in a data URL."""
        return data_url(files(self.page.shelf[seen.model if seen else HOST]))


def read(explainer: Explainer) -> tuple[Json, Path] | None:
    """The cross-validated report beside a network's weights and its folder; None where there is none to be used."""
    try:
        file = explainer.origin.beside(REPORT, most=MOST_BYTES) if explainer.origin else None
        report = read_json(file) if file else {}
        return (report, file.parent) if file and report["scores"]["figures"]["auc"] else None
    except (HubError, OSError, ValueError, KeyError, TypeError):
        return None


def files(explainer: Explainer) -> dict[str, bytes]:
    """What is downloaded, by name: report and pictures, the study of explanations, how often the warning errs."""
    found, told = read(explainer), {"tissue.json": tissue.FILE.read_bytes()}
    if found:
        told["report.json"] = json.dumps(found[0], indent=2).encode()
        told |= {
            f"{name}.png": (found[1] / f"{name}.png").read_bytes()
            for name in PICTURES
            if (found[1] / f"{name}.png").is_file()
        }
    with suppress(HubError):
        study = explainer.origin.beside(results_benchmark.FILE, most=MOST_BYTES) if explainer.origin else None
        told |= {results_benchmark.FILE: study.read_bytes()} if study else {}
    return told


def card_of(explainer: Explainer) -> str:
    """The model card beside weights that the host chose, without its metadata and pictures; empty where there is none.

    Never of weights that a visitor chose: their card may hold anything.
    """
    file = explainer.origin.folder / CARD if explainer.origin else None
    if file is None or not file.is_file():
        return ""
    text = re.sub(r"\A---\n.*?\n---\n", "", file.read_text(encoding="utf-8", errors="replace"), flags=re.S)
    # In HTML and by reference, too: an address in a card would hear of every visitor.
    text = re.sub(r"!\[[^\]]*\](\([^)]*\)|\[[^\]]*\])?\n*", "", text)
    return re.sub(r"<(img|picture|source|video|audio|track|image)\b[^>]*>", "", text, flags=re.I)


def page_of(explainer: Explainer) -> str:
    """The tab as markup; text of a report is escaped: it comes from whoever made the weights."""
    found = read(explainer)
    if found is None:
        return NOTHING
    report, folder = found
    try:
        parts = [
            _head(report),
            _numbers(report),
            _lessons(report),
            _beside(report, _notes(explainer)),
            _pictures(folder),
            _patients(report),
        ]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        return NOTHING
    return "".join(parts)


def build(page: Page) -> None:
    """The tab, in the current context of tabs."""
    with gr.Tab("How good is it?", id="results") as tab:
        told = gr.HTML(page_of(page.shelf.host), elem_classes="results")
        gr.Markdown(card_text.LIMITS, elem_classes="told-of")
        study = gr.HTML(results_benchmark.page(page.shelf.host), elem_classes="results")
        gr.HTML(results_tissue.page(), elem_classes="results")
        with gr.Accordion("The card of these weights", open=read(page.shelf.host) is None):
            card = gr.Markdown(card_of(page.shelf.host), elem_classes="card told-of")
        glossary.build("results")
        save, archive = gr.Button("Download", size="sm", elem_classes="quiet-button"), gr.Textbox(visible="hidden")
    page.follow(tab, Results(page).show, [], [told, study, card])
    save.click(Results(page).download, page.seen, archive, **PLUMBING).then(None, archive, None, js=SAVE)


def _head(report: Json) -> str:
    where, scores = report["provenance"], report["scores"]
    what = f"{where.get('data', 'pictures')} {where.get('magnification') or ''}".strip()
    amount = f"{scores['images']} pictures of {scores['patients']} patients"
    how = (
        f"Each patient was held out once in {scores['folds']} folds"
        + (f", over {scores['partitions']} ways to deal them out." if scores["partitions"] > 1 else ".")
        if report["protocol"] == "patient"
        else f"Split by {report['protocol']}."
    )
    return (
        f"<h3>{escape(card_text.name(str(report['title'])))} on {escape(what)}</h3>"
        f"<p class='told'>{escape(amount)}. {escape(how)} In small "
        "figures: 95 % intervals of a bootstrap over patients. So few patients leave them wide.</p>"
    )


def _numbers(report: Json) -> str:
    colour, cells = _colour(report.get("beside", {})), ""
    for key, (label, meaning) in COLUMNS.items():
        beside = f"colour alone {colour[key][0]:.2f}" if colour and colour[key][0] is not None else ""
        value, low, high = report["scores"]["figures"][key]
        interval = f"{low:.2f} to {high:.2f}" if low is not None else ""
        cells += (
            f"<div title='{meaning}'><b>{value:.2f}</b><span>{label}</span>"
            f"<small>{interval}</small><small>{beside}</small><em>{meaning}</em></div>"
        )
    return f"<div class='numbers'>{cells}</div>"


def _lessons(report: Json) -> str:
    image = report.get("image_wise")
    if not image:
        return ""
    own, colours = report["scores"]["figures"], (_colour(image["beside"]), _colour(report.get("beside", {})))
    rows = [("network, split by image", image["figures"], "image"), ("network, split by patient", own, "patient")]
    rows += [(f"colour alone, split by {by}", f, by) for by, f in zip(("image", "patient"), colours, strict=True) if f]
    charts = "".join(_chart(COLUMNS[key][0], [(t, f[key], by) for t, f, by in rows]) for key in list(COLUMNS)[:2])
    return f"{LESSONS}<div class='lessons'>{charts}</div>"


def _chart(title: str, rows: Iterable[tuple[str, list[float], str]]) -> str:
    """Bars from chance, 0.5, to 1, with their intervals."""

    def at(value: float) -> float:
        return 200 * min(max(value - 0.5, 0), 0.5)

    lines = ""
    for label, (value, low, high), kind in rows:
        band = f"<s style='left:{at(low):.1f}%;width:{at(high) - at(low):.1f}%'></s>" if low is not None else ""
        lines += (
            f"<span>{label}</span><div class='track {kind}'><i style='width:{at(value):.1f}%'></i>{band}</div>"
            f"<b>{value:.2f}</b>"
        )
    axis = "<span></span><div class='axis'><small>0.5, chance</small><small>1</small></div><b></b>"
    return f"<figure><figcaption>{title}</figcaption><div class='bars'>{lines}{axis}</div></figure>"


def _notes(explainer: Explainer) -> CardNotes:
    """Display names of the runs, from `card.json` next to the weights; none where it is missing or cannot be used."""
    try:
        file = explainer.origin.beside(card_notes.FILE, most=card_notes.MOST_BYTES) if explainer.origin else None
        return card_notes.read(file) if file else CardNotes()
    except (HubError, CardNotesError):
        return CardNotes()


def _beside(report: Json, notes: CardNotes) -> str:
    if not report.get("beside"):
        return ""
    rows = [(str(report["title"]), report["scores"]), *report["beside"].items()]
    body = [
        [
            escape(card_text.name(title, notes)),
            *(_cell(row["figures"][key]) for key in COLUMNS),
            escape(str(row["partitions"])),
        ]
        for title, row in rows
    ]
    head = ["", *(label for label, _ in COLUMNS.values()), "partitions"]
    return f"<h3>Beside other networks, on the same folds</h3>{tables.quiet(head, body)}"


def _patients(report: Json) -> str:
    body = [
        [
            *(escape(str(row[key])) for key in ("patient", "label", "images")), f"{100 * row['right']:.0f} %",
            f"{row['probability']:.2f}",
        ]
        for row in report["scores"]["by_patient"]
    ]  # fmt: skip
    head = ["patient", "class", "pictures", "classified right", "mean probability of its class"]
    return f"<h3>By patient, worst first</h3>{tables.quiet(head, body)}"


def _pictures(folder: Path) -> str:
    figures = ""
    for name, (title, meaning) in PICTURES.items():
        file = folder / f"{name}.png"
        if file.is_file():
            data = base64.b64encode(file.read_bytes()).decode()
            figures += (
                f"<figure><figcaption>{title}</figcaption><img alt='{title}. {meaning}' "
                f"src='data:image/png;base64,{data}'><p>{meaning}</p></figure>"
            )
    return f"<div class='plots'>{figures}</div>"


def _colour(beside: Json) -> Json | None:
    return next((row["figures"] for row in beside.values() if row["network"] == "colour"), None)


def _cell(figure: list[float | None]) -> str:
    value, low, high = figure
    if value is None:
        return "–"
    return f"{value:.2f}" + (f" <small>{low:.2f} to {high:.2f}</small>" if low is not None else "")
