"""Publish cross-validated runs: write their report, figures, split files and model card."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure

from dala import files
from dala.evaluation import comparison, plots, summary
from dala.hub import report as hub_report
from dala.hub.layout import CARD, CONFIG, FILE, REPORT, SPLIT, SPLITS
from dala.hub.report import RUN, ClassifierRow, Report
from dala.hub.scores import Figures
from dala.models import serialization
from dala.publishing import card_beside, card_notes, card_text, choice, model_card
from dala.publishing.card_notes import CardNotes
from dala.publishing.runs import Publication, PublicationError, Run, check, read, row

__all__ = ["Publication", "PublicationError", "Run", "assemble", "figures", "read", "write", "write_card"]

# Keys of a report that `assemble` computes.
ASSEMBLED: tuple[Literal["beside", "comparison", "image_wise", "choice", "why", "scores", "resamples"], ...] = (
    "beside", "comparison", "image_wise", "choice", "why", "scores", "resamples",
)  # fmt: skip


def assemble(publication: Publication, n: int = 1000) -> Report:
    """Add scores, baselines, paired tests, the split by image and the choice to the run's report.

    Args:
        publication: the runs.
        n: bootstrap resamples of the patients.

    Raises:
        PublicationError: a run with the wrong protocol for its role, or on other pictures.
        CompareError: a run of `others` on another split.
    """
    check(publication)
    run, image = publication.run, publication.image_wise
    report = run.report.copy()
    for key in ASSEMBLED:
        report.pop(key, None)
    report["resamples"], report["scores"] = n, summary.summary(run.predictions, n)
    if publication.others:
        titles = _titles([run, *publication.others])
        report["title"] = titles[0]
        report["beside"] = {t: row(r, n) for t, r in zip(titles[1:], publication.others, strict=True)}
        every = dict(zip(titles, [run, *publication.others], strict=True))
        report["comparison"] = comparison.compare({t: r.predictions for t, r in every.items()}, titles[0], n)
    if image:
        baselines = [publication.image_wise_baseline] if publication.image_wise_baseline else []
        title, *titles = _titles([image, *baselines])
        rows = {t: row(r, n) for t, r in zip(titles, baselines, strict=True)}
        report["image_wise"] = {"title": title, **row(image, n), "beside": rows}
    if publication.choice:
        report["choice"] = choice.choose(run, publication.choice, _titles, n)
        report["why"] = publication.why
    return report


def figures(publication: Publication, report: Report) -> dict[str, Figure]:
    """Draw the card's figures, by name: roc, reliability, confusion and, with a run to compare, protocols."""
    run = publication.run
    scaled, scores = summary.calibrated(run.predictions), report["scores"]
    colour = next((r for r in publication.others if r.network == "colour"), None)
    result = {
        "roc": plots.roc(run.predictions, colour.predictions if colour else None),
        "reliability": plots.reliability(run.predictions, scaled),
        "confusion": plots.confusion(scores["confusion"], scores["class_names"]),
    }
    image = report.get("image_wise")
    rows: dict[str, dict[str, Figures]] = {}
    title = card_text.name(report["title"], publication.notes)
    if image:
        rows["split by image"] = _bars(title, image["figures"], image["beside"])
    if image or report.get("beside"):
        rows["split by patient"] = _bars(title, scores["figures"], report.get("beside", {}))
        result["protocols"] = plots.protocols(rows, len(scores["class_names"]))
    return result


def write(publication: Publication, report: Report, folder: Path) -> None:
    """Write weights, report, splits, figures, notes and card; the same input gives the same bytes.

    Args:
        publication: the runs.
        report: from `assemble`.
        folder: may be the run's own.

    Raises:
        PublicationError: weights that are not the report's, a missing split, or a folder that cannot be written to.
        LaboratoriesFileError, BesideError: a file in the folder that is damaged, or of other weights.
    """
    run = publication.run
    has_weights, beside = _check_weights(run), card_beside.read(folder, run.report.get("sha256"))
    splits = {r.report["protocol"]: r.folder / SPLIT for r in (run, publication.image_wise) if r}
    for split in splits.values():
        if not split.is_file():
            raise PublicationError(f"{split}: no such file; without the split nobody can check the card.")
    try:
        (folder / SPLITS).mkdir(parents=True, exist_ok=True)
        if has_weights and folder.resolve() != run.folder.resolve():
            for file in (FILE, CONFIG):
                shutil.copyfile(run.folder / file, folder / file)
        for protocol, split in splits.items():
            shutil.copyfile(split, folder / SPLITS / f"{protocol}.json")
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        files.write(folder / REPORT, text)
        if publication.notes != CardNotes():
            notes = publication.notes.model_dump_json(indent=2, exclude_defaults=True) + "\n"
            files.write(folder / card_notes.FILE, notes)
        files.write(folder / CARD, model_card.card(report, publication.notes, beside))
    except OSError as error:
        raise PublicationError(f"{error.filename or folder}: {error.strerror}.") from error
    plots.save(figures(publication, report), folder)


def write_card(folder: Path, notes: CardNotes) -> None:
    """Write the `README.md` of a published folder again, from its `report.json`.

    Raises:
        ReportError, PublicationError: no report of `dala report`.
        LaboratoriesFileError, BesideError: a file beside the report that is damaged, or of other weights.
    """
    report = hub_report.read(folder / REPORT, required=(*RUN, "scores"))
    try:
        text = model_card.card(report, notes, card_beside.read(folder, report.get("sha256")))
    except (LookupError, ValueError) as error:
        raise PublicationError(f"{folder / REPORT}: was not written by `dala report`; write it again.") from error
    files.write(folder / CARD, text)


def _check_weights(run: Run) -> bool:
    """Whether the run has weights; PublicationError if they are not the report's."""
    expected, file = run.report.get("sha256"), run.folder / FILE
    if not file.is_file():
        if expected:
            raise PublicationError(f"{file}: no such file, although {REPORT} has its SHA-256.")
        return False
    if not (run.folder / CONFIG).is_file():
        raise PublicationError(f"{run.folder / CONFIG}: no such file, and the weights cannot be loaded without it.")
    if serialization.sha256(file) != expected:
        raise PublicationError(f"{file}: its SHA-256 is not the one in {REPORT}, so the report is of other weights.")
    return True


def _titles(runs: Sequence[Run]) -> list[str]:
    """Titles of the reports; for runs with the same title the names of their folders."""
    own = [run.report["title"] for run in runs]
    titles = [
        run.folder.resolve().name if own.count(title) > 1 else title for run, title in zip(runs, own, strict=True)
    ]
    twice = next((title for title in titles if titles.count(title) > 1), None)
    if twice:
        raise PublicationError(f"Two runs are called {twice}: rename one of their folders.")
    return titles


def _bars(title: str, own: Figures, others: dict[str, ClassifierRow]) -> dict[str, Figures]:
    colour = next((run["figures"] for run in others.values() if run["network"] == "colour"), None)
    return {title: own, **({"colour alone": colour} if colour else {})}
