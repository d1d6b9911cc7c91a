"""Metrics of a classifier from labels and probabilities, by picture and by patient."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from imblearn.metrics import geometric_mean_score, make_index_balanced_accuracy, specificity_score
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from dala.errors import DalaError
from dala.evaluation.calibration import expected_calibration_error

__all__ = ["FIGURES", "MetricsError", "Patients", "Report", "Scores", "checked", "figures", "ranked", "report"]

FIGURES = ("auc", "balanced_accuracy", "accuracy", "average_precision", "brier", "ece", "patient_auc", "patient_score")
NAN = float("nan")
_iba = make_index_balanced_accuracy(alpha=0.1, squared=True)(geometric_mean_score)


class MetricsError(DalaError):
    """Labels, probabilities and patients that do not fit together."""


@dataclass(frozen=True)
class Scores:
    """Metrics of a classifier under one weighting of the pictures; nan where undefined.

    All are in [0, 1], except the Brier score of more than two classes, in [0, 2]. Higher is better, except for `brier`
    and `ece`. Means over classes use the classes that have pictures.

    Attributes:
        auc: area under the ROC curve, of the last of two classes, one-vs-rest macro for more.
        average_precision: of the last of two classes, macro for more.
        balanced_accuracy: mean recall of the classes.
        precision: macro; 0 for a class that is never predicted.
        precision_per_class: one for each class.
        recall: one for each class.
        specificity: of the last of two classes, macro for more.
        f1: macro.
        gmean: geometric mean of the recalls (Kubat and Matwin 1997).
        iba: index of balanced accuracy, alpha 0.1, of the squared geometric mean of sensitivity and specificity, mean
            over classes (Garcia et al. 2009).
        brier: squared error of the probability of the last of two classes, summed over classes for more.
        ece: expected calibration error, see `dala.evaluation.calibration.expected_calibration_error`.
    """

    auc: float
    average_precision: float
    accuracy: float
    balanced_accuracy: float
    precision: float
    precision_per_class: list[float]
    recall: list[float]
    specificity: float
    f1: float
    gmean: float
    iba: float
    brier: float
    ece: float


@dataclass(frozen=True)
class Report(Scores):
    """Result of `report`; its own metrics give every picture the same weight.

    Attributes:
        images, patients, slides: counts; slides is None without slide ids.
        by_patient: metrics with the same weight for every patient, and within a patient for every picture.
        patient_auc: AUC of patients, scored by the mean probabilities of their pictures.
        patient_score: mean over patients of the share of correctly classified pictures (Spanhol et al. 2016).
        slide_score: the same over slides; nan without slide ids.
        patients_right: number of patients whose mean probability is highest for their class.
        patient_accuracy: share of these patients.
    """

    images: int
    patients: int
    slides: int | None
    by_patient: Scores
    patient_auc: float
    patient_score: float
    slide_score: float
    patients_right: int
    patient_accuracy: float

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON in four digits; undefined numbers are None."""
        return {k: _plain(v) for k, v in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 4)
    return value


def report(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, slides: np.ndarray | None = None
) -> Report:
    """Compute all metrics, by picture and by patient; the label of a patient is that of most pictures.

    Args:
        labels: (n,) class indices.
        probabilities: (n, classes), rows sum to 1.
        patients: (n,) ids.
        slides: (n,) slide ids, if known.

    Raises:
        MetricsError: no pictures, shapes that do not agree, or a label that is not a class index.
    """
    labels, probabilities, groups = checked(labels, probabilities, patients)
    if len(probabilities) != 1:
        raise MetricsError("A report needs the probabilities of one partition, not of several.")
    right = probabilities[0].argmax(1) == labels
    means = groups.mean(probabilities[0])
    patients_right = means.argmax(1) == groups.labels
    return Report(
        **asdict(_scores(labels, probabilities[0], np.ones(len(labels)))),
        images=len(labels),
        patients=len(groups.labels),
        slides=None if slides is None else len(np.unique(slides)),
        by_patient=_scores(labels, probabilities[0], 1 / groups.count[groups.index]),
        patient_auc=_auc(groups.labels, means),
        patient_score=float(groups.mean(right).mean()),
        slide_score=NAN if slides is None else float(Patients(labels, slides).mean(right).mean()),
        patients_right=int(patients_right.sum()),
        patient_accuracy=float(patients_right.mean()),
    )


