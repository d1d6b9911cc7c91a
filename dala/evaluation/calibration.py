"""How far a network's confidence can be believed, and temperature scaling (Guo et al. 2017, arXiv 1706.04599)."""

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
    """(n, bins): whether right, less the confidence, in the column of the picture's bin; 0 in the others.

    Confidence is the predicted class's probability; its bins are equally wide, open below and closed above.
    """
    confidence = probabilities.max(1)
    bins = np.digitize(confidence, np.arange(1, BINS) / BINS, right=True)
    gaps: np.ndarray = np.eye(BINS)[bins] * ((probabilities.argmax(1) == labels) - confidence)[:, None]
    return gaps


def expected_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Mean distance of accuracy from confidence over ten bins, by the weight of their pictures, in [0, 1].

    Guo et al. 2017, equation 3.

    Args:
        labels: (n,) class indices.
        probabilities: (n, classes), rows sum to 1.
        weights: (n,) of the pictures; default: equal.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    return float(np.abs(weights @ calibration_gaps(labels, probabilities)).sum() / weights.sum())


def temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The T in `TEMPERATURES` for which softmax(logits / T) has the least weighted negative log likelihood.

    Guo et al. 2017, section 4.2. The likelihood is log-concave in 1 / T, so there is one minimum.

    Args:
        logits: (n, classes).
        labels: (n,) class indices.
        weights: (n,) of the pictures; default: equal.
    """
    logits = np.asarray(logits, np.float64)
    weights = np.ones(len(labels)) if weights is None else weights / np.mean(weights)
    rows = np.arange(len(labels))

    def loss(log_t: float) -> float:
        return -float(np.mean(weights * log_softmax(logits / np.exp(log_t), axis=1)[rows, labels]))

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def balanced_weights(labels: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """(n,) weights, sum 1, under which every class, and within it every patient, weighs the same."""
    pairs, index, count = np.unique(
        np.stack([labels.astype(str), patients.astype(str)], 1), axis=0, return_inverse=True, return_counts=True
    )
    _, label, patients_of = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    weights: np.ndarray = 1 / (len(patients_of) * patients_of[label] * count)[index]
    return weights


def cross_fitted(predictions: Predictions) -> np.ndarray:
    """Calibrated probabilities (m, classes): no label of a fold has a part in its own temperature.

    Within each partition the temperature of a fold is fitted on the held-out predictions of the other folds, under
    `balanced_weights`. A partition of one fold stays at T = 1.
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
