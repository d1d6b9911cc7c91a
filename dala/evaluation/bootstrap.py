"""Bootstrap over patients: confidence intervals and paired tests, as pictures of one patient are not independent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dala.evaluation.calibration import calibration_gaps
from dala.evaluation.metrics import FIGURES, NAN, MetricsError, Patients, checked, figures, ranked

__all__ = ["Difference", "class_mean_interval", "intervals", "mean_interval", "paired"]

BLOCK = 2**22


@dataclass(frozen=True)
class Difference:
    """Difference of two classifiers in one metric, its 95 % interval and two-sided p; nan where undefined."""

    value: float
    low: float
    high: float
    p: float


def intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    patients: np.ndarray,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Compute percentile bootstrap intervals of `dala.evaluation.metrics.figures` over patients.

    A resample draws patients with replacement, as many of each class as there are; a patient brings all pictures, and
    all partitions share the draw (cluster bootstrap; Davison and Hinkley 1997, section 3.8). ECE grows with fewer
    distinct pictures, so that its interval is biased upwards.

    Args:
        labels: (n,) class indices.
        probabilities: (n, classes), or (partitions, n, classes) of repeated scorings of the same pictures.
        patients: (n,) ids.
        n: number of resamples.
        seed: seed of the resamples.
        level: confidence level in (0, 1).

    Returns:
        name of the metric -> (low, high); nan where undefined.

    Raises:
        MetricsError: as `dala.evaluation.metrics.report`; or fewer than one resample.
    """
    drawn = _bootstrap(labels, probabilities, patients, n, seed)
    return {name: _interval(values, level) for name, values in drawn.items()}


