"""The model card: a template (`card_template.md`) filled from the numbers of a report and the notes of `card.json`."""

import re
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from dala.hub.report import ClassifierRow, Report
from dala.hub.scores import Difference, Figures, Interval, Scores
from dala.markdown import interval, table, wrapped
from dala.publishing import card_sections, card_text
from dala.publishing.card_beside import Beside
from dala.publishing.card_notes import CardNotes
from dala.publishing.card_text import count, name

__all__ = ["card"]

TEMPLATE = Path(__file__).with_name("card_template.md")
COLUMNS = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "patient_auc": "AUC of patients",
    "patient_score": "patient score",
}
DIFFERENCES: dict[Literal["auc", "balanced_accuracy"], str] = {
    "auc": "Δ AUC",
    "balanced_accuracy": "Δ balanced accuracy",
}
# The Hub's names of metrics.
METRICS: dict[Literal["auc", "balanced_accuracy", "accuracy"], str] = {
    "auc": "roc_auc",
    "balanced_accuracy": "balanced_accuracy",
    "accuracy": "accuracy",
}
ALL_PATIENTS, WORST = 40, 10


def card(report: Report, notes: CardNotes | None = None, beside: Beside | None = None) -> str:
    """Render the model card as Markdown with the Hub's metadata, `model-index` included.

    Args:
        report: from `dala.publishing.run_report.assemble`; `beside`, `comparison`, `image_wise`, `choice` and
            `commands` are optional; a section without its key is left out.
        notes: from `dala.publishing.card_notes.read`: display names of runs, and sentences about initial weights and
            pictures.
        beside: from `dala.publishing.card_beside.read`: laboratories held out, and the rates of the shift check.
    """
    notes, beside = notes or CardNotes(), beside or Beside()
    scores, where = report["scores"], report["provenance"]
    others = report.get("beside", {})
    colour = next((run for run in others.values() if run["network"] == "colour"), None)
    sections: dict[str, Any] = {
        "title": _title(report, notes),
        "auc": _interval(scores["figures"]["auc"]),
        "colour_auc": _interval(colour["figures"]["auc"]) if colour else None,
        "overview": _overview(report),
        "results": _results(report, notes),
        "others": others,
        "choice": card_sections.choice(report),
        "ranked": card_sections.ranked(report),
        "laboratories": card_sections.laboratories(beside, notes),
        "expected": card_sections.expected(beside),
        "shift": card_sections.shift(beside),
        "single_failures": card_sections.failures(report, beside),
        "why": report.get("why", ""),
        "by_split": _by_split(report, notes),
        "by_fold": _by_fold(scores),
        "by_magnification": _by_magnification(scores),
        "calibration": _calibration(scores),
        "by_patient": _by_patient(scores),
        "worst": WORST if len(scores["by_patient"]) > ALL_PATIENTS else None,
        "limits": card_text.LIMITS,
        "start": card_text.start(where.get("start") or {}, notes),
        "commands": report.get("commands", []),
        **card_text.sentences(report, notes),
        "data": card_sections.data(report, notes, beside),
    }
    text = str(ModelCard.from_template(_metadata(report, notes), str(TEMPLATE), **sections))
    return wrapped(re.sub(r"\n{3,}", "\n\n", text).strip()) + "\n"


def _title(report: Report, notes: CardNotes) -> str:
    where = report["provenance"]
    magnification = f" at {where['magnification']}" if where.get("magnification") else ""
    return f"{name(report['title'], notes)} on {where.get('data', 'pictures')}{magnification}"


def _metadata(report: Report, notes: CardNotes) -> ModelCardData:
    where, scores = report["provenance"], report["scores"]
    data = str(where.get("data", "pictures"))
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=data.lower().replace(" ", "-"),
            dataset_name=data,
            dataset_config=where.get("magnification"),
            dataset_split=_split(report),
            metric_type=kind,
            metric_name=f"{COLUMNS[key]}, mean over {count(scores['partitions'], 'partition')}",
            metric_value=scores["figures"][key][0],
        )
        for key, kind in METRICS.items()
        if scores["figures"][key][0] is not None
    ]
    return ModelCardData(
        license="cc-by-nc-4.0",
        library_name="dala",
        pipeline_tag="image-classification",
        tags=["histopathology", "breast-cancer", "grad-cam"],
        model_name=_title(report, notes),
        eval_results=results or None,
    )


def _split(report: Report) -> str:
    given = f", as given by {report['given_split']}" if report.get("given_split") else ""
    return _made(report) + given


def _made(report: Report) -> str:
    scores = report["scores"]
    if report["protocol"] == "holdout":
        return "held-out patients"
    by = "image" if report["protocol"] == "image" else "patient"
    return f"by {by}, {count(scores['partitions'], 'partition')} into {count(scores['folds'], 'fold')}"


