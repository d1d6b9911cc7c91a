"""The runs that a report is made of: read from their folders, and checked against each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dala.errors import DalaError
from dala.evaluation.predictions import Predictions
from dala.files import read_json
from dala.publishing.card_notes import CardNotes

__all__ = ["Publication", "PublicationError", "Run", "check", "read", "read_report"]

REQUIRED = ("title", "network", "protocol", "provenance", "temperature")


class PublicationError(DalaError):
    """Runs that cannot be published together; the message says why."""


@dataclass(frozen=True)
class Run:
    """A folder written by `dala train`, its report and its held-out predictions."""

    folder: Path
    report: dict[str, Any]
    predictions: Predictions

    @property
    def network(self) -> str:
        """Its name on the command line, such as "dala" or "resnet50"."""
        return str(self.report.get("network", ""))


@dataclass(frozen=True)
class Publication:
    """The run that is published and the runs it is compared with.

    Attributes:
        run: scored on held-out patients.
        beside: other networks and baselines on the same split.
        image_wise: the same network, split by image.
        image_wise_beside: a baseline, split by image.
        choice: candidates of the recipe, scored within the training sides.
        why: one or more sentences on the choice.
        notes: display names of runs and sentences that no report can know.
    """

    run: Run
    beside: Sequence[Run] = ()
    image_wise: Run | None = None
    image_wise_beside: Run | None = None
    choice: Sequence[Run] = ()
    why: str = ""
    notes: CardNotes = field(default_factory=CardNotes)


def read(folder: Path) -> Run:
    """Read a run from its folder.

    Raises:
        PublicationError: no `report.json` as training writes it.
        PredictionsError: no predictions.
    """
    report = read_report(folder / "report.json")
    return Run(folder, report, Predictions.read(folder / "predictions.csv"))


def read_report(file: Path) -> dict[str, Any]:
    """Read a `report.json`.

    Raises:
        PublicationError: no such file, not JSON, or not a report of cross-validated training.
    """
    try:
        report = read_json(file)
    except OSError as error:
        raise PublicationError(f"{file}: {error.strerror}.") from error
    except ValueError as error:
        raise PublicationError(f"{file}: is not valid JSON; name a folder that `dala train` wrote.") from error
    if not isinstance(report, dict):
        raise PublicationError(f"{file}: is not a JSON object; name a folder that `dala train` wrote.")
    missing = [key for key in REQUIRED if key not in report]
    if missing:
        raise PublicationError(
            f"{file}: has no {', '.join(missing)}, so it is not a report of cross-validated training."
        )
    return report


def check(publication: Publication) -> None:
    """Check that the runs fit together.

    Raises:
        PublicationError: a run with the wrong protocol for its role, or on other pictures.
    """
    run, image = publication.run, publication.image_wise
    if publication.image_wise_beside and not image:
        raise PublicationError(
            "A baseline split by image needs the network split by image to be compared with; add that run."
        )
    for one in (run, *publication.beside):
        if one.report.get("inner"):
            raise PublicationError(
                f"{one.folder}: was scored within training sides, so it can only be a candidate of the choice."
            )
        if one.report["protocol"] == "image":
            raise PublicationError(f"{one.folder}: was split by image, so it cannot stand among runs split by patient.")
    for one in publication.choice:
        if not one.report.get("inner"):
            raise PublicationError(
                f"{one.folder}: was scored on the held-out folds, so it cannot be a candidate of the choice."
            )
    for other in (image, publication.image_wise_beside):
        if other and other.report["protocol"] != "image":
            raise PublicationError(f"{other.folder}: was split by {other.report['protocol']}, not by image.")
        if other and set(other.predictions.picture) != set(run.predictions.picture):
            raise PublicationError(f"{other.folder}: was not scored on the same pictures as {run.folder}.")