def paired(
    labels: np.ndarray, a: np.ndarray, b: np.ndarray, patients: np.ndarray, n: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """Test `a` minus `b` in AUC, balanced accuracy and AUC of patients, on the same resamples of the patients.

    p is twice the smaller share of resamples in which the difference is at most, or at least, zero; no less than 1 / n.

    Args:
        labels, patients, n, seed: as in `intervals`.
        a, b: probabilities as in `intervals`, of equal shape.

    Raises:
        MetricsError: as `intervals`; or shapes that differ.
    """
    if np.shape(a) != np.shape(b):
        raise MetricsError("Only classifiers that scored the same pictures in as many partitions can be paired.")
    values = figures(labels, a, patients), figures(labels, b, patients)
    drawn = _bootstrap(labels, a, patients, n, seed), _bootstrap(labels, b, patients, n, seed)
    result = {}
    for name in ("auc", "balanced_accuracy", "patient_auc"):
        d = drawn[0][name] - drawn[1][name]
        d = d[~np.isnan(d)]
        p = min(1.0, max(1 / n, 2 * min(np.mean(d <= 0), np.mean(d >= 0)))) if len(d) else NAN
        result[name] = Difference(values[0][name] - values[1][name], *_interval(d, 0.95), float(p))
    return result


def mean_interval(
    values: Sequence[float], groups: Sequence[str] | None = None, n: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Compute a mean and its 95 % percentile bootstrap interval (cluster bootstrap if there are groups).

    Args:
        values: one for each picture.
        groups: one for each picture, such as the patient; groups are resampled whole. Default: values are resampled.
        n: number of resamples.
        seed: seed of the resamples.

    Returns:
        (mean, low, high).
    """
    samples = np.asarray(values, float)
    _, index = np.unique(np.arange(len(samples)) if groups is None else np.asarray(groups), return_inverse=True)
    total, count = np.bincount(index, samples), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(len(total), size=(n, len(total)))
    means = total[drawn].sum(1) / count[drawn].sum(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(samples.mean()), float(low), float(high)


def class_mean_interval(
    labels: np.ndarray, values: np.ndarray, patients: np.ndarray, n: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Compute the mean over classes of the mean of `values` in each class, and its 95 % interval over patients.

    Of "classified right" it is balanced accuracy; of "called malignant" the share that would be called so if every
    class had as many pictures.

    Args:
        labels, patients, n, seed: as in `intervals`.
        values: (n,), or (partitions, n) of repeated scorings of the same pictures, which share the draws.

    Returns:
        (mean, low, high).
    """
    groups = Patients(labels, patients)
    weights, means = _draws(groups, n, seed)[:, groups.index], np.atleast_2d(values).mean(0)
    of_class = [labels == c for c in np.unique(labels)]
    with np.errstate(invalid="ignore"):
        drawn = np.mean([weights[:, m] @ means[m] / weights[:, m].sum(1) for m in of_class], axis=0)
    return float(np.mean([means[m].mean() for m in of_class])), *_interval(drawn, 0.95)


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return NAN, NAN
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def _bootstrap(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, n: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the `FIGURES` (n,) of n resamples of the patients, each a mean over partitions."""
    labels, partitions, groups = checked(labels, probabilities, patients)
    if n < 1:
        raise MetricsError("A bootstrap needs one resample or more.")
    draws = _draws(groups, n, seed)
    # Blocks keep the (resamples, pictures) tables of a large data set small enough for memory.
    blocks = np.array_split(draws, -(-draws.shape[0] * len(labels) // BLOCK))
    rows = [[_resampled(labels, p, groups, block) for block in blocks] for p in partitions]
    return {name: np.mean([np.concatenate([block[name] for block in row]) for row in rows], axis=0) for name in FIGURES}


def _draws(groups: Patients, n: int, seed: int) -> np.ndarray:
    """Return how often each of k patients is drawn, (n, k): as many of each class as there are."""
    random, draws = np.random.default_rng(seed), np.zeros((n, len(groups.labels)))
    for c in np.unique(groups.labels):
        members = np.flatnonzero(groups.labels == c)
        draws[:, members] = random.multinomial(len(members), np.full(len(members), 1 / len(members)), n)
    return draws


def _resampled(
    labels: np.ndarray, probabilities: np.ndarray, groups: Patients, draws: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the `FIGURES` (m,) of m resamples at once; `draws` (m, k) says how often each of k patients is drawn.

    Equal to scikit-learn's functions with these weights, one call of which takes as long as hundreds of rows here.
    """
    weights, right = draws[:, groups.index], probabilities.argmax(1) == labels
    total, of_class = weights.sum(1), [labels == c for c in np.unique(labels)]
    rest = ranked(probabilities.shape[1])
    error = ((np.eye(probabilities.shape[1])[labels] - probabilities)[:, rest] ** 2).sum(1)
    auc, average_precision = _rankings(labels, probabilities, weights)
    with np.errstate(invalid="ignore"):
        recalls = [weights[:, m] @ right[m] / weights[:, m].sum(1) for m in of_class]
    return {
        "auc": auc,
        "balanced_accuracy": np.mean(recalls, axis=0),
        "accuracy": weights @ right / total,
        "average_precision": average_precision,
        "brier": weights @ error / total,
        "ece": np.abs(weights @ calibration_gaps(labels, probabilities)).sum(1) / total,
        "patient_auc": _rankings(groups.labels, groups.mean(probabilities), draws)[0],
        "patient_score": draws @ groups.mean(right) / draws.sum(1),
    }


def _rankings(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC and average precision (m,) under weights (m, n)."""
    present, classes = np.unique(labels), probabilities.shape[1]
    undefined = np.full(len(weights), NAN)
    if len(present) < 2:
        return undefined, undefined
    pairs = [_ranking(labels == c, probabilities[:, c], weights) for c in ranked(classes) if c in present]
    auc, average_precision = np.mean(pairs, axis=0)
    return auc if len(present) == classes else undefined, average_precision


def _ranking(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, kind="stable")
    # Pictures with equal scores pass a threshold together.
    first = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    hits = np.add.reduceat(weights[:, order] * positive[order], first, axis=1)
    misses = np.add.reduceat(weights[:, order] * ~positive[order], first, axis=1)
    cumulative = hits.cumsum(1)
    with np.errstate(invalid="ignore"):
        auc = ((cumulative - hits / 2) * misses).sum(1) / (cumulative[:, -1] * misses.sum(1))
        precision = cumulative / np.maximum(cumulative + misses.cumsum(1), 1e-12)
        average_precision = (hits * precision).sum(1) / cumulative[:, -1]
    return auc, average_precision