def _overview(report: Report) -> str:
    where, scores, settings = report["provenance"], report["scores"], report.get("settings", {})
    size = f"{settings['width']}×{settings['height']} px" if {"width", "height"} <= settings.keys() else "of any size"
    at = f" at {where['magnification']}" if where.get("magnification") else ""
    file = f"`model.safetensors`, matrices in fp16, vectors in fp32; SHA-256 `{report['sha256']}`"
    rows = {
        "input": f"RGB patch, {size}{at}; other sizes are scaled to the same area, aspect ratio kept",
        "output": f"logits of {', '.join(f'`{c}`' for c in scores['class_names'])}; for probabilities divided by the "
        f"temperature, {_number(report['temperature'])}",
        "file": file if report.get("sha256") else "none: only the networks of the folds were scored",
        "data": f"{count(where['images'], 'picture')} of {card_text.patients(where)} of "
        f"{where.get('data', 'pictures')}{at}{card_text.subset(where)}{card_text.also(where)}",
        "evaluation": f"{_split(report)}; listed in `splits/{report['protocol']}.json`",
        "recipe": f"`python -m dala train`, settings in `report.json`: {card_text.trained(settings)}",
    }
    return table(["", ""], [[key, text] for key, text in rows.items()])


def _results(report: Report, notes: CardNotes) -> str:
    others = report.get("beside", {})
    first = [f"**{name(report['title'], notes)}**", *_intervals(report["scores"]["figures"])]
    if not others:
        return table(["", *COLUMNS.values()], [first])
    rows = [[*first, *["–"] * len(DIFFERENCES)]]
    for title, run in others.items():
        tests = report["comparison"]["runs"][title]["difference"]
        rows.append(
            [name(title, notes), *_intervals(run["figures"]), *(_difference(tests[key]) for key in DIFFERENCES)]
        )
    return table(["", *COLUMNS.values(), *DIFFERENCES.values()], rows)


def _by_split(report: Report, notes: CardNotes) -> str | None:
    image = report.get("image_wise")
    if not image:
        return None
    colour = {t: r for t, r in report.get("beside", {}).items() if r["network"] == "colour"}
    sides: dict[str, dict[str, ClassifierRow]] = {
        "image": {image["title"]: image, **image["beside"]},
        "patient": {report["title"]: {"figures": report["scores"]["figures"]}, **colour},
    }
    rows = [
        [f"by {by}", name(title, notes), *_intervals(run["figures"])]
        for by, runs in sides.items()
        for title, run in runs.items()
    ]
    return table(["split", "", *COLUMNS.values()], rows)


def _by_fold(scores: Scores) -> str:
    rows = [
        [str(p), str(f), str(fold["images"]), str(fold["patients"]), *(_number(fold[k]) for k in METRICS)]
        for p, folds in enumerate(scores["by_fold"])
        for f, fold in enumerate(folds)
    ]
    return table(["partition", "fold", "pictures", "patients", *(COLUMNS[k] for k in METRICS)], rows)


def _by_magnification(scores: Scores) -> str | None:
    every = scores["by_magnification"]
    if len(every) < 2:
        return None
    rows = [[m, str(r["images"]), str(r["patients"]), *_intervals(r["figures"])] for m, r in every.items()]
    return table(["magnification", "pictures", "patients", *COLUMNS.values()], rows)


def _calibration(scores: Scores) -> str:
    before, after = scores["uncalibrated"], scores["figures"]
    rows = [
        ["T = 1", _number(before["ece"]), _number(before["brier"])],
        ["temperature scaled", _interval(after["ece"]), _interval(after["brier"])],
    ]
    return table(["", "ECE", "Brier"], rows)


def _by_patient(scores: Scores) -> str:
    every = scores["by_patient"]
    rows = [
        [
            row["patient"], row["label"], ", ".join(row["slides"]), str(row["images"]),
            _number(row["right"]), _number(row["probability"]),
        ]
        for row in (every if len(every) <= ALL_PATIENTS else every[:WORST])
    ]  # fmt: skip
    return table(
        ["patient", "class", "slides", "pictures", "classified correctly", "probability of the true class"], rows
    )


def _intervals(figures: Figures) -> list[str]:
    return [_interval(figures[key]) for key in COLUMNS]


def _interval(figure: Interval) -> str:
    value, low, high = figure
    return interval(value, low, high)


def _difference(difference: Difference) -> str:
    p = difference["p"]
    if p is None:
        return "–"
    text = interval(difference["value"], difference["low"], difference["high"], sign=True)
    return f"{text}, p {'≤' if p <= 0.001 else '='} {p:.3f}"


def _number(value: float | None) -> str:
    return interval(value, None, None)
