"""One report from labels and scores, for training, evaluation and the model card."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from imblearn.metrics import geometric_mean_score, make_index_balanced_accuracy
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score, roc_auc_score

__all__ = ["Report", "report"]


@dataclass(frozen=True)
class Report:
    """Figures of a classifier on scored pictures, all in [0, 1] but the counts; see `report`."""

    images: int
    patients: int
    auc: float
    patient_auc: float
    accuracy: float
    balanced_accuracy: float
    f1: float
    gmean: float
    iba: float
    recall: list[float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, rounded to four digits; an AUC that is not defined (a class without pictures) is null."""
        rounded = {k: np.round(v, 4).tolist() if isinstance(v, float | list) else v for k, v in asdict(self).items()}
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in rounded.items()}


def report(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray) -> Report:
    """Figures of a classifier through scikit-learn and imbalanced-learn.

    AUC is of the last class for two classes, and one-vs-rest macro for more. F1 is macro. GMean is the geometric mean
    of the classes' recalls. IBA is the index of balanced accuracy with alpha 0.1 of the squared geometric mean of
    sensitivity and specificity (Garcia et al. 2009), the mean over classes. A patient's score is the mean of his or
    her pictures' probabilities, the label that of most of them.

    Args:
        labels: (n,) class indices.
        probabilities: (n, classes), rows sum to 1.
        patients: (n,) any hashable id.
    """
    predicted = probabilities.argmax(1)
    classes = np.arange(probabilities.shape[1])
    ids = np.unique(patients)
    by_patient = np.stack([probabilities[patients == p].mean(0) for p in ids])
    patient_labels = np.array([np.bincount(labels[patients == p]).argmax() for p in ids])
    # A class that no picture has is no part of a mean over classes.
    present = np.unique(labels)
    iba = make_index_balanced_accuracy(alpha=0.1, squared=True)(geometric_mean_score)
    return Report(
        images=len(labels),
        patients=len(ids),
        auc=_auc(labels, probabilities),
        patient_auc=_auc(patient_labels, by_patient),
        accuracy=float(accuracy_score(labels, predicted)),
        balanced_accuracy=float(balanced_accuracy_score(labels, predicted)),
        f1=float(f1_score(labels, predicted, average="macro", labels=classes, zero_division=0)),
        gmean=float(geometric_mean_score(labels, predicted, average="multiclass", labels=present)),
        iba=float(np.mean(iba(labels, predicted, average=None, labels=present))),
        recall=recall_score(labels, predicted, average=None, labels=classes, zero_division=0).tolist(),
    )


def _auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    if len(np.unique(labels)) < probabilities.shape[1]:
        return float("nan")
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    return float(roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))
