"""Types of the scores in `report.json`, and of the result of `dala compare`.

Numbers are rounded to four digits, those of a comparison to six; undefined ones are null.
"""

from typing import Annotated, Any, NotRequired, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

__all__ = [
    "Comparison",
    "ComparisonRow",
    "Difference",
    "FailureRow",
    "Figures",
    "FoldRow",
    "Interval",
    "MagnificationRow",
    "PairedTests",
    "PatientRow",
    "Scores",
    "ValueInterval",
]

# [value, low, high] of a 95 % interval, low and high null where no resample defines them; by name of the metric.
Interval: TypeAlias = Annotated[list[float | None], Field(min_length=3, max_length=3)]
Figures: TypeAlias = dict[str, Interval]


class FoldRow(TypedDict):
    """Scores of one fold."""

    images: int
    patients: int
    auc: float | None
    balanced_accuracy: float | None
    accuracy: float | None


class PatientRow(TypedDict):
    """Scores of one patient over all partitions.

    `label` is the class of most pictures, `right` the share of pictures classified right, `probability` the mean
    probability of the true class.
    """

    patient: str
    slides: NotRequired[list[str]]
    label: str
    images: int
    right: float
    probability: float


class FailureRow(TypedDict):
    """A held-out picture that was classified wrong; `probability` is that of the predicted class."""

    picture: str
    patient: str
    label: str
    predicted: str
    probability: float


class MagnificationRow(TypedDict):
    """Scores of the pictures of one magnification."""

    images: int
    patients: int
    figures: Figures


class Scores(TypedDict):
    """Scores of a cross-validated run; see `dala.evaluation.summary.summary`.

    Attributes:
        images, patients, slides: numbers of distinct ones; no number of patients where they are not known.
        folds: number of folds of a partition.
        figures: by metric, the mean over partitions and its 95 % interval over patients; the bounds are null if the
            partitions hold out different pictures, since no resample applies to all of them.
        uncalibrated: `brier` and `ece` at T = 1.
        temperatures: for each partition one for each fold.
        by_partition: `dala.evaluation.metrics.Report` of each partition.
        by_fold: for each partition a row for each fold.
        by_magnification: by name; empty if no magnification is known.
        by_patient: worst first.
        failures: pictures most confidently wrong, one of each patient.
        confusion: counts, a row for each true class and a column for each predicted one; means over partitions.
    """

    class_names: NotRequired[list[str]]
    images: int
    patients: int | None
    slides: NotRequired[int]
    partitions: int
    folds: int
    figures: Figures
    uncalibrated: NotRequired[dict[str, float | None]]
    temperatures: NotRequired[list[list[float]] | None]
    by_partition: NotRequired[list[dict[str, Any]]]
    by_fold: NotRequired[list[list[FoldRow]]]
    by_magnification: NotRequired[dict[str, MagnificationRow]]
    by_patient: NotRequired[list[PatientRow]]
    failures: NotRequired[list[FailureRow]]
    confusion: NotRequired[list[list[float]]]


class ValueInterval(TypedDict):
    """A metric with its 95 % interval; null where undefined."""

    value: float | None
    low: float | None
    high: float | None


class Difference(ValueInterval):
    """A paired difference with its 95 % interval and two-sided p."""

    p: float | None


class PairedTests(TypedDict):
    """Tests of one run against another on the `partitions` that both have."""

    partitions: int
    auc: Difference
    balanced_accuracy: Difference
    patient_auc: Difference


class ComparisonRow(TypedDict):
    """One run of a comparison, with the number of folds of each partition."""

    partitions: int
    folds: list[int]
    figures: dict[str, ValueInterval]
    difference: NotRequired[PairedTests]


class Comparison(TypedDict):
    """Runs by title, each tested against the run titled `against`; see `dala.evaluation.comparison.compare`."""

    against: str
    resamples: int
    runs: dict[str, ComparisonRow]
