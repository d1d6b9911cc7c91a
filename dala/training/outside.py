"""Scores outside the folds: held-out patients with another acquisition, and laboratories that were not trained on.

Every candidate is scored in the same way, so that a network, its ablations and colour alone stand in one table; see
`dala evaluate laboratories`. A saved network is scored as it was saved.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dala.data import class_map, scales, source_rows, sources
from dala.data.datasets import Dataset
from dala.data.items import DataError, Item
from dala.data.source_files import Source
from dala.evaluation.predictions import Predictions
from dala.hub.layout import FILE, PREDICTIONS, REPORT, RUN_LABORATORIES, RUN_SHIFTS
from dala.hub.report import Provenance, Report
from dala.images.shifts import SHIFTS
from dala.models import load
from dala.training import run_folder
from dala.training.candidates import Candidate
from dala.training.config import Settings
from dala.training.config_parts import DataConfig
from dala.training.fit import DALACandidate

__all__ = ["Outside", "key_of", "open_all", "scorer"]

Scorer = Callable[[Sequence[Item]], np.ndarray]


def open_all(settings: Settings, dataset: Dataset) -> "Outside":
    """Read the sets that are scored outside the folds: those of `score_on`, and of the laboratories left out.

    Raises:
        DataError: a set that cannot be used, or whose laboratory is trained on.
    """
    d = settings.data
    opened = {s.title: s for s in _left_out(d)}
    opened |= {s.title: s for s in sources.open_all(d.score_on, d.root, d.format, d.classes, ())}
    trained_on = {s.laboratory for s in dataset.sources} - {*d.leave_out}
    for source in opened.values():
        if source.laboratory in trained_on:
            raise DataError(
                f"{source.title}: pictures of {source.laboratory} are trained on, so these are no laboratory held out: "
                f'leave that laboratory out (--leave-out "{source.laboratory}").'
            )
    read = {key_of(title): _read(source, dataset) for title, source in opened.items()}
    return Outside(settings, {key: sources.readable(one, settings.runtime.workers or 0) for key, one in read.items()})


def key_of(title: str) -> str:
    """Name of the folder of a laboratory: "BRCA tissue tiles" -> "brca-tissue-tiles"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "laboratory"


def scorer(candidate: Candidate, folder: Path) -> Scorer:
    """Return what scores pictures: the network saved in a folder, or without one the candidate as it was fitted."""
    if isinstance(candidate, DALACandidate) and (folder / FILE).exists():
        candidate.restore(load(folder).model)
    return candidate.score


@dataclass(frozen=True)
class Outside:
    """What the networks of a run are scored on besides their folds.

    Attributes:
        settings: of the run, resolved.
        laboratories: pictures by name of their folder.
    """

    settings: Settings
    laboratories: Mapping[str, Dataset]

    def lacking(self, partition: int, folder: Path) -> list[Path]:
        """Files of scores that a fold's folder does not have yet; only those of the first partition are scored."""
        d = self.settings.data
        if partition:
            return []
        names = [f"{RUN_SHIFTS}/{name}" for name in SHIFTS] if d.shifts and not d.inner else []
        # The laboratories help to choose a recipe, which is done inside the training sides, and are else the final
        # network's.
        names += [f"{RUN_LABORATORIES}/{key}" for key in self.laboratories] if d.inner else []
        return [file for name in names if not (file := folder / f"{name}.csv").exists()]

    def score_fold(
        self, score: Scorer, held: Sequence[Item], make: Callable[[np.ndarray], Predictions], fold: int, folder: Path
    ) -> None:
        """Write the files that a fold's folder lacks.

        Args:
            score: from `scorer`.
            held: pictures of the held-out patients.
            make: their logits -> predictions.
            fold: number of the fold, in the first partition.
            folder: of the fold.
        """
        for file in self.lacking(0, folder):
            file.parent.mkdir(exist_ok=True)
            if file.parent.name == RUN_SHIFTS:
                make(score([replace(item, shift=file.stem) for item in held])).write(file)
            else:
                _predictions(self.laboratories[file.stem], score, fold).write(file)

    def lacks_laboratory(self, out: Path) -> bool:
        """Whether the final network has still to be scored on a laboratory."""
        return any(not (out / RUN_LABORATORIES / key / REPORT).exists() for key in self.laboratories)

    def collect(self, folders: Sequence[Path], out: Path, report: Report) -> None:
        """Join the files of the first partition's folds."""
        for name in SHIFTS if self.settings.data.shifts and not self.settings.data.inner else ():
            parts = [Predictions.read(folder / RUN_SHIFTS / f"{name}.csv") for folder in folders]
            (out / RUN_SHIFTS).mkdir(exist_ok=True)
            Predictions.concatenate(parts).write(out / RUN_SHIFTS / f"{name}.csv")
        for key in self.laboratories if self.settings.data.inner else ():
            parts = [Predictions.read(folder / RUN_LABORATORIES / f"{key}.csv") for folder in folders]
            self._write(key, Predictions.concatenate(parts), out, report)

    def score_final(self, score: Scorer, out: Path, report: Report) -> None:
        """Score the final network on every laboratory that it was not scored on before.

        Args:
            score: from `scorer`.
            out: folder of the run.
            report: of the run.
        """
        for key, dataset in self.laboratories.items():
            if not (out / RUN_LABORATORIES / key / REPORT).exists():
                self._write(key, _predictions(dataset, score, 0), out, report)

    def _write(self, key: str, predictions: Predictions, out: Path, report: Report) -> None:
        dataset, folder = self.laboratories[key], out / RUN_LABORATORIES / key
        folder.mkdir(parents=True, exist_ok=True)
        predictions.write(folder / PREDICTIONS)
        source = dataset.sources[0]
        patients = len({i.patient for i in dataset.items}) if dataset.grouped else None
        provenance: Provenance = {"data": source.title, "images": len(dataset.items), "patients": patients}
        if rows := source_rows.rows(dataset, dataset.items):
            provenance["sources"] = rows
        scored: Report = {
            "title": report["title"],
            "network": report["network"],
            "protocol": "external",
            "provenance": provenance,
            "sha256": report["sha256"],
            "temperature": report["temperature"],
        }
        # Written last: a laboratory that has a report has been scored.
        run_folder.write_json(folder / REPORT, scored)


def _left_out(d: DataConfig) -> list[Source]:
    """The sets of the laboratories left out, but for the first one, which is scored as a whole by the run itself."""
    if not d.leave_out:
        return []
    classes = class_map.parse(d.map) or d.classes
    first, *others = sources.open_all(d.data, d.root, d.format, classes, d.magnification.split(","))
    return [s for s in others if s.laboratory in d.leave_out and s.laboratory != first.laboratory]


def _read(source: Source, dataset: Dataset) -> Dataset:
    reference = scales.of_first(dataset.sources[0])
    return sources.read([source], class_names=dataset.class_names, reference=reference, training=False)


def _predictions(dataset: Dataset, score: Scorer, fold: int) -> Predictions:
    """Score a laboratory; each fold's network scores it as a whole, which makes a partition of its own."""
    items = dataset.items
    return Predictions(
        tuple(dataset.class_names),
        partition=np.full(len(items), fold),
        fold=np.zeros(len(items), int),
        picture=np.array([sources.name(i.path, dataset) for i in items]),
        label=np.array([i.label for i in items]),
        patient=np.array([i.patient for i in items]),
        slide=np.array([i.slide for i in items]),
        magnification=np.array([i.magnification or "" for i in items]),
        logits=score(items).astype(np.float32),
    )
