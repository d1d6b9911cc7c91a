"""Runs that a report is assembled from: read from their folders, and checked against each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dala.errors import DalaError
from dala.evaluation import summary
from dala.evaluation.predictions import Predictions
from dala.hub import report
from dala.hub.layout import PREDICTIONS, REPORT
from dala.hub.report import ClassifierRow, Report
from dala.publishing.card_notes import CardNotes

__all__ = ["Publication", "PublicationError", "Run", "check", "read", "row"]


class PublicationError(DalaError):
    """Runs that cannot be published together; the message says why."""


@dataclass(frozen=True)
class Run:
    """A folder written by `dala train`, its report and its held-out predictions."""

    folder: Path
    report: Report
    predictions: Predictions

    @property
    def network(self) -> str:
        """Its name on the command line, such as "dala" or "resnet50"."""
        return self.report["network"]


@dataclass(frozen=True)
class Publication:
    """The run that is published and the runs it is compared with.

    Attributes:
        run: scored on held-out patients.
        others: other networks and baselines on the same split, tested against the run.
        image_wise: the same network, split by image.
        image_wise_baseline: a baseline, split by image.
        choice: candidates of the recipe, scored within the training sides, and the same trained without a laboratory.
        why: one or more sentences on the choice.
        notes: display names of runs and sentences that are not in a report.
    """

    run: Run
    others: Sequence[Run] = ()
    image_wise: Run | None = None
    image_wise_baseline: Run | None = None
    choice: Sequence[Run] = ()
    why: str = ""
    notes: CardNotes = field(default_factory=CardNotes)


def read(folder: Path) -> Run:
    """Read a run from its folder.

    Raises:
        ReportError: no `report.json` as training writes it.
        PredictionsError: no predictions.
    """
    return Run(folder, report.read(folder / REPORT, required=report.RUN), Predictions.read(folder / PREDICTIONS))


def row(run: Run, n: int) -> ClassifierRow:
    """The scores of a run as a row of a report, with `n` bootstrap resamples."""
    scores = summary.summary(run.predictions, n)
    return {
        "network": run.network,
        "partitions": scores["partitions"],
        "folds": scores["folds"],
        "figures": scores["figures"],
        "confusion": scores["confusion"],
    }


def check(publication: Publication) -> None:
    """Check that the runs fit together.

    Raises:
        PublicationError: a run with the wrong protocol for its role, or on other pictures.
    """
    run, image = publication.run, publication.image_wise
    if publication.image_wise_baseline and not image:
        raise PublicationError("A baseline split by image is compared with the network split by image; add that run.")
    for one in (run, *publication.others):
        if one.report.get("inner"):
            raise PublicationError(
                f"{one.folder}: was scored within training sides, so it can only be a candidate of the choice."
            )
        if one.report["protocol"] == "image":
            raise PublicationError(
                f"{one.folder}: was split by image, so it cannot be compared with runs split by patient."
            )
    for one in publication.choice:
        # Without a laboratory, a run counts by its score there.
        if not one.report.get("inner") and not one.report["provenance"].get("left_out"):
            raise PublicationError(
                f"{one.folder}: was scored on the held-out folds, so it cannot be a candidate of the choice."
            )
    for other in (image, publication.image_wise_baseline):
        if other and other.report["protocol"] != "image":
            raise PublicationError(f"{other.folder}: was split by {other.report['protocol']}, not by image.")
        if other and set(other.predictions.picture) != set(run.predictions.picture):
            raise PublicationError(f"{other.folder}: was not scored on the same pictures as {run.folder}.")
