"""From cross-validated runs to what is published: one report, its pictures, the split files and the card."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dala import files
from dala.errors import DalaError
from dala.evaluation import comparison, plots, summary
from dala.evaluation.predictions import Predictions
from dala.files import read_json
from dala.hub.layout import CARD, REPORT, SPLITS
from dala.models import serialization
from dala.publishing import card_text, model_card

__all__ = ["Publication", "PublicationError", "Run", "assemble", "figures", "read", "write"]

# What tells one candidate from another is the recipe, not how often or on what it was scored.
SCORING = ("inner", "final", "partitions", "score_every", "resume")
ROW = ("partitions", "folds", "figures", "confusion")


class PublicationError(DalaError):
    """Runs that cannot be published together; the message says why."""


@dataclass(frozen=True)
class Run:
    """A folder that training left behind, its report and its held-out predictions."""

    folder: Path
    report: dict[str, Any]
    predictions: Predictions

    @property
    def network(self) -> str:
        """Its name as training knows it."""
        return str(self.report.get("network", ""))


@dataclass(frozen=True)
class Publication:
    """The run that is published, and what stands beside it.

    Attributes:
        run: scored on patients it did not see.
        beside: other networks and baselines on the same split.
        image_wise: the same network dealt out by image.
        image_wise_beside: a baseline dealt out by image.
        choice: candidates of the recipe, scored within the training sides.
        why: what there is to say of the choice, as one or more sentences.
    """

    run: Run
    beside: Sequence[Run] = ()
    image_wise: Run | None = None
    image_wise_beside: Run | None = None
    choice: Sequence[Run] = ()
    why: str = ""


def read(folder: Path) -> Run:
    """A run from its folder.

    Raises:
        PublicationError: no report as training writes it.
        PredictionsError: no predictions.
    """
    file = folder / REPORT
    try:
        report = read_json(file)
    except OSError as error:
        raise PublicationError(f"{file}: {error.strerror}.") from error
    except ValueError as error:
        raise PublicationError(f"{file} is not JSON.") from error
    missing = [
        k for k in ("title", "network", "protocol", "provenance", "temperature") if k not in _object(file, report)
    ]
    if missing:
        raise PublicationError(f"{file} has no {', '.join(missing)}: it is not a report of cross-validated training.")
    return Run(folder, report, Predictions.read(folder / "predictions.csv"))


def assemble(publication: Publication, n: int = 1000) -> dict[str, Any]:
    """The run's report with its scores, its baselines, the paired tests, the split by image and the choice.


    Args:
        publication: the runs.
        n: resamples of the patients.

    Raises:
        PublicationError: a run under another protocol than its place asks for, or on other pictures.
        CompareError: a run beside on another split.
    """
    _check(publication)
    run, image = publication.run, publication.image_wise
    keys = ("beside", "comparison", "image_wise", "choice", "why", "scores", "resamples")
    report = {k: v for k, v in run.report.items() if k not in keys}
    report |= {"resamples": n, "scores": summary.summary(run.predictions, n)}
    if publication.beside:
        titles = _titles([run, *publication.beside])
        report["title"] = titles[0]
        report["beside"] = {t: _row(r, n) for t, r in zip(titles[1:], publication.beside, strict=True)}
        every = dict(zip(titles, [run, *publication.beside], strict=True))
        report["comparison"] = comparison.compare({t: r.predictions for t, r in every.items()}, titles[0], n)
    if image:
        others = [publication.image_wise_beside] if publication.image_wise_beside else []
        title, *titles = _titles([image, *others])
        beside = {t: _row(r, n) for t, r in zip(titles, others, strict=True)}
        report["image_wise"] = {"title": title, **_row(image, n), "beside": beside}
    if publication.choice:
        report["choice"] = _choice(run, publication.choice, n)
        report["why"] = publication.why
    return report


def figures(publication: Publication, report: dict[str, Any]) -> dict[str, Figure]:
    """The card's pictures by name: roc, reliability, confusion and, where something stands beside, protocols."""
    run = publication.run
    scaled, scores = summary.calibrated(run.predictions), report["scores"]
    colour = next((r for r in publication.beside if r.network == "colour"), None)
    result = {
        "roc": plots.roc(run.predictions, colour.predictions if colour else None),
        "reliability": plots.reliability(run.predictions, scaled),
        "confusion": plots.confusion(scores["confusion"], scores["class_names"]),
    }
    image, rows = report.get("image_wise"), {}
    if image:
        rows["split by image"] = _bars(report["title"], image["figures"], image["beside"])
    if image or report.get("beside"):
        rows["split by patient"] = _bars(report["title"], scores["figures"], report.get("beside", {}))
        result["protocols"] = plots.protocols(rows, len(scores["class_names"]))
    return result


