"""The table of recipes on patients held out, laboratories held out and acquisition shifts, from scored folders."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dala.evaluation import held_out, summary
from dala.evaluation.predictions import Predictions
from dala.hub import report as hub_report
from dala.hub.laboratories import HOME, Kind, Laboratories, Laboratory, LaboratoryScore, Recipe
from dala.hub.layout import PREDICTIONS, REPORT, RUN_LABORATORIES, RUN_SHIFTS
from dala.hub.report import Provenance, SourceRow
from dala.images.shifts import SHIFTS
from dala.publishing.runs import PublicationError

__all__ = ["Row", "ScoredSet", "assemble", "outside", "read"]

EXTERNAL = "external"  # protocol of a folder that `dala evaluate` or the end of training wrote
# Of each outside laboratory, for the failure cases of the card.
FAILURES = 3


@dataclass(frozen=True)
class ScoredSet:
    """Predictions of a recipe on one set of pictures, the temperature of its probabilities, and the set's source."""

    title: str
    kind: Kind
    predictions: Predictions
    temperature: float = 1.0
    source: SourceRow | None = None


@dataclass(frozen=True)
class Row:
    """A recipe: its title, network, SHA-256 of its weights, and the sets that it was scored on, by key."""

    title: str
    network: str
    sha256: str | None
    sets: dict[str, ScoredSet]


def read(folders: Sequence[Path], title: str | None = None) -> Row:
    """Read what one recipe was scored on.

    Args:
        folders: first the run that is scored on patients held out, with its folders `shifts` and `laboratories`. Then
            runs of the same recipe, each trained without a laboratory, whose `laboratories` are added; or folders that
            `dala evaluate` wrote.
        title: of the recipe; default: that of the run.

    Raises:
        ReportError, PredictionsError: a file that is missing or cannot be read.
        PublicationError: no run split by patient to begin with, a set that is scored twice or was trained on, or a
            shift that is not known.
    """
    home = folders[0]
    report = hub_report.read(home / REPORT, required=hub_report.RUN)
    if report["protocol"] in ("image", EXTERNAL) or report.get("inner"):
        raise PublicationError(
            f"{home}: was not scored on held-out patients: name first a run split by patient, without --inner."
        )
    sets = {HOME: ScoredSet(_home(report["provenance"]), "home", Predictions.read(home / PREDICTIONS))}
    shifted = {file.stem: file for file in (home / RUN_SHIFTS).glob("*.csv")}
    for name in shifted.keys() - SHIFTS.keys():
        raise PublicationError(f"{shifted[name]}: there is no shift of this name; there are {', '.join(SHIFTS)}.")
    for name in (name for name in SHIFTS if name in shifted):
        sets[name] = ScoredSet(SHIFTS[name].label, "shift", Predictions.read(shifted[name]))
    for folder in folders:
        for key, one in outside(folder).items():
            if key in sets:
                raise PublicationError(f"{folder}: scores {key}, which another folder of {home} scores: leave one out.")
            sets[key] = one
    return Row(title or report["title"], report["network"], report.get("sha256"), sets)


def outside(folder: Path) -> dict[str, ScoredSet]:
    """Read the laboratories that a run scored in its folder `laboratories`, or the one that `dala evaluate` wrote.

    Raises:
        ReportError, PredictionsError: a file that is missing or cannot be read.
        PublicationError: a laboratory that the run was trained on.
    """
    report = hub_report.read(folder / REPORT)
    alone = report.get("protocol") == EXTERNAL
    trained_on = [] if alone else [s["title"] for s in report.get("provenance", {}).get("sources", [])]
    result = {}
    for one in [folder] if alone else sorted((folder / RUN_LABORATORIES).glob("*/")):
        scored = hub_report.read(one / REPORT, required=("provenance",))
        title = scored["provenance"].get("data") or one.name
        if title in trained_on:
            raise PublicationError(f"{one}: {title} is among the pictures that {folder} was trained on.")
        predictions = Predictions.read(one / PREDICTIONS)
        source = next(iter(scored["provenance"].get("sources", [])), None)
        temperature = scored.get("temperature", 1.0)
        result[one.resolve().name] = ScoredSet(title, "outside", predictions, temperature, source)
    return result


def assemble(rows: Sequence[Row], command: str, n: int = 1000) -> Laboratories:
    """Score every recipe on every set.

    Args:
        rows: the published recipe first.
        command: that reproduces the table.
        n: bootstrap resamples of the patients.

    Raises:
        PublicationError: two recipes of one title, or that scored other pictures of a set.
        MetricsError: fewer than one resample.
    """
    described: dict[str, Laboratory] = {}
    seen: dict[str, tuple[Row, ScoredSet]] = {}
    for row in rows:
        if sum(row.title == other.title for other in rows) > 1:
            raise PublicationError(f"Two rows are called {row.title}: name them, as in --row TITLE=RUN.")
        for key, one in row.sets.items():
            first, other = seen.setdefault(key, (row, one))
            if not held_out.same_pictures(other.predictions, one.predictions):
                raise PublicationError(f"{first.title} and {row.title} scored other pictures of {one.title} ({key}).")
            described.setdefault(key, _described(one))
    recipes: dict[str, Recipe] = {}
    for k, row in enumerate(rows):
        scores = {key: _score(one, n, k == 0) for key, one in row.sets.items()}
        recipes[row.title] = {"network": row.network, "sha256": row.sha256, "scores": scores}
    order = sorted(described, key=lambda key: ("home", "outside", "shift").index(described[key]["kind"]))
    return {
        "command": command,
        "resamples": n,
        "laboratories": {key: described[key] for key in order},
        "recipes": recipes,
    }


def _described(one: ScoredSet) -> Laboratory:
    result = held_out.describe(one.predictions, one.title, one.kind)
    if one.source and one.source["licence"]:
        result["licence"] = one.source["licence"]
    if one.source and (citation := one.source.get("citation")):
        result["citation"] = citation
    return result


def _score(one: ScoredSet, n: int, published: bool) -> LaboratoryScore:
    result = held_out.score(one.predictions, n)
    # Of one class alone, as of atypical regions, no picture can be called wrong.
    if published and one.kind == "outside" and result["auc"][0] is not None:
        scaled = replace(one.predictions, logits=one.predictions.logits / one.temperature)
        result["failures"] = summary.failures(scaled, FAILURES)
    return result


def _home(provenance: Provenance) -> str:
    magnification = f" {provenance['magnification']}" if provenance.get("magnification") else ""
    return f"{provenance.get('data', 'pictures')}{magnification}, patients held out"
