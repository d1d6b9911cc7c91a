"""Scores of a recipe on a laboratory: AUC, balanced accuracy and the share called malignant, with intervals."""

import numpy as np

from dala.evaluation import bootstrap, metrics
from dala.evaluation.predictions import Predictions
from dala.hub.laboratories import Kind, Laboratory, LaboratoryScore
from dala.hub.scores import Interval

__all__ = ["FEW", "describe", "same_pictures", "score"]

# Below this number of patients a bootstrap says nothing about new ones: 3 patients have 10 resamples that differ.
FEW = 5
# Pictures of each class that an AUC within one patient needs.
LEAST = 5


def score(predictions: Predictions, n: int = 1000) -> LaboratoryScore:
    """Score predictions on one laboratory, in four digits.

    Args:
        predictions: of one or more partitions, whose scores are averaged.
        n: bootstrap resamples of the patients.

    Returns:
        the scores; without intervals where there are fewer than `FEW` patients, and AUC and balanced accuracy
        undefined where there is one class.

    Raises:
        MetricsError: fewer than one resample.
    """
    parts = predictions.partitions()
    first, probabilities = parts[0], np.stack([part.probabilities() for part in parts])
    labels, patients = first.label, first.patient
    last = len(predictions.class_names) - 1
    called = bootstrap.class_mean_interval(labels, probabilities.argmax(2) == last, patients, n)
    few, one_class = len(np.unique(patients)) < FEW, len(np.unique(labels)) == 1
    undefined: Interval = [None, None, None]
    result: LaboratoryScore = {"auc": undefined, "balanced_accuracy": undefined, "called": _interval(*called, few)}
    if not one_class:
        values = metrics.figures(labels, probabilities, patients)
        bounds = {} if few else bootstrap.intervals(labels, probabilities, patients, n)
        missing = (metrics.NAN, metrics.NAN)
        result["auc"] = _interval(values["auc"], *bounds.get("auc", missing), few)
        result["balanced_accuracy"] = _interval(
            values["balanced_accuracy"], *bounds.get("balanced_accuracy", missing), few
        )
    if few and not one_class and (within := _by_group(labels, probabilities, patients)):
        result["by_group"] = within
    return result


def describe(predictions: Predictions, title: str, kind: Kind) -> Laboratory:
    """Describe the pictures that were scored, and what they cannot show."""
    first = predictions.partitions()[0]
    groups, names = len(np.unique(first.patient)), predictions.class_names
    by_picture = groups == len(first.picture)
    classes = {name: int((first.label == k).sum()) for k, name in enumerate(names)}
    notes = []
    if sum(count > 0 for count in classes.values()) == 1:
        notes.append("One class alone: there is no AUC and no balanced accuracy.")
    if groups < FEW:
        notes.append(f"{groups} {'pictures' if by_picture else 'patients'} are too few for an interval.")
    elif by_picture:
        notes.append("The patients are not known, so intervals resample pictures and are too narrow.")
    return {
        "title": title,
        "kind": kind,
        "by": "picture" if by_picture else "patient",
        "pictures": len(first.picture),
        "groups": groups,
        "classes": classes,
        "notes": notes,
    }


def same_pictures(one: Predictions, other: Predictions) -> bool:
    """Whether two runs scored the same pictures with the same classes and labels."""
    a, b = one.partitions()[0], other.partitions()[0]
    return (
        one.class_names == other.class_names
        and np.array_equal(a.picture, b.picture)
        and np.array_equal(a.label, b.label)
    )


def _by_group(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray) -> dict[str, float]:
    """AUC within each patient that has `LEAST` pictures of every class."""
    result = {}
    for patient in np.unique(patients):
        inside = patients == patient
        if np.bincount(labels[inside], minlength=probabilities.shape[2]).min() >= LEAST:
            value = metrics.figures(labels[inside], probabilities[:, inside], patients[inside])["auc"]
            result[str(patient)] = round(value, 4)
    return result


def _interval(value: float, low: float, high: float, few: bool) -> Interval:
    bounds = [None if few or np.isnan(bound) else round(bound, 4) for bound in (low, high)]
    return [None if np.isnan(value) else round(value, 4), *bounds]
