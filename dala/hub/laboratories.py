"""Types of `laboratories.json`, the table of recipes on held-out patients and held-out laboratories, and its reader."""

from pathlib import Path
from typing import Literal, NotRequired, TypeAlias

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from dala.errors import DalaError
from dala.hub import typed_json
from dala.hub.scores import FailureRow, Interval

__all__ = [
    "HOME",
    "MOST_BYTES",
    "Kind",
    "Laboratories",
    "LaboratoriesFileError",
    "Laboratory",
    "LaboratoryScore",
    "Recipe",
    "read",
]

MOST_BYTES = 1_000_000
HINT = "use a file as `dala evaluate laboratories` writes it"
HOME = "home"  # key of the laboratory whose patients are held out in folds

Kind: TypeAlias = Literal["home", "shift", "outside"]


class LaboratoriesFileError(DalaError):
    """A `laboratories.json` that cannot be used; the message says what is wrong and what to do."""


class Laboratory(TypedDict):
    """Pictures that the networks of all recipes were scored on and not trained on.

    Attributes:
        title: as tables show it.
        kind: "home": the patients held out in folds; "shift": the same with another acquisition; "outside": a
            laboratory of which the scored networks saw no picture.
        by: what intervals resample, "patient" or, where patients are not known, "picture".
        pictures, groups: numbers of pictures, and of patients or again of pictures.
        classes: number of pictures by class, in the order of the classes.
        notes: sentences about what these pictures cannot show.
        licence, citation: from the source file of the pictures.
    """

    title: str
    kind: Kind
    by: Literal["patient", "picture"]
    pictures: int
    groups: int
    classes: dict[str, int]
    notes: list[str]
    licence: NotRequired[str]
    citation: NotRequired[str]


class LaboratoryScore(TypedDict):
    """Scores of one recipe on one laboratory; see `dala.evaluation.held_out.score`.

    Attributes:
        auc, balanced_accuracy: null where there is one class.
        called: share of pictures called the last class (malignant), the classes weighted equally.
        by_group: AUC within each patient that has five pictures of each class; only where there are too few patients
            for an interval.
        failures: the pictures most confidently wrong, one of each patient.
    """

    auc: Interval
    balanced_accuracy: Interval
    called: Interval
    by_group: NotRequired[dict[str, float]]
    failures: NotRequired[list[FailureRow]]


class Recipe(TypedDict):
    """A recipe: the network's name on the command line, the SHA-256 of its weights, and scores by laboratory."""

    network: str
    sha256: NotRequired[str | None]
    scores: dict[str, LaboratoryScore]


class Laboratories(TypedDict):
    """`laboratories.json`; the first recipe is the published one."""

    command: str
    resamples: int
    laboratories: dict[str, Laboratory]
    recipes: dict[str, Recipe]


_LABORATORIES = TypeAdapter(Laboratories)


def read(file: Path, most: int = MOST_BYTES) -> Laboratories:
    """Read a `laboratories.json` and check the type of every value that is named in `Laboratories`.

    Args:
        file: UTF-8.
        most: largest accepted size in bytes.

    Raises:
        LaboratoriesFileError: a file that cannot be read, is no JSON object, has a missing value or one of a wrong
            type, or scores of a laboratory that it does not describe.
    """
    table = typed_json.read(file, _LABORATORIES, most, LaboratoriesFileError, HINT)
    for title, recipe in table["recipes"].items():
        for key in recipe["scores"]:
            if key not in table["laboratories"]:
                raise LaboratoriesFileError(f"{file}: {title} has scores of {key}, which is not described; {HINT}.")
    return table