def figures(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray) -> dict[str, float]:
    """Compute the `FIGURES` of `report` as means over partitions; arguments as in `bootstrap.intervals`."""
    labels, partitions, _ = checked(labels, probabilities, patients)
    reports = [report(labels, p, patients) for p in partitions]
    return {name: float(np.mean([getattr(r, name) for r in reports])) for name in FIGURES}


class Patients:
    """Pictures by patient: `index` (n,) into the k sorted ids, and `count` of pictures and `labels` (k,) of the ids."""

    def __init__(self, labels: np.ndarray, patients: np.ndarray) -> None:
        _, self.index, self.count = np.unique(patients, return_inverse=True, return_counts=True)
        self.labels = np.array([np.bincount(labels[self.index == k]).argmax() for k in range(len(self.count))])

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Average values (n, ...) of pictures to means (k, ...) of patients."""
        return np.stack([values[self.index == k].mean(0) for k in range(len(self.count))])


def checked(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Patients]:
    """Return labels (n,), probabilities (partitions, n, classes) and patients.

    Raises:
        MetricsError: they do not fit together.
    """
    labels, partitions = np.asarray(labels), np.asarray(probabilities, np.float64)
    partitions = partitions[None] if partitions.ndim == 2 else partitions
    if partitions.ndim != 3 or not partitions.size or not len(labels):
        raise MetricsError("There are no pictures to score.")
    if not len(labels) == partitions.shape[1] == len(patients):
        raise MetricsError(
            f"{len(labels)} labels, {partitions.shape[1]} rows of probabilities and {len(patients)} patients "
            "do not fit together; give one of each for every picture."
        )
    if labels.min() < 0 or labels.max() >= partitions.shape[2]:
        raise MetricsError(f"A label is outside 0 to {partitions.shape[2] - 1}.")
    return labels, partitions, Patients(labels, patients)


def ranked(classes: int) -> np.ndarray:
    """Return the classes that ranking metrics use: the last of two, each of more (one-vs-rest)."""
    return np.arange(classes) if classes > 2 else np.array([1])


def _scores(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> Scores:
    predicted, classes = probabilities.argmax(1), probabilities.shape[1]
    # Means over classes use only the classes that have pictures.
    present, rest = np.unique(labels), ranked(classes)
    several = len(present) > 1
    # imbalanced-learn counts true negatives from the number of rows: the weights have to add up to it.
    weights = weights * (len(labels) / weights.sum())
    w: dict[str, Any] = {"sample_weight": weights}
    each = precision_recall_fscore_support(labels, predicted, labels=np.arange(classes), zero_division=0, **w)
    precision, recall, f1 = each[:3]
    absent = ~np.isin(np.arange(classes), present)
    negatives = [c for c in (present if classes > 2 else rest) if (labels != c).any()]
    specificity = specificity_score(labels, predicted, average="macro", labels=negatives, **w) if negatives else NAN
    return Scores(
        auc=_auc(labels, probabilities, weights),
        average_precision=_average_precision(labels, probabilities, weights),
        accuracy=float(accuracy_score(labels, predicted, **w)),
        # balanced_accuracy_score is this mean, but warns where a class without pictures is predicted.
        balanced_accuracy=float(recall[present].mean()),
        precision=float(precision[present].mean()),
        precision_per_class=np.where(absent, NAN, precision).tolist(),
        recall=np.where(absent, NAN, recall).tolist(),
        specificity=float(specificity),
        f1=float(f1[present].mean()),
        gmean=float(geometric_mean_score(labels, predicted, average="multiclass", labels=present, **w)),
        iba=float(np.mean(_iba(labels, predicted, average=None, labels=present, **w))) if several else NAN,
        brier=float(sum(brier_score_loss(labels == c, probabilities[:, c], pos_label=True, **w) for c in rest)),
        ece=expected_calibration_error(labels, probabilities, weights),
    )


def _auc(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None) -> float:
    if len(np.unique(labels)) < probabilities.shape[1]:
        return NAN
    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return float(roc_auc_score(labels, scores, multi_class="ovr", average="macro", sample_weight=weights))


def _average_precision(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> float:
    present = np.unique(labels)
    if len(present) < 2:
        return NAN
    rows = [c for c in ranked(probabilities.shape[1]) if c in present]
    return float(
        np.mean([average_precision_score(labels == c, probabilities[:, c], sample_weight=weights) for c in rows])
    )
