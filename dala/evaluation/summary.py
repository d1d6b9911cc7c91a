"""Summary of a cross-validated run: the key "scores" of `report.json`."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dala.evaluation import bootstrap, calibration, metrics
from dala.evaluation.predictions import Predictions
from dala.hub.scores import FailureRow, Figures, FoldRow, MagnificationRow, PatientRow, Scores

__all__ = ["by_patient", "calibrated", "confusion", "failures", "summary", "without_patients"]


def summary(predictions: Predictions, n: int = 1000) -> Scores:
    """Summarize a run as plain JSON in four digits; undefined numbers are None.

    Brier score, ECE and the probabilities of `by_patient` are calibrated, see `calibrated`; everything else uses the
    logits as they are. A temperature changes no predicted class, but one for each fold would reorder pictures across
    folds, which AUC and average precision pool. As the networks of the folds differ, the pooled AUC may be below that
    of each fold.

    Args:
        predictions: of one or more partitions.
        n: bootstrap resamples of the patients.

    Raises:
        MetricsError: fewer than one resample.
    """
    scaled, parts = calibrated(predictions), predictions.partitions()
    folds = [[part.take(part.fold == k) for k in np.unique(part.fold)] for part in parts]
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
        "by_fold": [[_fold_row(_report(fold)) for fold in part] for part in folds],
        "by_magnification": _by_magnification(predictions, scaled, whole, n),
        "by_patient": by_patient(scaled),
        "failures": failures(scaled),
        "confusion": np.mean([confusion(part) for part in parts], axis=0).round(4).tolist(),
    }


def without_patients(scores: Scores) -> Scores:
    """Take away what is only true of patients, where each picture counted as one because they are not known."""
    undefined: list[float | None] = [None, None, None]
    whole = {name: undefined if name.startswith("patient_") else v for name, v in scores["figures"].items()}
    result: Scores = {**scores, "patients": None, "figures": whole, "by_patient": []}
    result.pop("slides", None)
    return result


def calibrated(predictions: Predictions) -> Predictions:
    """Divide logits by the temperature that `dala.evaluation.calibration.cross_fitted` fits on the other folds."""
    probabilities = calibration.cross_fitted(predictions)
    # The softmax of log probabilities gives these probabilities back; the logarithm of zero is not finite.
    return replace(predictions, logits=np.log(np.maximum(probabilities, np.finfo(np.float64).tiny)))


def by_patient(predictions: Predictions) -> list[PatientRow]:
    """Score each patient over all partitions; one row each, worst first."""
    probabilities = predictions.probabilities()
    right = probabilities.argmax(1) == predictions.label
    of_label = probabilities[np.arange(len(probabilities)), predictions.label]
    rows: list[PatientRow] = []
    for patient in np.unique(predictions.patient):
        inside = predictions.patient == patient
        rows.append(
            {
                "patient": str(patient),
                "slides": np.unique(predictions.slide[inside]).tolist(),
                "label": predictions.class_names[int(np.bincount(predictions.label[inside]).argmax())],
                "images": len(np.unique(predictions.picture[inside])),
                "right": round(float(right[inside].mean()), 4),
                "probability": round(float(of_label[inside].mean()), 4),
            }
        )
    return sorted(rows, key=lambda row: (row["right"], row["probability"], row["patient"]))


def failures(predictions: Predictions, most: int = 8) -> list[FailureRow]:
    """List the pictures that are most confidently classified wrong, one of each patient, the worst first.

    Args:
        predictions: of one or more partitions, over which the probabilities of a picture are averaged.
        most: pictures to list.
    """
    parts = predictions.partitions()
    same = all(np.array_equal(part.picture, parts[0].picture) for part in parts)
    # Partitions that hold out different pictures have no common rows to average.
    first = parts[0] if same else predictions
    means = np.mean([part.probabilities() for part in parts], axis=0) if same else predictions.probabilities()
    predicted, sure = means.argmax(1), means.max(1)
    rows: dict[str, FailureRow] = {}
    for k in np.lexsort((first.picture, -sure)):
        patient = str(first.patient[k])
        if predicted[k] != first.label[k] and patient not in rows:
            rows[patient] = {
                "picture": str(first.picture[k]),
                "patient": patient,
                "label": predictions.class_names[int(first.label[k])],
                "predicted": predictions.class_names[int(predicted[k])],
                "probability": round(float(sure[k]), 4),
            }
    return list(rows.values())[:most]


def confusion(predictions: Predictions) -> np.ndarray:
    """Count pictures: (classes, classes), a row for each true class and a column for each predicted one."""
    counts = np.zeros((len(predictions.class_names),) * 2, int)
    np.add.at(counts, (predictions.label, predictions.logits.argmax(1)), 1)
    return counts


def _fold_row(report: metrics.Report) -> FoldRow:
    return {
        "images": report.images,
        "patients": report.patients,
        "auc": _plain(report.auc),
        "balanced_accuracy": _plain(report.balanced_accuracy),
        "accuracy": _plain(report.accuracy),
    }


def _figures(parts: Sequence[Predictions], scaled: Sequence[Predictions], n: int) -> Figures:
    raw, after = _intervals(parts, n), _intervals(scaled, n)
    return {name: (after if name in ("brier", "ece") else raw)[name] for name in metrics.FIGURES}


def _intervals(parts: Sequence[Predictions], n: int) -> Figures:
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
        part = predictions.take(predictions.partition == k)
        folds = np.unique(part.fold)
        rest = [part.take(part.fold != fold) for fold in folds] if len(folds) > 1 else []
        fitted = [
            calibration.temperature(r.logits, r.label, calibration.balanced_weights(r.label, r.patient)) for r in rest
        ]
        result.append([round(t, 4) for t in fitted] or [1.0])
    return result


def _by_magnification(
    predictions: Predictions, scaled: Predictions, whole: Figures, n: int
) -> dict[str, MagnificationRow]:
    names = [str(name) for name in np.unique(predictions.magnification) if name]
    result: dict[str, MagnificationRow] = {}
    for name in sorted(names, key=lambda name: (len(name), name)):
        inside = predictions.magnification == name
        part = predictions.take(inside)
        result[name] = {
            "images": len(np.unique(part.picture)),
            "patients": len(np.unique(part.patient)),
            "figures": whole if inside.all() else _figures(part.partitions(), scaled.take(inside).partitions(), n),
        }
    return result


def _report(part: Predictions) -> metrics.Report:
    return metrics.report(part.label, part.probabilities(), part.patient, part.slide)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
