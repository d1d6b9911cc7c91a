"""The model card, written from the numbers of a report and nothing else."""

from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from dala.markdown import table, wrapped
from dala.publishing import card_text
from dala.publishing.card_text import count, name

__all__ = ["card"]

Json = dict[str, Any]
COLUMNS = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "patient_auc": "AUC of patients",
    "patient_score": "patient score",
}
DIFFERENCES = {"auc": "Δ AUC", "balanced_accuracy": "Δ balanced accuracy"}
# The Hub's names of metrics.
METRICS = {"auc": "roc_auc", "balanced_accuracy": "balanced_accuracy", "accuracy": "accuracy"}
ALL_PATIENTS, WORST = 40, 10


def card(report: Json) -> str:
    """The model card as Markdown with the Hub's metadata, `model-index` included.

    Args:
        report: as `dala.publishing.run_report.assemble` returns it; of `beside`, `comparison`, `image_wise`, `choice` and
            `commands` those that are there are told.
    """
    sections = [
        f"---\n{_metadata(report).to_yaml().strip()}\n---",
        f"# {_title(report)}",
        _opening(report),
        _overview(report),
        card_text.INTENDED,
        _results(report),
        _by_protocol(report),
        _by_fold(report["scores"]),
        _by_magnification(report["scores"]),
        _calibration(report),
        _failures(report["scores"]),
        card_text.LIMITS,
        card_text.scale(report),
        card_text.terms(report),
        _commands(report),
        card_text.CITATION
        if report["provenance"].get("data") != "BreakHis"
        else f"{card_text.CITATION}\n{card_text.BREAKHIS}",
    ]
    return "\n\n".join(wrapped(section) for section in sections if section) + "\n"


def _title(report: Json) -> str:
    where = report["provenance"]
    at = f" at {where['magnification']}" if where.get("magnification") else ""
    return f"{name(report['title'])} on {where.get('data', 'pictures')}{at}"


def _metadata(report: Json) -> ModelCardData:
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
        model_name=_title(report),
        eval_results=results or None,
    )


def _split(report: Json) -> str:
    scores = report["scores"]
    if report["protocol"] == "holdout":
        return "held-out patients"
    by = "image" if report["protocol"] == "image" else "patient"
    return f"by {by}, {count(scores['partitions'], 'partition')} into {count(scores['folds'], 'fold')}"


def _opening(report: Json) -> str:
    colour = next((r for r in report.get("beside", {}).values() if r["network"] == "colour"), None)
    told = _cell(report["scores"]["figures"]["auc"])
    beside = f" Colour alone reaches {_cell(colour['figures']['auc'])}." if colour else ""
    names = report["scores"]["class_names"]
    classes = f"{names[0]} from {names[1]}" if len(names) == 2 else f"{len(names)} classes apart"
    who = "pictures" if report["protocol"] == "image" else "patients"
    return (
        f"**For research and teaching, not for diagnosis.** It tells {classes} in {who} that it never saw with "
        f"an AUC of {told} (in brackets: 95 % interval).{beside}"
    )


def _overview(report: Json) -> str:
    where, scores, settings = report["provenance"], report["scores"], report.get("settings", {})
    size = f"{settings['width']}×{settings['height']} px" if {"width", "height"} <= settings.keys() else "of any size"
    at = f" at {where['magnification']}" if where.get("magnification") else ""
    file = f"`model.safetensors`, matrices in fp16, vectors in fp32; SHA-256 `{report['sha256']}`"
    rows = {
        "input": f"RGB patch, {size}{at}; other sizes are scaled to the same area, aspect ratio kept",
        "output": f"logits of {', '.join(f'`{c}`' for c in scores['class_names'])}; for probabilities divided by the "
        f"temperature, {_number(report['temperature'])}",
        "file": file if report.get("sha256") else "none: networks of the folds alone were scored",
        "data": f"{count(where['images'], 'picture')} of {count(where['patients'], 'patient')} of "
        f"{where.get('data', 'pictures')}{at}{card_text.subset(where)}{card_text.also(where)}",
        "scored by": f"{_split(report)}; listed in `splits/{report['protocol']}.json`",
        "recipe": f"`python -m dala train`, settings in `report.json`: {card_text.trained(settings)}",
    }
    return table(["", ""], [[key, text] for key, text in rows.items()])


def _results(report: Json) -> str:
    beside = report.get("beside", {})
    comparison = report.get("comparison", {"runs": {}, "resamples": report.get("resamples", 1000)})
    rows = [[f"**{name(report['title'])}**", *_cells(report["scores"]["figures"]), *["–"] * len(DIFFERENCES)]]
    for title, run in beside.items():
        tests = comparison["runs"][title]["difference"]
        rows.append([name(title), *_cells(run["figures"]), *(_test(tests[key]) for key in DIFFERENCES)])
    columns = len(COLUMNS) + (len(DIFFERENCES) if beside else 0) + 1
    head = ["", *COLUMNS.values(), *DIFFERENCES.values()][:columns]
    notes = [card_text.reading(report)]
    if beside:
        notes.append(card_text.DIFFERENCE)
    results = table(head, [row[:columns] for row in rows])
    return "\n\n".join(
        [
            "## How it does on what it did not see",
            card_text.protocol(report),
            results,
            " ".join(notes),
            "![ROC curves](roc.png)",
            _choice(report),
        ]
    ).strip()