def write(publication: Publication, report: dict[str, Any], folder: Path) -> None:
    """Weights, report, splits, pictures and card into a folder, which may be the run's own; the same bytes each time.

    Raises:
        PublicationError: weights other than the report's, a split that is missing, or a folder not to be written to.
    """
    run = publication.run
    has_weights = _check_weights(run)
    splits = {r.report["protocol"]: r.folder / "split.json" for r in (run, publication.image_wise) if r}
    for split in splits.values():
        if not split.is_file():
            raise PublicationError(f"{split}: there is no such file, and a card without its split cannot be checked.")
    try:
        (folder / SPLITS).mkdir(parents=True, exist_ok=True)
        if has_weights and folder.resolve() != run.folder.resolve():
            for file in (serialization.FILE, serialization.CONFIG):
                shutil.copyfile(run.folder / file, folder / file)
        for protocol, split in splits.items():
            shutil.copyfile(split, folder / SPLITS / f"{protocol}.json")
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        files.write(folder / REPORT, text)
        files.write(folder / CARD, model_card.card(report))
    except OSError as error:
        raise PublicationError(f"{error.filename or folder}: {error.strerror}.") from error
    plots.save(figures(publication, report), folder)


def _object(file: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PublicationError(f"{file} is not a JSON object.")
    return value


def _check(publication: Publication) -> None:
    run, image = publication.run, publication.image_wise
    if publication.image_wise_beside and not image:
        raise PublicationError("--image-wise-beside stands beside --image-wise, which is missing.")
    for one in (run, *publication.beside):
        if one.report.get("inner"):
            raise PublicationError(f"{one.folder} was scored within training sides, to choose a recipe: use --choice.")
        if one.report["protocol"] == "image":
            raise PublicationError(f"{one.folder} was dealt out by image: use --image-wise, or --image-wise-beside.")
    for one in publication.choice:
        if not one.report.get("inner"):
            raise PublicationError(f"{one.folder} was scored on the held-out folds themselves: choose with `--inner`.")
    for other in (image, publication.image_wise_beside):
        if other and other.report["protocol"] != "image":
            raise PublicationError(f"{other.folder} was not dealt out by image but by {other.report['protocol']}.")
        if other and set(other.predictions.picture) != set(run.predictions.picture):
            raise PublicationError(f"{other.folder} and {run.folder} did not score the same pictures.")


def _check_weights(run: Run) -> bool:
    """Whether the run has weights; PublicationError if they are not those that its report is of."""
    expected, file = run.report.get("sha256"), run.folder / serialization.FILE
    if not file.is_file():
        if expected:
            raise PublicationError(f"{file} is not there, and the report is of it.")
        return False
    if not (run.folder / serialization.CONFIG).is_file():
        raise PublicationError(
            f"{run.folder / serialization.CONFIG} is not there, and the weights are of no use without."
        )
    if serialization.sha256(file) != expected:
        raise PublicationError(f"{file}: its SHA-256 is not the one in report.json, so the report is of other weights.")
    return True


def _titles(runs: Sequence[Run]) -> list[str]:
    """The reports' titles, of those that repeat the folders' names."""
    told = [str(run.report["title"]) for run in runs]
    titles = [
        run.folder.resolve().name if told.count(title) > 1 else title for run, title in zip(runs, told, strict=True)
    ]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice:
        raise PublicationError(f"Two runs are called {twice}: rename one of their folders.")
    return titles


def _row(run: Run, n: int) -> dict[str, Any]:
    scores = summary.summary(run.predictions, n)
    return {"network": run.network, **{key: scores[key] for key in ROW}}


def _choice(run: Run, candidates: Sequence[Run], n: int) -> dict[str, Any]:
    told = [_recipe(candidate) for candidate in candidates]
    keys = dict.fromkeys(key for recipe in told for key in recipe)
    differ = [key for key in keys if any(recipe.get(key) != told[0].get(key) for recipe in told)]
    return {
        title: {
            "chosen": bool(recipe) and recipe == _recipe(run),
            "settings": {key: recipe.get(key) for key in differ},
            **_row(candidate, n),
        }
        for title, candidate, recipe in zip(_titles(candidates), candidates, told, strict=True)
    }


def _recipe(run: Run) -> dict[str, Any]:
    return {k: v for k, v in run.report.get("settings", {}).items() if k not in SCORING}


def _bars(title: str, own: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    colour = next((run["figures"] for run in beside.values() if run["network"] == "colour"), None)
    return {card_text.name(title): own, **({"colour alone": colour} if colour else {})}
