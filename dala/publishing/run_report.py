"""Publish cross-validated runs: one report, its figures, the split files and the model card."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dala import files
from dala.evaluation import comparison, plots, summary
from dala.hub.layout import SPLITS
from dala.hub.report import ClassifierRow
from dala.models import serialization
from dala.publishing import card_notes, card_text, model_card
from dala.publishing.card_notes import CardNotes
from dala.publishing.runs import Publication, PublicationError, Run, check, read, read_report

__all__ = ["Publication", "PublicationError", "Run", "assemble", "figures", "read", "write", "write_card"]

# Settings that are not part of a recipe: how often and on what a candidate was scored.
SCORING = ("inner", "final", "partitions", "score_every", "resume")


def assemble(publication: Publication, n: int = 1000) -> dict[str, Any]:
    """Add scores, baselines, paired tests, the split by image and the choice to the run's report.

    Args:
        publication: the runs.
        n: bootstrap resamples of the patients.

    Raises:
        PublicationError: a run with the wrong protocol for its role, or on other pictures.
        CompareError: a run of `beside` on another split.
    """
    check(publication)
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
    """Draw the card's figures, by name: roc, reliability, confusion and, with other runs to compare, protocols."""
    run = publication.run
    scaled, scores = summary.calibrated(run.predictions), report["scores"]
    colour = next((r for r in publication.beside if r.network == "colour"), None)
    result = {
        "roc": plots.roc(run.predictions, colour.predictions if colour else None),
        "reliability": plots.reliability(run.predictions, scaled),
        "confusion": plots.confusion(scores["confusion"], scores["class_names"]),
    }
    image, rows = report.get("image_wise"), {}
    title = card_text.name(report["title"], publication.notes)
    if image:
        rows["split by image"] = _bars(title, image["figures"], image["beside"])
    if image or report.get("beside"):
        rows["split by patient"] = _bars(title, scores["figures"], report.get("beside", {}))
        result["protocols"] = plots.protocols(rows, len(scores["class_names"]))
    return result


def write(publication: Publication, report: dict[str, Any], folder: Path) -> None:
    """Write weights, report, splits, figures, notes and card; the same input gives the same bytes.

    Args:
        publication: the runs.
        report: from `assemble`.
        folder: may be the run's own.

    Raises:
        PublicationError: weights that are not the report's, a missing split, or a folder that cannot be written to.
    """
    run = publication.run
    has_weights = _check_weights(run)
    splits = {r.report["protocol"]: r.folder / "split.json" for r in (run, publication.image_wise) if r}
    for split in splits.values():
        if not split.is_file():
            raise PublicationError(f"{split}: no such file, and a card without its split cannot be checked.")
    try:
        (folder / SPLITS).mkdir(parents=True, exist_ok=True)
        if has_weights and folder.resolve() != run.folder.resolve():
            for file in (serialization.FILE, serialization.CONFIG):
                shutil.copyfile(run.folder / file, folder / file)
        for protocol, split in splits.items():
            shutil.copyfile(split, folder / SPLITS / f"{protocol}.json")
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        files.write(folder / "report.json", text)
        if publication.notes != CardNotes():
            notes = publication.notes.model_dump_json(indent=2, exclude_defaults=True) + "\n"
            files.write(folder / card_notes.FILE, notes)
        files.write(folder / "README.md", model_card.card(report, publication.notes))
    except OSError as error:
        raise PublicationError(f"{error.filename or folder}: {error.strerror}.") from error
    plots.save(figures(publication, report), folder)


def write_card(folder: Path, notes: CardNotes) -> None:
    """Write the `README.md` of a published folder again, from its `report.json`.

    Raises:
        PublicationError: no report that a card can be made from.
    """
    report = read_report(folder / "report.json")
    try:
        text = model_card.card(report, notes)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise PublicationError(f"{folder / 'report.json'}: was not written by `dala report`.") from error
    files.write(folder / "README.md", text)


def _check_weights(run: Run) -> bool:
    """Whether the run has weights; PublicationError if they are not the report's."""
    expected, file = run.report.get("sha256"), run.folder / serialization.FILE
    if not file.is_file():
        if expected:
            raise PublicationError(f"{file}: no such file, although report.json has its SHA-256.")
        return False
    if not (run.folder / serialization.CONFIG).is_file():
        raise PublicationError(
            f"{run.folder / serialization.CONFIG}: no such file, and the weights cannot be loaded without it."
        )
    if serialization.sha256(file) != expected:
        raise PublicationError(f"{file}: its SHA-256 is not the one in report.json, so the report is of other weights.")
    return True


def _titles(runs: Sequence[Run]) -> list[str]:
    """The reports' titles; where several have the same one, their folders' names."""
    own = [str(run.report["title"]) for run in runs]
    titles = [
        run.folder.resolve().name if own.count(title) > 1 else title for run, title in zip(runs, own, strict=True)
    ]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice:
        raise PublicationError(f"Two runs are called {twice}: rename one of their folders.")
    return titles


def _row(run: Run, n: int) -> ClassifierRow:
    scores = summary.summary(run.predictions, n)
    return {
        "network": run.network,
        "partitions": scores["partitions"],
        "folds": scores["folds"],
        "figures": scores["figures"],
        "confusion": scores["confusion"],
    }


def _choice(run: Run, candidates: Sequence[Run], n: int) -> dict[str, Any]:
    recipes = [_recipe(candidate) for candidate in candidates]
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    differ = [key for key in keys if any(recipe.get(key) != recipes[0].get(key) for recipe in recipes)]
    return {
        title: {
            "chosen": bool(recipe) and recipe == _recipe(run),
            "settings": {key: recipe.get(key) for key in differ},
            **_row(candidate, n),
        }
        for title, candidate, recipe in zip(_titles(candidates), candidates, recipes, strict=True)
    }


def _recipe(run: Run) -> dict[str, Any]:
    return {k: v for k, v in run.report.get("settings", {}).items() if k not in SCORING}


def _bars(title: str, own: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    colour = next((run["figures"] for run in beside.values() if run["network"] == "colour"), None)
    return {title: own, **({"colour alone": colour} if colour else {})}
