"""One report from labels and probabilities, and how sure it is: for training, evaluation, comparison and the card."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from imblearn.metrics import geometric_mean_score, make_index_balanced_accuracy, specificity_score
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from dala.calibration import calibration_gaps, expected_calibration_error
from dala.errors import DalaError

__all__ = [
    "FIGURES",
    "Difference",
    "MetricsError",
    "Report",
    "Scores",
    "figures",
    "intervals",
    "paired",
    "report",
]

FIGURES = ("auc", "balanced_accuracy", "accuracy", "average_precision", "brier", "ece", "patient_auc", "patient_score")
BLOCK = 2**22
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
        ece: expected calibration error, see `dala.calibration.expected_calibration_error`.
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


@dataclass(frozen=True)
class Difference:
    """How much one classifier's figure is above another's, its 95 % interval and two-sided p; nan where undefined."""

    value: float
    low: float
    high: float
    p: float


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
    labels, probabilities, who = _checked(labels, probabilities, patients)
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
        slide_score=NAN if slides is None else float(_Patients(labels, slides).mean(right).mean()),
        patients_right=int(patients_right.sum()),
        patient_accuracy=float(patients_right.mean()),
    )


def figures(labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray) -> dict[str, float]:
    """The `FIGURES` of `report`, each the mean over partitions; arguments as in `intervals`."""
    labels, partitions, _ = _checked(labels, probabilities, patients)
    reports = [report(labels, p, patients) for p in partitions]
    return {name: float(np.mean([getattr(r, name) for r in reports])) for name in FIGURES}


def intervals(
    labels: np.ndarray,
    probabilities: np.ndarray,
    patients: np.ndarray,
    n: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of `figures` over patients, whose pictures are not independent of each other.

    A resample draws, with replacement and within each class, as many patients as the class has, each with all his or
    her pictures and the same ones in all partitions (cluster bootstrap; Davison and Hinkley 1997, section 3.8).
    ECE grows with fewer distinct pictures, so its interval is too high rather than too low.

    Args:
        labels: (n,) class indices.
        probabilities: (n, classes), or (partitions, n, classes) of repeated scorings of the same pictures.
        patients: (n,) ids.
        n: number of resamples.
        seed: of the resamples.
        level: in (0, 1).

    Raises:
        MetricsError: see `report`; or fewer than one resample.
    """
    drawn = _bootstrap(labels, probabilities, patients, n, seed)
    return {name: _interval(values, level) for name, values in drawn.items()}


