"""The benchmark of explanation methods, from the file that comes with the weights. No number is typed here."""

from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from dala import cam, markup
from dala.benchmark import conclusions
from dala.explain.explainer import Explainer
from dala.heatmaps import thresholds
from dala.hub import study
from dala.hub.cache import HubError
from dala.hub.layout import STUDY
from dala.hub.study import GroundTruth, StudyFileError, ThresholdRow
from dala.ui.tabs import tables

__all__ = ["page"]

TEMPLATE = Path(__file__).with_name("study_answer.html")
FILE = STUDY
QUESTIONS: dict[Literal["threshold", "rule_words", "areas", "first_words"], str] = {
    "threshold": "Does a threshold taken from each picture choose a better area than one for all pictures?",
    "rule_words": "Which rule?",
    "areas": "How large are the kept areas?",
    "first_words": "Which method first?",
}
LOCALISATION, FAITHFULNESS = ("AUC of pixels", "energy inside"), ("insertion", "deletion")


def page(explainer: Explainer) -> str:
    """The section as HTML; empty if there is no valid benchmark file with the weights."""
    try:
        file = explainer.origin.beside(FILE, most=study.MOST_BYTES) if explainer.origin else None
        if not file:
            return ""
        report = study.read(file)
        return markup.render(
            TEMPLATE,
            answers=[(question, report["answers"][key]) for key, question in QUESTIONS.items()],
            truths=[_truth(name, truth) for name, truth in report["truths"].items()],
        )
    # Another ground truth or rule than those of this version, or a number that is too large to be formatted.
    except (HubError, StudyFileError, LookupError, OverflowError):
        return ""


def _truth(name: str, truth: GroundTruth) -> dict[str, Any]:
    """One kind of ground truth: the network that was explained, and tables of methods and of threshold rules."""
    return {
        "name": conclusions.TRUTHS[name].capitalize(),
        "model": truth["model"]["words"],
        "methods": _methods(truth),
        "rules": _rules(truth["thresholds"]) if truth.get("thresholds") else "",
    }


def _methods(truth: GroundTruth) -> Markup:
    """Scores against the masks where there are some, else of insertion and deletion."""
    if rows := truth.get("localisation"):
        columns, scores = LOCALISATION, {name: (row["auc"], row["energy"]) for name, row in rows.items()}
    else:
        tested = truth.get("faithfulness", {})
        columns, scores = FAITHFULNESS, {name: (row["insertion"], row["deletion"]) for name, row in tested.items()}
    titles = {name: cam.METHODS[name].title if name in cam.METHODS else name for name in scores}
    body = [
        [titles[name], *(f"{figure[0]:.2f}" for figure in figures), _survives(truth, name)]
        for name, figures in scores.items()
    ]
    return tables.table(["", *columns, "unchanged by random weights"], body)


def _rules(rows: dict[str, ThresholdRow]) -> Markup:
    head = ["", "kept area", "IoU, own τ", "IoU, one τ for all", "own τ is"]
    body = [
        [
            thresholds.RULES[rule].label, f"{100 * row['kept_area'][0]:.0f} %",
            f"{row['own'][0]:.3f}", f"{row['global'][0]:.3f}", conclusions.verdict(row["gain"]),
        ]
        for rule, row in rows.items()
    ]  # fmt: skip
    return tables.table(head, body)


def _survives(truth: GroundTruth, method: str) -> str:
    """How often a method's map survives randomized weights."""
    row = truth.get("sanity", {}).get(method)
    return f"{100 * row['survives']:.0f} %" if row else "–"
