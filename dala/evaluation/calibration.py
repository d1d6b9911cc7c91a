"""Calibration error and temperature scaling (Guo et al. 2017, arXiv 1706.04599)."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from dala.evaluation.predictions import Predictions

__all__ = [
    "TEMPERATURES",
    "balanced_weights",
    "calibration_gaps",
    "cross_fitted",
    "expected_calibration_error",
    "temperature",
]

TEMPERATURES = (0.05, 20.0)
BINS = 10


def calibration_gaps(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Compute correctness (0 or 1) minus confidence, in the column of the picture's bin: (n, bins), 0 in other columns.

    Confidence is the probability of the predicted class; bins are equally wide, open below and closed above.
    """
    confidence = probabilities.max(1)
    bins = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)
    gaps: np.ndarray = np.eye(BINS)[bins] * ((probabilities.argmax(1) == labels) - confidence)[:, None]
    return gaps


def expected_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Compute the mean distance of accuracy and confidence over ten bins, weighted by their pictures, in [0, 1].

    Guo et al. 2017, equation 3.

    Args:
        labels: (n,) class indices.
        probabilities: (n, classes), rows sum to 1.
        weights: (n,), one for each picture; default: equal.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    return float(np.abs(weights @ calibration_gaps(labels, probabilities)).sum() / weights.sum())


def temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Fit the temperature T: the minimum of the weighted negative log likelihood of softmax(logits / T).

    Guo et al. 2017, section 4.2. T is within `TEMPERATURES`. The likelihood is log-concave in 1 / T, so that there is
    one minimum.

    Args:
        logits: (n, classes).
        labels: (n,) class indices.
        weights: (n,), one for each picture; default: equal.
    """
    logits = np.asarray(logits, np.float64)
    weights = np.ones(len(labels)) if weights is None else weights / np.mean(weights)
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        return -float(np.mean(weights * log_softmax(logits / np.exp(log_t), axis=1)[rows, labels]))

    result = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(result.x))


def balanced_weights(labels: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Return weights (n,), sum 1: every class, and within a class every patient, has the same weight."""
    pairs, index, count = np.unique(
        np.stack([labels.astype(str), patients.astype(str)], 1), axis=0, return_inverse=True, return_counts=True
    )
    _, label, patients_of = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    weights: np.ndarray = 1 / (len(patients_of) * patients_of[label] * count)[index]
    return weights


def cross_fitted(predictions: Predictions) -> np.ndarray:
    """Compute calibrated probabilities (m, classes) without using the labels of a fold for its own temperature.

    Within each partition the temperature of a fold is fitted on the held-out predictions of the other folds, with
    `balanced_weights`. A partition with one fold keeps T = 1.
    """
    logits, fold = predictions.logits.astype(np.float64), predictions.fold
    scale = np.ones(len(fold))
    for partition in np.unique(predictions.partition):
        inside = predictions.partition == partition
        folds = np.unique(fold[inside])
        for k in folds if len(folds) > 1 else ():
            others = inside & (fold != k)
            labels = predictions.label[others]
            weights = balanced_weights(labels, predictions.patient[others])
            scale[inside & (fold == k)] = temperature(logits[others], labels, weights)
    probabilities: np.ndarray = softmax(logits / scale[:, None], axis=1)
    return probabilities
