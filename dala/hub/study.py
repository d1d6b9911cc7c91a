"""Types of `explanations.json`, the study of explanation methods, and its reader.

An interval is [mean, low, high] over pictures, low and high those of a 95 % bootstrap over groups of pictures.
"""

from pathlib import Path
from typing import Annotated, NotRequired, TypeAlias

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from dala.errors import DalaError
from dala.hub import typed_json

__all__ = [
    "Answers",
    "AreaRow",
    "Explained",
    "FaithfulnessRow",
    "GroundTruth",
    "LocalisationRow",
    "MeanInterval",
    "SanityRow",
    "Study",
    "StudyFileError",
    "ThresholdRow",
    "read",
]

MOST_BYTES = 2_000_000
HINT = "use a file as `dala evaluate explanations` writes it"

MeanInterval: TypeAlias = Annotated[list[float], Field(min_length=3, max_length=3)]


class StudyFileError(DalaError):
    """An `explanations.json` that cannot be used; the message says what is wrong and what to do."""


class Explained(TypedDict):
    """The networks that were explained: a description, and the SHA-256 of the weights of each."""

    words: str
    sha256: list[str]


class LocalisationRow(TypedDict):
    """Agreement of the maps of a method with the masks; see `dala.heatmaps.localization`."""

    count: int
    energy: MeanInterval
    pointing: MeanInterval
    auc: MeanInterval
    area_iou: MeanInterval


# A functional definition, since "global" is a keyword.
ThresholdRow = TypedDict(
    "ThresholdRow",
    {
        "count": int,
        "strengths": list[float],  # of each half; 0 for a rule without strength
        "kept_area": MeanInterval,
        "own": MeanInterval,  # IoU with a threshold computed for each picture
        "global": MeanInterval,  # IoU with one threshold for all pictures
        "gain": MeanInterval,
    },
)


class AreaRow(TypedDict):
    """Kept area of a rule at its customary strength: quantiles and mean over pictures."""

    strength: float | None
    p5: float
    median: float
    p95: float
    mean: float


class FaithfulnessRow(TypedDict):
    """Output of the network when parts are removed by the order of a map; see `dala.trust.deletion`."""

    count: int
    insertion: MeanInterval
    deletion: MeanInterval
    gap: MeanInterval
    keep_20: MeanInterval
    remove_20: MeanInterval
    drop: MeanInterval
    increase: MeanInterval


class SanityRow(TypedDict):
    """Reaction of a map to randomized weights; see `dala.trust.randomization`.

    Attributes:
        survives: share of pictures whose map stays the same.
        limit: mean rank correlation of unrelated maps.
        steps: mean rank correlation with the map of the trained network, by the last randomized stage.
        blind: stages that the method does not use.
    """

    count: int
    survives: float
    limit: float
    steps: dict[str, float]
    blind: list[str]


class GroundTruth(TypedDict):
    """Results on one kind of pictures, by method or by threshold rule; see `dala.benchmark.measures`.

    Attributes:
        count, groups: numbers of pictures and of groups.
        localisation: by method, and of the mask on the maps' grid as "ceiling"; missing without masks.
        thresholds: by rule; missing without masks.
        areas: by rule.
        faithfulness, sanity, stability: by method; missing where no picture went through these tests. `stability` is
            the rank correlation by kind of change.
    """

    model: Explained
    count: int
    groups: int
    localisation: NotRequired[dict[str, LocalisationRow]]
    thresholds: NotRequired[dict[str, ThresholdRow]]
    areas: NotRequired[dict[str, AreaRow]]
    faithfulness: NotRequired[dict[str, FaithfulnessRow]]
    sanity: NotRequired[dict[str, SanityRow]]
    stability: NotRequired[dict[str, dict[str, float]]]


class Answers(TypedDict):
    """Sentences, and the choices that the app's defaults are tested against; see `dala.benchmark.conclusions`."""

    threshold: str
    rule: str
    strength: float | None
    rule_words: str
    areas: str
    first: str
    first_words: str


class Study(TypedDict):
    """`explanations.json`."""

    command: str
    quick: bool
    answers: Answers
    truths: dict[str, GroundTruth]
    seconds: int


_STUDY = TypeAdapter(Study)


def read(file: Path, most: int = MOST_BYTES) -> Study:
    """Read an `explanations.json` and check the type of every value that is named in `Study`.

    Args:
        file: UTF-8.
        most: largest accepted size in bytes.

    Raises:
        StudyFileError: a file that cannot be read, is no JSON object, or has a missing value or one of a wrong type.
    """
    return typed_json.read(file, _STUDY, most, StudyFileError, HINT)
