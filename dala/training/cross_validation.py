"""Cross-validation: fit a candidate on some patients and score it on others, then train the final network on all.

Files in the run's folder: `predictions.csv` (held-out logits), `report.json`, `split.json`, `settings.json`, a folder
for each fold, and `model.safetensors` with `config.json`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import sklearn
import torch
import torchvision

from dala.data import class_map, source_rows, sources, splits
from dala.data import items as data_items
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
from dala.training import candidates, phantom_data, provenance, run_folder
from dala.training.candidates import Candidate
from dala.training.config import Settings
from dala.training.config_parts import DataConfig, SettingsError
from dala.training.distributed import Ranks, join

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
    settings, dataset = _read_data(settings, ranks)
    split = _split(settings, dataset)
    if ranks.is_first:
        run_folder.prepare(settings, split, source_rows.rows(dataset, dataset.items))
    ranks.barrier()
    candidate = candidates.create(settings, dataset.items, dataset.class_names, device, ranks)
    run = _Run(settings, dataset, split, candidate, ranks)
    predictions = Predictions.concatenate([run.fold(partition, fold) for partition, fold in run.folds])
    temperature = _temperature(predictions) if split.protocol == "patient" else 1.0
    sha256 = run.final(temperature)
    report: Report = {
        **run.report(sha256, temperature),
        "scores": summary.summary(predictions),
        "images_per_second": run_folder.speed(out),
        "seconds": round(time.perf_counter() - began),
    }
    if ranks.is_first:
        predictions.write(out / PREDICTIONS)
        run_folder.write_json(out / REPORT, report)
        (out / "final" / "last.pt").unlink(missing_ok=True)
    return report


def _read_data(settings: Settings, ranks: Ranks) -> tuple[Settings, Dataset]:
    """The readable pictures, and the settings, resolved by what the first set states."""
    if phantom_data.is_requested(settings.data):
        settings = phantom_data.resolve(settings)
        if ranks.is_first:
            phantom_data.draw(settings)
        ranks.barrier()
    d = settings.data
    classes = class_map.parse(d.map) or d.classes
    opened = sources.open_all(d.data, d.root, d.format, classes, d.magnification.split(","))
    first = replace(opened[0], um_per_pixel=opened[0].um_per_pixel or d.um_per_pixel)
    dataset = sources.read([first, *opened[1:]], leave_out=d.leave_out)
    zooms = ",".join(first.magnifications) or first.magnification
    settings = settings.with_options(
        format=first.format, magnification=zooms or d.magnification, um_per_pixel=first.um_per_pixel
    )
    dataset = sources.readable(dataset, settings.runtime.workers or 0)
    if ranks.is_first:
        _print_warnings(settings.data, dataset)
    return settings, dataset


def _print_warnings(config: DataConfig, dataset: Dataset) -> None:
    if dataset.skipped:
        print(f"{len(dataset.skipped)} files are not used:")
        for file, sentence in dataset.skipped.items():
            print(f"  {file}: {sentence}")
    if config.split == "image":
        print("The split is by image: pictures of one patient are on both sides, so the scores are too optimistic.")
    elif not dataset.grouped:
        print("The patients are unknown: each picture counts as one, so the scores may be too optimistic.")


def _split(settings: Settings, dataset: Dataset) -> Split:
    d, items = settings.data, dataset.scored
    if dataset.sources[0].laboratory in d.leave_out:
        if d.inner or d.split_file:
            raise SettingsError(
                "With the scored laboratory left out there are no folds: leave out `inner`, `split_file`."
            )
        return Split("holdout", ((tuple(sorted({i.patient for i in items})),),))
    if d.split_file:
        return splits.read(d.split_file, items)
    return splits.make(items, d.split, d.folds, d.partitions, d.held_out, settings.runtime.seed)


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

    @property
    def folds(self) -> list[tuple[int, int]]:
        """(partition, fold) of every fold."""
        return [(p, f) for p, partition in enumerate(self.split.partitions) for f in range(len(partition))]

    def fold(self, partition: int, fold: int) -> Predictions:
        """Fit to the training side of a fold and score the other; a finished fold of a resumed run is read."""
        out = self._folder(partition, fold)
        file = out / PREDICTIONS
        if not (self.settings.runtime.resume and file.exists()):
            train, test = self._sides(partition, fold)
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
        if self.ranks.is_first:
            (out / "last.pt").unlink(missing_ok=True)
        return Predictions.read(file)

    def final(self, temperature: float) -> str | None:
        """Train on all pictures, or with a holdout on its training side, and save; the SHA-256 of the weights."""
        out, d = self.settings.runtime.out, self.settings.data
        if not (self.settings.features.is_publishable and d.final) or d.inner:
            return None
        if self.settings.runtime.resume and (sha256 := run_folder.reported_sha256(out)):
            return sha256
        train = (
            self.dataset.items if self.split.protocol != "holdout" else self.split.sides(self.dataset.items, 0, 0)[0]
        )
        print(f"final network: {len(train)} pictures to train on")
        (out / "final").mkdir(exist_ok=True)
        self.candidate.fit(self._indices(train), out / "final")
        if self.ranks.is_first:
            self._save(train, out, temperature)
        self.ranks.barrier()
        return serialization.sha256(out / serialization.FILE)

    def report(self, sha256: str | None, temperature: float) -> Report:
        """What was trained, on which pictures, and how, as plain JSON; SHA-256 of the folds by "partition/fold"."""
        network = self.settings.features.network
        sets = source_rows.rows(self.dataset, self.dataset.items)
        files = {f"{p}/{f}": self._folder(p, f) / serialization.FILE for p, f in self.folds}
        return {
            "title": network,
            "network": network,
            "protocol": self.split.protocol,
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

    def _folder(self, partition: int, fold: int) -> Path:
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
