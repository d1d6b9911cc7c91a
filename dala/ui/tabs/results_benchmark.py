"""What the study of explanations found, from the file beside the weights: nothing typed."""

from html import escape
from typing import Any

from dala import cam
from dala.benchmark import conclusions
from dala.explain.explainer import Explainer
from dala.files import read_json
from dala.heatmaps import thresholds
from dala.hub.cache import HubError
from dala.hub.layout import STUDY
from dala.ui.tabs import tables

__all__ = ["page"]

Json = dict[str, Any]
FILE = STUDY
MOST_BYTES = 2_000_000
QUESTIONS = {
    "threshold": "Does a threshold taken from each picture choose a better area than one for all?",
    "rule_words": "Which rule?",
    "areas": "How large are the kept areas?",
    "first_words": "Which method first?",
}


def page(explainer: Explainer) -> str:
    """The section as markup; empty where no study lies beside the weights. Text of the file is escaped."""
    try:
        file = explainer.origin.beside(FILE, most=MOST_BYTES) if explainer.origin else None
        report = read_json(file) if file else None
        if not report:
            return ""
        told = "".join(
            f"<dt>{escape(question)}</dt><dd>{escape(str(report['answers'][key]))}</dd>"
            for key, question in QUESTIONS.items()
        )
        details = "".join(_truth(name, truth) for name, truth in report["truths"].items())
    except (HubError, OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        return ""
    return (
        "<h3>Which explanations deserve trust?</h3>"
        "<p class='told'>Measured on truth that is known (a planted focus, mosaics of held-out patches), and by what "
        f"the network says when parts are hidden.</p><dl class='study'>{told}</dl>"
        f"<details><summary>By method and by rule</summary>{details}</details>"
    )


def _truth(name: str, truth: Json) -> str:
    rows = truth.get("localisation") or truth.get("faithfulness") or {}
    keys = {"auc": "AUC of pixels", "energy": "energy inside", "insertion": "insertion", "deletion": "deletion"}
    some: Json = next(iter(rows.values()), {})
    columns = [key for key in keys if key in some]
    body = [
        [escape(cam.METHODS[n].title if n in cam.METHODS else n), *(f"{row[key][0]:.2f}" for key in columns),
         _survives(truth, n)]
        for n, row in rows.items()
    ]  # fmt: skip
    explained = escape(str(truth["model"]["words"]))
    head = ["", *(keys[key] for key in columns), "outlives random weights"]
    told = f"<p class='told'>{conclusions.TRUTHS[name].capitalize()}: {explained}.</p>{tables.quiet(head, body)}"
    return told + _rules(truth["thresholds"]) if truth.get("thresholds") else told


def _rules(rows: Json) -> str:
    head = ["", "kept area", "IoU, own τ", "IoU, one τ for all", "own τ is"]
    body = [
        [escape(thresholds.RULES[rule].label), f"{100 * row['kept_area'][0]:.0f} %",
         *(f"{row[key][0]:.3f}" for key in ("own", "global")), conclusions.verdict(row["gain"])]
        for rule, row in rows.items()
    ]  # fmt: skip
    return tables.quiet(head, body)


def _survives(truth: Json, method: str) -> str:
    row = truth.get("sanity", {}).get(method)
    return f"{100 * row['survives']:.0f} %" if row else "–"
