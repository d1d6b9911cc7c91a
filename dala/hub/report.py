"""Types of `report.json`, which training writes beside the weights, and its reader.

A report is plain JSON; with these types a type checker knows its keys. Keys that are not named here are
kept. Numbers are rounded to four digits; undefined ones are null.
"""

from pathlib import Path
from typing import Annotated, Any, NotRequired, TypeAlias, cast

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from dala.errors import DalaError
from dala.files import MOST_BYTES, read_json

__all__ = [
    "Candidate",
    "ClassifierRow",
    "Comparison",
    "ComparisonRow",
    "Difference",
    "Figures",
    "FoldRow",
    "ImageWise",
    "Interval",
    "MagnificationRow",
    "PairedTests",
    "PatientRow",
    "Provenance",
    "Report",
    "ReportError",
    "Scores",
    "ValueInterval",
    "read",
]

# [value, low, high] of a 95 % interval, low and high null where no resample defines them; by name of the metric.
Interval: TypeAlias = Annotated[list[float | None], Field(min_length=3, max_length=3)]
Figures: TypeAlias = dict[str, Interval]


class ReportError(DalaError):
    """A `report.json` that cannot be used; the message says what is wrong and what to do."""


class Provenance(TypedDict, total=False):
    """Pictures and initial weights that a network was trained with."""

    data: str
    magnification: str | None
    images: int
    patients: int
    also: dict[str, Any]
    start: dict[str, Any] | None


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


class MagnificationRow(TypedDict):
    """Scores of the pictures of one magnification."""

    images: int
    patients: int
    figures: Figures


class Scores(TypedDict):
    """Scores of a cross-validated run; see `dala.evaluation.summary.summary`.

    Attributes:
        images, patients, slides: numbers of distinct ones.
        folds: number of folds of a partition.
        figures: by metric, the mean over partitions and its 95 % interval over patients; the bounds are null if the
            partitions hold out different pictures, since no resample applies to all of them.
        uncalibrated: `brier` and `ece` at T = 1.
        temperatures: for each partition one for each fold.
        by_partition: `dala.evaluation.metrics.Report` of each partition.
        by_fold: for each partition a row for each fold.
        by_magnification: by name; empty if no magnification is known.
        by_patient: worst first.
        confusion: counts, a row for each true class and a column for each predicted one; means over partitions.
    """

    class_names: NotRequired[list[str]]
    images: int
    patients: int
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
    confusion: NotRequired[list[list[float]]]


class ClassifierRow(TypedDict):
    """Another network or a baseline on the same pictures; `network` is its name on the command line."""

    network: NotRequired[str]
    partitions: NotRequired[int]
    folds: NotRequired[int]
    figures: Figures
    confusion: NotRequired[list[list[float]]]


class ImageWise(ClassifierRow):
    """The same network, split by image, and baselines under that split by title."""

    title: NotRequired[str]
    beside: dict[str, ClassifierRow]


class Candidate(ClassifierRow):
    """A candidate of the recipe: whether it was chosen, and the settings in which the candidates differ."""

    chosen: bool
    settings: dict[str, Any]


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


class Report(TypedDict, total=False):
    """`report.json`: each key is optional, since training, publishing and scoring write different ones."""

    title: str
    network: str
    protocol: str
    inner: bool
    note: str
    provenance: Provenance
    weights: dict[str, Any]
    sha256: str | None
    revision: str | None
    fold_sha256: dict[str, str]
    temperature: float
    skipped: int
    settings: dict[str, Any]
    commands: list[str]
    versions: dict[str, str]
    images_per_second: float | None
    seconds: int
    resamples: int
    scores: Scores
    beside: dict[str, ClassifierRow]
    comparison: Comparison
    image_wise: ImageWise
    choice: dict[str, Candidate]
    why: str


_REPORT = TypeAdapter(Report)


def read(file: Path, most: int = MOST_BYTES) -> Report:
    """Read a `report.json` and check the type of every value that is named in `Report`.

    Args:
        file: UTF-8.
        most: largest accepted size in bytes.

    Returns:
        the file's content with all its keys, so that writing it again gives the same report.

    Raises:
        ReportError: a file that cannot be read, is no JSON object, or has a value of a wrong type.
    """
    try:
        value = read_json(file, most)
    except OSError as error:
        raise ReportError(f"{file}: {error.strerror}.") from error
    except ValueError as error:
        raise ReportError(f"{file} is not JSON.") from error
    if not isinstance(value, dict):
        raise ReportError(f"{file} is not a JSON object.")
    try:
        _REPORT.validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        place = place if place.isprintable() and len(place) < 200 else "a value"
        problem = "is missing" if first["type"] == "missing" else f"is not valid ({first['msg']})"
        raise ReportError(f"{file}: {place} {problem}; use a report as `dala train` writes it.") from error
    return cast(Report, value)