def paired(
    labels: np.ndarray, a: np.ndarray, b: np.ndarray, patients: np.ndarray, n: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """How much `a` is above `b` in AUC, balanced accuracy and AUC of patients, on the same resampled patients.

    p is twice the smaller share of resamples in which the difference is at most, or at least, zero; no less than 1 / n.

    Args:
        labels, patients, n, seed: as in `intervals`.
        a, b: probabilities as in `intervals`, of one shape.

    Raises:
        MetricsError: see `intervals`.
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


class _Patients:
    """Whose the pictures are: `index` (n,) into the sorted ids; `count` of pictures and `labels` (k,) of the ids."""

    def __init__(self, labels: np.ndarray, patients: np.ndarray) -> None:
        _, self.index, self.count = np.unique(patients, return_inverse=True, return_counts=True)
        self.labels = np.array([np.bincount(labels[self.index == k]).argmax() for k in range(len(self.count))])

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(n, ...) values of pictures to (k, ...) means of patients."""
        return np.stack([values[self.index == k].mean(0) for k in range(len(self.count))])


def _checked(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray
) -> tuple[np.ndarray, np.ndarray, _Patients]:
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
    return labels, partitions, _Patients(labels, patients)


def _ranked(classes: int) -> np.ndarray:
    # Of two classes the last says it all; more are taken one against the rest.
    return np.arange(classes) if classes > 2 else np.array([1])


def _scores(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> Scores:
    predicted, classes = probabilities.argmax(1), probabilities.shape[1]
    # A class that no picture has is no part of a mean over classes.
    present, ranked = np.unique(labels), _ranked(classes)
    several = len(present) > 1
    # imbalanced-learn counts true negatives from the number of rows: the weights have to add up to it.
    weights = weights * (len(labels) / weights.sum())
    w: dict[str, Any] = {"sample_weight": weights}
    macro: dict[str, Any] = {"average": "macro", "labels": present, "zero_division": 0, **w}
    each: dict[str, Any] = {"average": None, "labels": np.arange(classes), "zero_division": 0, **w}
    absent = ~np.isin(np.arange(classes), present)
    negatives = [c for c in (present if classes > 2 else ranked) if (labels != c).any()]
    specificity = specificity_score(labels, predicted, average="macro", labels=negatives, **w) if negatives else NAN
    return Scores(
        auc=_auc(labels, probabilities, weights),
        average_precision=_average_precision(labels, probabilities, weights),
        accuracy=float(accuracy_score(labels, predicted, **w)),
        # balanced_accuracy_score is this mean, but warns where a class without pictures is predicted.
        balanced_accuracy=float(recall_score(labels, predicted, **macro)),
        precision=float(precision_score(labels, predicted, **macro)),
        precision_per_class=np.where(absent, NAN, precision_score(labels, predicted, **each)).tolist(),
        recall=np.where(absent, NAN, recall_score(labels, predicted, **each)).tolist(),
        specificity=float(specificity),
        f1=float(f1_score(labels, predicted, **macro)),
        gmean=float(geometric_mean_score(labels, predicted, average="multiclass", labels=present, **w)),
        iba=float(np.mean(_iba(labels, predicted, average=None, labels=present, **w))) if several else NAN,
        brier=float(sum(brier_score_loss(labels == c, probabilities[:, c], pos_label=True, **w) for c in ranked)),
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
    ranked = [c for c in _ranked(probabilities.shape[1]) if c in present]
    return float(
        np.mean([average_precision_score(labels == c, probabilities[:, c], sample_weight=weights) for c in ranked])
    )


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    values = values[~np.isnan(values)]
    if not len(values):
        return NAN, NAN
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def _bootstrap(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, n: int, seed: int
) -> dict[str, np.ndarray]:
    """The `FIGURES` (n,) of n resamples of the patients, each the mean over partitions."""
    labels, partitions, who = _checked(labels, probabilities, patients)
    if n < 1:
        raise MetricsError("A bootstrap needs one resample or more.")
    random, draws = np.random.default_rng(seed), np.zeros((n, len(who.labels)))
    for c in np.unique(who.labels):
        members = np.flatnonzero(who.labels == c)
        draws[:, members] = random.multinomial(len(members), np.full(len(members), 1 / len(members)), n)
    # Blocks keep the (resamples, pictures) tables of a large data set in memory.
    blocks = np.array_split(draws, -(-draws.shape[0] * len(labels) // BLOCK))
    rows = [[_resampled(labels, p, who, block) for block in blocks] for p in partitions]
    return {name: np.mean([np.concatenate([block[name] for block in row]) for row in rows], axis=0) for name in FIGURES}


def _resampled(
    labels: np.ndarray, probabilities: np.ndarray, who: _Patients, draws: np.ndarray
) -> dict[str, np.ndarray]:
    """The `FIGURES` (m,) where each patient stands `draws` (m, k) times among the patients, for all m at once.

    The same numbers as scikit-learn's functions give with these weights, one call of which takes as long as hundreds of
    rows here.
    """
    weights, right = draws[:, who.index], probabilities.argmax(1) == labels
    total, mine = weights.sum(1), [labels == c for c in np.unique(labels)]
    ranked = _ranked(probabilities.shape[1])
    error = ((np.eye(probabilities.shape[1])[labels] - probabilities)[:, ranked] ** 2).sum(1)
    auc, average_precision = _rankings(labels, probabilities, weights)
    with np.errstate(invalid="ignore"):
        recalls = [weights[:, m] @ right[m] / weights[:, m].sum(1) for m in mine]
    return {
        "auc": auc,
        "balanced_accuracy": np.mean(recalls, axis=0),
        "accuracy": weights @ right / total,
        "average_precision": average_precision,
        "brier": weights @ error / total,
        "ece": np.abs(weights @ calibration_gaps(labels, probabilities)).sum(1) / total,
        "patient_auc": _rankings(who.labels, who.mean(probabilities), draws)[0],
        "patient_score": draws @ who.mean(right) / draws.sum(1),
    }


def _rankings(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC and average precision (m,) under weights (m, n)."""
    present, classes = np.unique(labels), probabilities.shape[1]
    undefined = np.full(len(weights), NAN)
    if len(present) < 2:
        return undefined, undefined
    pairs = [_ranking(labels == c, probabilities[:, c], weights) for c in _ranked(classes) if c in present]
    auc, average_precision = np.mean(pairs, axis=0)
    return auc if len(present) == classes else undefined, average_precision


def _ranking(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(-scores, kind="stable")
    # Pictures of one score stand above a threshold together.
    first = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    hits = np.add.reduceat(weights[:, order] * positive[order], first, axis=1)
    misses = np.add.reduceat(weights[:, order] * ~positive[order], first, axis=1)
    found = hits.cumsum(1)
    with np.errstate(invalid="ignore"):
        auc = ((found - hits / 2) * misses).sum(1) / (found[:, -1] * misses.sum(1))
        precision = found / np.maximum(found + misses.cumsum(1), 1e-12)
        average_precision = (hits * precision).sum(1) / found[:, -1]
    return auc, average_precision
