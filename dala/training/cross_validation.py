"""Cross-validation: fit a candidate on some patients and score it on others, then train the final network on all.

Files in the run's folder: `predictions.csv` (held-out logits), `report.json`, `split.json`, `settings.json`, a folder
for each fold, and `model.safetensors` with `config.json`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import sklearn
import torch
import torchvision

from dala.data import items as data_items
from dala.data import source_rows
from dala.data.datasets import Dataset
from dala.data.items import Item
from dala.data.splits import Split
from dala.evaluation import calibration, summary
from dala.evaluation.predictions import Predictions
from dala.hub.layout import PREDICTIONS, REPORT
from dala.hub.report import Provenance, Report
from dala.models import serialization
from dala.models.dala_resnet import DALAResNet50
from dala.models.device import find_device
from dala.training import candidates, outside, pictures, provenance, run_folder
from dala.training.candidates import Candidate
from dala.training.config import Settings
from dala.training.distributed import Ranks, join
from dala.training.outside import Outside

__all__ = ["Settings", "train"]


def train(settings: Settings) -> Report:
    """Cross-validate and train the final network; return the report that is also written to `report.json`.

    Raises:
        DataError, WeightsError, SettingsError, DeviceError: an input that cannot be used.
        CheckpointError, DiskError: no room on the disk, or no permission.
    """
    began = time.perf_counter()
    torch.manual_seed(settings.runtime.seed)
    torch.use_deterministic_algorithms(settings.runtime.deterministic)
    ranks, device = join(find_device(settings.runtime.device))
    settings = settings.resolve(device)
    out = settings.runtime.out
    out.mkdir(parents=True, exist_ok=True)
    settings, dataset = pictures.read(settings, ranks)
    split = pictures.split(settings, dataset)
    if ranks.is_first:
        run_folder.prepare(settings, split, source_rows.rows(dataset, dataset.items))
    ranks.barrier()
    scored_too = outside.open_all(settings, dataset)
    candidate = candidates.create(settings, dataset.items, dataset.class_names, device, ranks)
    run = _Run(settings, dataset, split, candidate, ranks, scored_too)
    predictions = Predictions.concatenate([run.fold(partition, fold) for partition, fold in run.folds])
    temperature = _temperature(predictions) if split.protocol == "patient" else 1.0
    report: Report = {
        **run.final(temperature),
        "scores": summary.summary(predictions),
        "images_per_second": run_folder.speed(out),
        "seconds": round(time.perf_counter() - began),
    }
    if ranks.is_first:
        predictions.write(out / PREDICTIONS)
        scored_too.collect([run.folder(0, f) for p, f in run.folds if not p], out, report)
        run_folder.write_json(out / REPORT, report)
        (out / "final" / "last.pt").unlink(missing_ok=True)
    return report


def _temperature(predictions: Predictions) -> float:
    balance = calibration.balanced_weights(predictions.label, predictions.patient)
    return round(calibration.temperature(predictions.logits, predictions.label, balance), 4)


@dataclass(frozen=True)
class _Run:
    """The folds and the final network of one candidate."""

    settings: Settings
    dataset: Dataset
    split: Split
    candidate: Candidate
    ranks: Ranks
    outside: Outside

    @property
    def folds(self) -> list[tuple[int, int]]:
        """(partition, fold) of every fold."""
        return [(p, f) for p, partition in enumerate(self.split.partitions) for f in range(len(partition))]

    def fold(self, partition: int, fold: int) -> Predictions:
        """Fit to the training side of a fold and score the other; a finished fold of a resumed run is read."""
        out = self.folder(partition, fold)
        file, (train, test) = out / PREDICTIONS, self._sides(partition, fold)
        fitted = not (self.settings.runtime.resume and file.exists())
        if fitted:
            print(f"partition {partition}, fold {fold}: {len(train)} pictures to train on, {len(test)} to score")
            out.mkdir(exist_ok=True)
            self.candidate.fit(self._indices(train), out, self._indices(test))
            logits = self.candidate.logits(self._indices(test))
            if self.ranks.is_first:
                # Networks of the first partition explain pictures that they were not trained on.
                if partition == 0 and not self.settings.data.inner:
                    self._save(train, out)
                self._predictions(test, logits, partition, fold).write(file)
            self.ranks.barrier()
        if any(self.ranks.gather(bool(self.outside.lacking(partition, out)))):
            if not fitted and not (out / serialization.FILE).exists():
                self.candidate.fit(self._indices(train), out)
            if self.ranks.is_first:
                score = outside.scorer(self.candidate, out)
                make = partial(self._predictions, test, partition=partition, fold=fold)
                self.outside.score_fold(score, test, make, fold, out)
            self.ranks.barrier()
        if self.ranks.is_first:
            (out / "last.pt").unlink(missing_ok=True)
        return Predictions.read(file)

    def final(self, temperature: float) -> Report:
        """Train on all pictures, or with a holdout on its training side, save, and score; the report."""
        out, d = self.settings.runtime.out, self.settings.data
        saved, resume = self.settings.features.is_publishable and d.final, self.settings.runtime.resume
        wanted = any(self.ranks.gather(self.outside.lacks_laboratory(out)))
        if d.inner or not (saved or wanted):
            return self.report(None, temperature)
        sha256 = run_folder.reported_sha256(out) if saved and resume else None
        if not sha256:
            sha256 = self._fit_final(temperature, saved)
        report = self.report(sha256, temperature)
        if wanted and self.ranks.is_first:
            score = outside.scorer(self.candidate, out)
            self.outside.score_final(score, out, report)
        self.ranks.barrier()
        return report

    def _fit_final(self, temperature: float, saved: bool) -> str | None:
        out = self.settings.runtime.out
        train = (
            self.dataset.items if self.split.protocol != "holdout" else self.split.sides(self.dataset.items, 0, 0)[0]
        )
        print(f"final network: {len(train)} pictures to train on")
        (out / "final").mkdir(exist_ok=True)
        self.candidate.fit(self._indices(train), out / "final")
        if not saved:
            return None
        if self.ranks.is_first:
            self._save(train, out, temperature)
        self.ranks.barrier()
        return serialization.sha256(out / serialization.FILE)

    def report(self, sha256: str | None, temperature: float) -> Report:
        """What was trained, on which pictures, and how, as plain JSON; SHA-256 of the folds by "partition/fold"."""
        network = self.settings.features.network
        sets = source_rows.rows(self.dataset, self.dataset.items)
        files = {f"{p}/{f}": self.folder(p, f) / serialization.FILE for p, f in self.folds}
        return {
            "title": network,
            "network": network,
            "protocol": self.split.protocol,
            **self._given(),
            "inner": self.settings.data.inner,
            "provenance": self._provenance(self.dataset.items),
            "sha256": sha256,
            "fold_sha256": {name: serialization.sha256(file) for name, file in files.items() if file.exists()},
            "temperature": temperature,
            "skipped": len(self.dataset.skipped),
            "settings": {**self.settings.public(), **({"sources": source_rows.recipe(sets)} if sets else {})},
            "commands": [run_folder.command(self.settings)],
            "versions": {p.__name__: p.__version__ for p in (torch, torchvision, sklearn, np)},
        }

    def _given(self) -> Report:
        """The split that came with the pictures: the one that was used, and those that could have been."""
        found: Report = {"given_splits": [str(one) for one in self.dataset.given]} if self.dataset.given else {}
        if self.split.given is None:
            return found
        items, held = self.dataset.scored, self.folds
        sides = [self.split.sides(items, p, f) for p, f in held]
        shared = {patient for a, b in sides for patient in {i.patient for i in a} & {i.patient for i in b}}
        return {**found, "given_split": self.split.given, "patients_on_both_sides": len(shared)}

    def folder(self, partition: int, fold: int) -> Path:
        """The folder of a fold."""
        return self.settings.runtime.out / f"fold-{partition}-{fold}"

    def _sides(self, partition: int, fold: int) -> tuple[list[Item], list[Item]]:
        train, test = self.split.sides(self.dataset.items, partition, fold)
        if self.settings.data.inner:
            # The fold itself is excluded, so that model selection never sees it; the next one is scored instead.
            _, inner = self.split.sides(self.dataset.items, partition, (fold + 1) % self.settings.data.folds)
            train, test = [i for i in train if i not in inner], inner
        return train, self._scored(test)

    def _scored(self, items: Sequence[Item]) -> list[Item]:
        return [i for i in items if i.source == self.dataset.sources[0].title]

    def _indices(self, items: Sequence[Item]) -> list[int]:
        index = {item.path: k for k, item in enumerate(self.dataset.items)}
        return [index[item.path] for item in items]

    def _predictions(self, test: list[Item], logits: np.ndarray, partition: int, fold: int) -> Predictions:
        n, names = len(test), data_items.names(self.dataset.scored)
        return Predictions(
            tuple(self.dataset.class_names),
            np.full(n, partition),
            np.full(n, fold),
            np.array([names[i.path] for i in test]),
            np.array([i.label for i in test]),
            np.array([i.patient for i in test]),
            np.array([i.slide for i in test]),
            np.array([i.magnification or "" for i in test]),
            logits.astype(np.float32),
        )

    def _save(self, train: list[Item], folder: Path, temperature: float = 1.0) -> None:
        network = self.candidate.network
        if self.settings.features.is_publishable and isinstance(network, DALAResNet50):
            network.provenance, network.temperature = dict(self._provenance(train)), temperature
            serialization.save(network, folder)

    def _provenance(self, train: list[Item]) -> Provenance:
        return provenance.of(self.settings, self.dataset, train, self.candidate.initialization)
