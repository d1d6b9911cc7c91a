"""One report from labels and probabilities, for training, evaluation, comparison and the card."""

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
    """Labels, probabilities and patients that do not belong together."""


@dataclass(frozen=True)
class Scores:
    """Figures of a classifier under one weighting of the pictures; nan where the labels do not define one.

    All lie in [0, 1] but Brier's score of more than two classes, in [0, 2]. Higher is better but for `brier` and `ece`.
    Means over classes are over those that have pictures.

    Attributes:
        auc: area under the ROC curve, of the last class for two classes, one-vs-rest macro for more.
        average_precision: of the last class for two classes, macro for more.
        balanced_accuracy: mean of the classes' recalls.
        precision: macro; 0 for a class that is never predicted.
        precision_per_class: one for each class.
        recall: one for each class.
        specificity: of the last class for two classes, macro for more.
        f1: macro.
        gmean: geometric mean of the classes' recalls (Kubat and Matwin 1997).
        iba: index of balanced accuracy, alpha 0.1, of the squared geometric mean of sensitivity and specificity, mean
            over classes (Garcia et al. 2009).
        brier: squared error of the last class's probability for two classes, summed over classes for more.
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
    """What `report` gives: its own figures weigh every picture the same.

    Attributes:
        images, patients, slides: how many there are; slides is None where no slide ids were given.
        by_patient: the figures where every patient weighs the same, and in one every picture.
        patient_auc: AUC of the patients, scored by the mean of their pictures' probabilities.
        patient_score: mean over patients of the share of their pictures that is classified right (Spanhol et al. 2016).
        slide_score: the same over slides; nan where no slide ids were given.
        patients_right: number of patients whose mean probability is highest for their class.
        patient_accuracy: their share.
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

    @property
    def by_image(self) -> Scores:
        """The figures where every picture weighs the same: the report itself."""
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain JSON in four digits, undefined figures null; those of `by_image` lie flat beside the counts."""
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
    """Figures of a classifier on scored pictures, by picture and by patient.

    A patient's label is that of most of the pictures.

    Args:
        labels: (n,) class indices.
        probabilities: (n, classes), rows sum to 1.
        patients: (n,) ids.
        slides: (n,) ids of the slides the pictures come from, where known.

    Raises:
        MetricsError: no pictures, shapes that do not agree, or a label that is no class.
    """
    labels, probabilities, who = checked(labels, probabilities, patients)
    if len(probabilities) != 1:
        raise MetricsError("A report is of one partition.")
    right = probabilities[0].argmax(1) == labels
    means = who.mean(probabilities[0])
    patients_right = means.argmax(1) == who.labels
    return Report(
        **asdict(_scores(labels, probabilities[0], np.ones(len(labels)))),
        images=len(labels),
        patients=len(who.labels),
        slides=None if slides is None else len(np.unique(slides)),
        by_patient=_scores(labels, probabilities[0], 1 / who.count[who.index]),
        patient_auc=_auc(who.labels, means),
        patient_score=float(who.mean(right).mean()),
        slide_score=NAN if slides is None else float(Patients(labels, slides).mean(right).mean()),
        patients_right=int(patients_right.sum()),
        patient_accuracy=float(patients_right.mean()),
    )


def figures(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray) -> dict[str, float]:
    """The `FIGURES` of `report`, each the mean over partitions; arguments as in `intervals`."""
    labels, partitions, _ = checked(labels, probabilities, patients)
    reports = [report(labels, p, patients) for p in partitions]
    return {name: float(np.mean([getattr(r, name) for r in reports])) for name in FIGURES}


class Patients:
    """Whose the pictures are: `index` (n,) into the sorted ids; `count` of pictures and `labels` (k,) of the ids."""

    def __init__(self, labels: np.ndarray, patients: np.ndarray) -> None:
        _, self.index, self.count = np.unique(patients, return_inverse=True, return_counts=True)
        self.labels = np.array([np.bincount(labels[self.index == k]).argmax() for k in range(len(self.count))])

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) values of pictures to (k, ...) means of patients."""
        return np.stack([values[self.index == k].mean(0) for k in range(len(self.count))])


def checked(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Patients]:
    """Labels (n,), probabilities (partitions, n, classes) and patients; MetricsError if they do not belong together."""
    labels, partitions = np.asarray(labels), np.asarray(probabilities, np.float64)
    partitions = partitions[None] if partitions.ndim == 2 else partitions
    if partitions.ndim != 3 or not partitions.size or not len(labels):
        raise MetricsError("There are no pictures to score.")
    if not len(labels) == partitions.shape[1] == len(patients):
        raise MetricsError(
            f"{len(labels)} labels, {partitions.shape[1]} rows of probabilities and {len(patients)} patients "
            "do not belong together."
        )
    if labels.min() < 0 or labels.max() >= partitions.shape[2]:
        raise MetricsError(f"A label is outside 0 to {partitions.shape[2] - 1}.")
    return labels, partitions, Patients(labels, patients)


def ranked(classes: int) -> np.ndarray:
    """Classes that a ranking is of: of two the last says it all, more are taken one against the rest."""
    return np.arange(classes) if classes > 2 else np.array([1])


def _scores(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> Scores:
    predicted, classes = probabilities.argmax(1), probabilities.shape[1]
    # A class that no picture has is no part of a mean over classes.
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
