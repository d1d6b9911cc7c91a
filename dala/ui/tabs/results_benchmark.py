"""The benchmark of explanation methods, from the file that comes with the weights. No number is typed here."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from dala import cam, markup
from dala.benchmark import conclusions
from dala.explain.explainer import Explainer
from dala.files import read_json
from dala.heatmaps import thresholds
from dala.hub.cache import HubError
from dala.hub.layout import STUDY
from dala.ui.tabs import tables

__all__ = ["page"]

Json = dict[str, Any]
TEMPLATE = Path(__file__).with_name("study_answer.html")
FILE = STUDY
MOST_BYTES = 2_000_000
QUESTIONS = {
    "threshold": "Does a threshold taken from each picture choose a better area than one for all pictures?",
    "rule_words": "Which rule?",
    "areas": "How large are the kept areas?",
    "first_words": "Which method first?",
}
MEASURES = {"auc": "AUC of pixels", "energy": "energy inside", "insertion": "insertion", "deletion": "deletion"}


def page(explainer: Explainer) -> str:
    """The section as HTML; empty if there is no valid benchmark file with the weights."""
    try:
        file = explainer.origin.beside(FILE, most=MOST_BYTES) if explainer.origin else None
        report = read_json(file) if file else None
        if not report:
            return ""
        return markup.render(
            TEMPLATE,
            answers=[(question, str(report["answers"][key])) for key, question in QUESTIONS.items()],
            truths=[_truth(name, truth) for name, truth in report["truths"].items()],
        )
    except (HubError, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        return ""


def _truth(name: str, truth: Json) -> Json:
    """One kind of ground truth: the network that was explained, and tables of methods and of threshold rules."""
    return {
        "name": conclusions.TRUTHS[name].capitalize(),
        "model": str(truth["model"]["words"]),
        "methods": _methods(truth),
        "rules": _rules(truth["thresholds"]) if truth.get("thresholds") else "",
    }


def _methods(truth: Json) -> Markup:
    rows = truth.get("localisation") or truth.get("faithfulness") or {}
    first: Json = next(iter(rows.values()), {})
    columns = [key for key in MEASURES if key in first]
    titles = {name: cam.METHODS[name].title if name in cam.METHODS else name for name in rows}
    body = [
        [titles[name], *(f"{row[key][0]:.2f}" for key in columns), _survives(truth, name)] for name, row in rows.items()
    ]
    return tables.table(["", *(MEASURES[key] for key in columns), "unchanged by random weights"], body)


def _rules(rows: Json) -> Markup:
    head = ["", "kept area", "IoU, own τ", "IoU, one τ for all", "own τ is"]
    body = [
        [thresholds.RULES[rule].label, f"{100 * row['kept_area'][0]:.0f} %",
         *(f"{row[key][0]:.3f}" for key in ("own", "global")), conclusions.verdict(row["gain"])]
        for rule, row in rows.items()
    ]  # fmt: skip
    return tables.table(head, body)


def _survives(truth: Json, method: str) -> str:
    """How often a method's map survives randomized weights."""
    row = truth.get("sanity", {}).get(method)
    return f"{100 * row['survives']:.0f} %" if row else "–"