def _choice(report: Json) -> str:
    if not report.get("choice"):
        return ""
    rows = [
        [
            title + (" (chosen)" if run["chosen"] else ""),
            ", ".join(f"`{k}={v}`" for k, v in run["settings"].items()) or "–",
            *(_cell(run["figures"][key]) for key in ("auc", "balanced_accuracy")),
        ]
        for title, run in report["choice"].items()
    ]
    told = table(["candidate", "differs in", "AUC", "balanced accuracy"], rows)
    why = f"\n\n{report['why']}" if report.get("why") else ""
    return f"### How the recipe was chosen\n\n{card_text.CHOICE}\n\n{told}{why}"


def _by_protocol(report: Json) -> str:
    image = report.get("image_wise")
    if not image:
        return "![Figures with 95 % intervals; dotted: chance](protocols.png)" if report.get("beside") else ""
    colour = {t: r for t, r in report.get("beside", {}).items() if r["network"] == "colour"}
    sides = {
        "image": {image["title"]: image, **image["beside"]},
        "patient": {report["title"]: {"figures": report["scores"]["figures"]}, **colour},
    }
    rows = [
        [f"by {by}", name(title), *_cells(run["figures"])] for by, row in sides.items() for title, run in row.items()
    ]
    told = table(["split", "", *COLUMNS.values()], rows)
    return (
        f"## Dealt out by image, and by patient\n\n{told}\n\n{card_text.leakage(report)}\n\n"
        "![Figures under both splits with 95 % intervals; dotted: chance](protocols.png)"
    )


def _by_fold(scores: Json) -> str:
    rows = [
        [str(p), str(f), str(fold["images"]), str(fold["patients"]), *(_number(fold[k]) for k in list(METRICS))]
        for p, folds in enumerate(scores["by_fold"])
        for f, fold in enumerate(folds)
    ]
    head = ["partition", "fold", "pictures", "patients", *(COLUMNS[k] for k in METRICS)]
    return f"## By fold\n\n{table(head, rows)}\n\n{card_text.FOLDS}"


def _by_magnification(scores: Json) -> str:
    every = scores["by_magnification"]
    if len(every) < 2:
        return ""
    rows = [[m, str(r["images"]), str(r["patients"]), *_cells(r["figures"])] for m, r in every.items()]
    told = table(["magnification", "pictures", "patients", *COLUMNS.values()], rows)
    return f"## By magnification\n\n{told}"


def _calibration(report: Json) -> str:
    scores = report["scores"]
    before, after = scores["uncalibrated"], scores["figures"]
    rows = [
        ["T = 1", _number(before["ece"]), _number(before["brier"])],
        ["temperature scaled", _cell(after["ece"]), _cell(after["brier"])],
    ]
    fitted = [t for part in scores["temperatures"] for t in part]
    return (
        f"## Calibration\n\n{table(['', 'ECE', 'Brier'], rows)}\n\n"
        f"{card_text.calibration(min(fitted), max(fitted), len(fitted), report)}\n\n![Reliability diagram](reliability.png)"
    )


def _failures(scores: Json) -> str:
    every = scores["by_patient"]
    shown = every if len(every) <= ALL_PATIENTS else every[:WORST]
    ends = "" if len(shown) == len(every) else f" The {WORST} worst:"
    columns = ("patient", "label", "slides", "images", "right", "probability")
    rows = [[_told(row[key]) for key in columns] for row in shown]
    told = table(["patient", "class", "slides", "pictures", "classified right", "probability of the class"], rows)
    return (
        f"## What fails\n\n{card_text.failures(scores)}\n\n![Confusion matrix](confusion.png)\n\n"
        f"### By patient\n\nShares of pictures and mean probabilities, over all partitions.{ends}\n\n{told}"
    )


def _commands(report: Json) -> str:
    commands = report.get("commands")
    if not commands:
        return ""
    lines = "\n".join(f"    {line}" for line in commands)
    return f"## Make it again\n\nEvery figure here stands in `report.json`, which these write:\n\n{lines}"


def _cells(figures: Json) -> list[str]:
    return [_cell(figures[key]) for key in COLUMNS]


def _cell(figure: list[float | None]) -> str:
    value, low, high = figure
    if value is None or low is None or high is None:
        return _number(value)
    return f"{value:.3f} [{low:.2f}, {high:.2f}]"


def _test(difference: Json) -> str:
    if difference["p"] is None:
        return "–"
    value, low, high, p = (difference[k] for k in ("value", "low", "high", "p"))
    return f"{value:+.3f} [{low:+.2f}, {high:+.2f}], p {'≤' if p <= 0.001 else '='} {p:.3f}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)
