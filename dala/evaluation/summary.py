"""All figures of a cross-validated run as plain JSON: what `report.json` tells under "scores"."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from dala.evaluation import bootstrap, calibration, metrics
from dala.evaluation.predictions import Predictions

__all__ = ["by_patient", "calibrated", "confusion", "summary"]

OF_FOLDS = ("images", "patients", "auc", "balanced_accuracy", "accuracy")


def summary(predictions: Predictions, n: int = 1000) -> dict[str, Any]:
    """Figures of a run as plain JSON in four digits; undefined ones are None.

    Brier score, ECE and the probabilities of `by_patient` are calibrated, see `calibrated`; all else is of the logits
    as they are: a temperature changes no predicted class, and one for each fold would shuffle the ranking of pictures
    across folds, that AUC and average precision pool. Pooled over networks that differ, they may lie below those of
    the single folds.

    Args:
        predictions: of one or more partitions.
        n: resamples of the patients for the intervals.

    Returns:
        - `class_names`; `images`, `patients`, `slides`: distinct ones; `partitions`; `folds` of a partition;
        - `figures`: name -> [value, low, high], the mean over partitions and its 95 % interval over patients; low and
          high are None where the partitions hold out different pictures, which no resample can bring together;
        - `uncalibrated`: `brier` and `ece` at T = 1;
        - `temperatures`: of each partition's folds;
        - `by_partition`: `dala.evaluation.metrics.Report` of each;
        - `by_fold`: of each partition's folds `images`, `patients`, `auc`, `balanced_accuracy`, `accuracy`;
        - `by_magnification`: by name `images`, `patients` and `figures`; empty where none is known;
        - `by_patient`: see the function;
        - `confusion`: mean over partitions of the function's counts.

    Raises:
        MetricsError: fewer than one resample.
    """
    scaled, parts = calibrated(predictions), predictions.partitions()
    folds = [[_take(part, part.fold == k) for k in np.unique(part.fold)] for part in parts]
    before = [_report(part) for part in parts]
    whole = _figures(parts, scaled.partitions(), n)
    return {
        "class_names": list(predictions.class_names),
        "images": len(np.unique(predictions.picture)),
        "patients": len(np.unique(predictions.patient)),
        "slides": len(np.unique(predictions.slide)),
        "partitions": len(parts),
        "folds": max(map(len, folds)),
        "figures": whole,
        "uncalibrated": {k: _plain(np.mean([getattr(r, k) for r in before])) for k in ("brier", "ece")},
        "temperatures": _temperatures(predictions),
        "by_partition": [r.to_json() for r in before],
        "by_fold": [[{k: _report(fold).to_json()[k] for k in OF_FOLDS} for fold in part] for part in folds],
        "by_magnification": _by_magnification(predictions, scaled, whole, n),
        "by_patient": by_patient(scaled),
        "confusion": np.mean([confusion(part) for part in parts], axis=0).round(4).tolist(),
    }


def calibrated(predictions: Predictions) -> Predictions:
    """The same with logits over the temperature that `dala.evaluation.calibration.cross_fitted` fits on the other folds."""
    probabilities = calibration.cross_fitted(predictions)
    # A softmax of logarithms of probabilities is these probabilities; a logarithm of zero is no logit.
    return replace(predictions, logits=np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)))


def by_patient(predictions: Predictions) -> list[dict[str, Any]]:
    """One row for each patient, worst first.

    Returns:
        `patient`, `slides`, `label` (name of the class that most of the pictures have), `images`, `right` (share of the
        pictures that is classified right) and `probability` (mean of the true class), both over all partitions.
    """
    chances = predictions.probabilities()
    right = chances.argmax(1) == predictions.label
    own = chances[np.arange(len(chances)), predictions.label]
    rows = []
    for patient in np.unique(predictions.patient):
        mine = predictions.patient == patient
        rows.append(
            {
                "patient": str(patient),
                "slides": np.unique(predictions.slide[mine]).tolist(),
                "label": predictions.class_names[int(np.bincount(predictions.label[mine]).argmax())],
                "images": len(np.unique(predictions.picture[mine])),
                "right": _plain(right[mine].mean()),
                "probability": _plain(own[mine].mean()),
            }
        )
    return sorted(rows, key=lambda row: (row["right"], row["probability"], row["patient"]))


def confusion(predictions: Predictions) -> np.ndarray:
    """(classes, classes) counts of pictures, a row for each true class and a column for each predicted one."""
    counts = np.zeros((len(predictions.class_names),) * 2, int)
    np.add.at(counts, (predictions.label, predictions.logits.argmax(1)), 1)
    return counts


def _figures(parts: Sequence[Predictions], scaled: Sequence[Predictions], n: int) -> dict[str, list[float | None]]:
    raw, confident = _intervals(parts, n), _intervals(scaled, n)
    return {name: (confident if name in ("brier", "ece") else raw)[name] for name in metrics.FIGURES}


def _intervals(parts: Sequence[Predictions], n: int) -> dict[str, list[float | None]]:
    reports = [_report(part) for part in parts]
    means = {name: float(np.mean([getattr(r, name) for r in reports])) for name in metrics.FIGURES}
    first, bounds = parts[0], dict.fromkeys(metrics.FIGURES, (metrics.NAN, metrics.NAN))
    if all(np.array_equal(part.picture, first.picture) for part in parts):
        probabilities = np.stack([part.probabilities() for part in parts])
        bounds = bootstrap.intervals(first.label, probabilities, first.patient, n)
    return {name: [_plain(means[name]), *map(_plain, bounds[name])] for name in metrics.FIGURES}


def _temperatures(predictions: Predictions) -> list[list[float]]:
    result = []
    for k in np.unique(predictions.partition):
        part = _take(predictions, predictions.partition == k)
        folds = np.unique(part.fold)
        rest = [_take(part, part.fold != fold) for fold in folds] if len(folds) > 1 else []
        fitted = [
            calibration.temperature(r.logits, r.label, calibration.balanced_weights(r.label, r.patient)) for r in rest
        ]
        result.append([round(t, 4) for t in fitted] or [1.0])
    return result


def _by_magnification(
    predictions: Predictions, scaled: Predictions, whole: dict[str, list[float | None]], n: int
) -> dict[str, Any]:
    names = [str(name) for name in np.unique(predictions.magnification) if name]
    result = {}
    for name in sorted(names, key=lambda name: (len(name), name)):
        mine = predictions.magnification == name
        some = _take(predictions, mine)
        counts = {"images": len(np.unique(some.picture)), "patients": len(np.unique(some.patient))}
        figures = whole if mine.all() else _figures(some.partitions(), _take(scaled, mine).partitions(), n)
        result[name] = {**counts, "figures": figures}
    return result


def _take(predictions: Predictions, rows: np.ndarray) -> Predictions:
    names = [f.name for f in fields(Predictions) if f.name != "class_names"]
    return replace(predictions, **{name: getattr(predictions, name)[rows] for name in names})


def _report(part: Predictions) -> metrics.Report:
    return metrics.report(part.label, part.probabilities(), part.patient, part.slide)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
