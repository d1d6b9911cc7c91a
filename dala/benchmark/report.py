"""The report of the benchmark as Markdown: conclusions, then every table."""

from collections.abc import Sequence
from typing import Literal

from dala import cam
from dala.benchmark.conclusions import TRUTHS, verdict
from dala.heatmaps import thresholds
from dala.hub.study import GroundTruth, MeanInterval, Study
from dala.markdown import interval, table

__all__ = ["markdown"]

FaithfulnessKey = Literal["insertion", "deletion", "keep_20", "remove_20", "drop", "increase", "gap"]
KINDS = ("flip", "turn", "shift", "stain")


def markdown(report: Study) -> str:
    """Format `explanations.json` as Markdown: conclusions, then every table."""
    answers, truths = report["answers"], report["truths"]
    parts = [
        "# Do these explanations deserve trust?\n",
        f"Written by `{report['command']}` in {report['seconds'] / 60:.0f} minutes. Numbers are means over pictures, "
        "with a 95 % interval of a bootstrap over patients (phantoms, where there are no patients) in brackets.\n",
        "## Conclusions\n",
        f"**Does a threshold taken from each picture choose a better area than one for all?** {answers['threshold']}\n",
        f"**Which rule?** {answers['rule_words']}\n",
        f"**How large are the kept areas?** {answers['areas']}\n",
        f"**Which method first?** {answers['first_words']}\n",
    ]
    for name, truth in truths.items():
        parts += [f"## {TRUTHS[name].capitalize()}\n", _explained(truth)]
        parts += [
            _localisation(truth),
            _thresholds(truth),
            _areas(truth),
            _faithfulness(truth),
            _sanity(truth),
            _stability(truth),
        ]
    return "\n".join(filter(None, parts))


def _explained(truth: GroundTruth) -> str:
    model = truth["model"]
    return f"Explained: {model['words']}. {truth['count']} pictures of {truth['groups']} groups.\n"


def _localisation(truth: GroundTruth) -> str:
    rows = truth.get("localisation")
    if not rows:
        return ""
    head = ["method", "energy inside", "pointing game", "AUC of pixels", "IoU at the mask's area"]
    body = [
        [_title(n), *(_figure(row[key]) for key in ("energy", "pointing", "auc", "area_iou"))]
        for n, row in rows.items()
    ]
    return (
        "Localization. The ceiling is the mask itself on the maps' grid. The focus of a phantom is never at the "
        "border, which favours the centred Gaussian.\n\n" + _table(head, body)
    )


def _thresholds(truth: GroundTruth) -> str:
    rows = truth.get("thresholds")
    if not rows:
        return ""
    head = ["rule", "strengths", "kept area", "IoU, own τ", "IoU, one τ for all", "gain", ""]
    body = [
        [
            thresholds.RULES[rule].label,
            " / ".join(f"{s:g}" for s in row["strengths"]),
            *(_figure(row[key]) for key in ("kept_area", "own", "global", "gain")),
            verdict(row["gain"]),
        ]
        for rule, row in rows.items()
    ]
    return "A threshold computed for each picture against one for all, at the same mean kept area.\n\n" + _table(
        head, body
    )


def _areas(truth: GroundTruth) -> str:
    body = [
        [
            thresholds.RULES[rule].label, "" if row["strength"] is None else f"{row['strength']:g}",
            *(f"{100 * row[key]:.0f} %" for key in ("p5", "median", "p95")),
        ]
        for rule, row in truth["areas"].items()
    ]  # fmt: skip
    head = ["rule", "strength", "5th percentile", "median", "95th percentile"]
    return "Kept area of each rule at its customary strength.\n\n" + _table(head, body)


def _faithfulness(truth: GroundTruth) -> str:
    rows = truth.get("faithfulness")
    if not rows:
        return ""
    head = [
        "method",
        "insertion",
        "deletion",
        "keep-only at 20 %",
        "remove-only at 20 %",
        "average drop",
        "increase",
        "insertion − deletion, margin",
    ]
    keys: tuple[FaithfulnessKey, ...] = ("insertion", "deletion", "keep_20", "remove_20", "drop", "increase", "gap")
    body = [[_title(n), *(_figure(row[key]) for key in keys)] for n, row in rows.items()]
    return "Output of the network when parts are replaced by the mean colour.\n\n" + _table(head, body)


def _sanity(truth: GroundTruth) -> str:
    rows = truth.get("sanity")
    if not rows:
        return ""
    stages = list(next(iter(rows.values()))["steps"])
    head = ["method", "unchanged by random weights", "unrelated maps", *stages]
    body = [
        [
            _title(n), f"{100 * row['survives']:.0f} %", f"{row['limit']:.2f}",
            *(f"{v:.2f}" + ("*" if s in row["blind"] else "") for s, v in row["steps"].items()),
        ]
        for n, row in rows.items()
    ]  # fmt: skip
    blind = any(row["blind"] for row in rows.values())
    note = "\\* the method does not use the head, so that it cannot react to its weights." if blind else ""
    lead = "Rank correlation with the map of the trained network, with weights randomized from the head down.\n\n"
    return lead + _table(head, body) + note + "\n"


def _stability(truth: GroundTruth) -> str:
    rows = truth.get("stability")
    if not rows:
        return ""
    body = [[_title(n), *(f"{row[k]:.2f}" for k in KINDS)] for n, row in rows.items()]
    return "Rank correlation of the map with the map of a changed picture, mapped back.\n\n" + _table(
        ["method", *KINDS], body
    )


def _title(name: str) -> str:
    return cam.METHODS[name].title if name in cam.METHODS else name


def _figure(figure: MeanInterval) -> str:
    value, low, high = figure
    return interval(value, low, high, bound_digits=3)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return table(head, body) + "\n"
