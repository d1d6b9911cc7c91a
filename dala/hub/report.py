"""Types of `report.json`, which training writes with the weights, and its reader.

A report is plain JSON; with these types a type checker knows its keys. Keys that are not named here are kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeAlias

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from dala.errors import DalaError
from dala.files import MOST_BYTES
from dala.hub import typed_json
from dala.hub.scores import Comparison, Figures, Interval, Scores

__all__ = [
    "RUN",
    "Candidate",
    "ClassifierRow",
    "ImageWise",
    "OtherPictures",
    "Provenance",
    "Report",
    "ReportError",
    "SourceRow",
    "Start",
    "read",
]

Key: TypeAlias = Literal["title", "network", "protocol", "provenance", "temperature", "scores"]
HINT = "use a report as `dala train` writes it"
# Keys of every report of a cross-validated run.
RUN: tuple[Key, ...] = ("title", "network", "protocol", "provenance", "temperature")


class ReportError(DalaError):
    """A `report.json` that cannot be used; the message says what is wrong and what to do."""


class OtherPictures(TypedDict):
    """Pictures of BreakHis' other magnifications in reports of older runs; `patients` is the number of all patients."""

    magnification: str
    images: int
    patients: int


class SourceRow(TypedDict):
    """A set of pictures that a network was trained on.

    Attributes:
        title: display name.
        laboratory: whose pictures they are.
        images, patients: numbers of pictures and, if they are known, of patients.
        classes: pictures by class.
        weight: how often the set was drawn, against 1 for the first one.
        zoom: factor that resized its pictures to the scale of the first set; None where they were fitted, and a list
            where a set has several magnifications.
        licence, citation, note: from its source file.
    """

    title: str
    laboratory: str
    images: int
    patients: int | None
    classes: dict[str, int]
    weight: float
    zoom: float | list[float] | None
    licence: str | None
    citation: NotRequired[str]
    note: NotRequired[str]


class Start(TypedDict, total=False):
    """Initial weights: their name, the SHA-256 of their file, and how their tensors fitted the network.

    Attributes:
        loaded: number of tensors.
        missing: names of the network's tensors that the file lacks.
        left_over: names of the file's tensors that the network lacks.
    """

    name: str
    sha256: str | None
    loaded: int
    missing: list[str]
    left_over: list[str]


class Provenance(TypedDict, total=False):
    """Pictures and initial weights that a network was trained with.

    Attributes:
        data, magnification, images, patients: of the first set, which is scored; no number of patients where they are
            not known.
        sources: all sets, where there are several or a source file describes one.
        left_out: laboratories whose sets were not trained on.
        also: what older reports have instead of `sources`.
        start: initial weights.
    """

    data: str
    magnification: str | None
    images: int
    patients: int | None
    sources: list[SourceRow]
    left_out: list[str]
    also: OtherPictures
    start: Start | None


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
    """A candidate of the recipe.

    Attributes:
        chosen: whether it is the published recipe.
        settings: those in which the candidates differ.
        laboratories: AUC on each laboratory held out, by title; missing where none was held out.
        rank: mean of its ranks on patients held out and on each laboratory; see `dala.evaluation.choice`.
    """

    chosen: bool
    settings: dict[str, Any]
    laboratories: NotRequired[dict[str, Interval]]
    rank: NotRequired[float]


class Report(TypedDict, total=False):
    """`report.json`: each key is optional, since training, publishing and scoring write different ones.

    Attributes:
        given_split: where the split that was used was read, if it came with the pictures or in a table.
        given_splits: the splits that came with the pictures, used or not.
        patients_on_both_sides: of the given split that was used.
    """

    title: str
    network: str
    protocol: str
    given_split: str
    given_splits: list[str]
    patients_on_both_sides: int
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


def read(file: Path, most: int = MOST_BYTES, required: Sequence[Key] = ()) -> Report:
    """Read a `report.json` and check the type of every value that is named in `Report`.

    Args:
        file: UTF-8.
        most: largest accepted size in bytes.
        required: keys without which the report is refused, such as `RUN`.

    Returns:
        the file's content with all its keys, so that writing it again gives the same report.

    Raises:
        ReportError: a file that cannot be read, is no JSON object, or has a missing value or one of a wrong type.
    """
    report = typed_json.read(file, _REPORT, most, ReportError, HINT)
    missing = [key for key in required if key not in report]
    if missing:
        raise ReportError(f"{file}: {missing[0]} is missing; {HINT}.")
    return report
