"""Train networks on pictures sorted by patient, and score each on patients that it never saw.

    python -m dala train --data phantom --out runs/phantom                              (no data set needed)
    python -m dala train --data phantom:ink --out runs/phantom-decoy                    (ink on the malignant ones)
    python -m dala train --data BreaKHis_v1 --init IMAGENET1K_V2 --out runs/dala
    python -m dala train --data BreaKHis_v1 --init IMAGENET1K_V2 --out runs/dala --resume
    python -m dala train --data my_patches --format folder --init weights/model.safetensors --split holdout
    torchrun --nproc-per-node 4 -m dala train --data BreaKHis_v1 --views 0 --train-from stem --epochs 30 --batch 128

First the attention and the head alone are fitted to the frozen start's pooled features (a probe), then the stages from
`--train-from` up are fine-tuned with them: a head that fits already distorts the features less (Kumar et al. 2022,
arXiv 2202.10054). What the stages below see of `--views` views of every picture is kept on the disk, so that a fold
costs minutes. No epoch is chosen by looking at held-out pictures. By default every patient is held out once in each
partition, and then a network is trained on everything: the folds tell what to expect of it.

Writes to `--out`: `predictions.csv` (held-out logits), `report.json`, `split.json`, `settings.json`, a folder for each
fold, and `model.safetensors` with `config.json`. `python -m dala compare` and `evaluate` go on from there.
"""

import csv
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
import torchvision

from dala import files
from dala.data import datasets, splits
from dala.data import items as data_items
from dala.data.items import Item
from dala.data.splits import Split
from dala.evaluation import calibration, summary
from dala.evaluation.predictions import Predictions
from dala.models import serialization
from dala.models.dala_resnet import DALAResNet50
from dala.models.device import find_device
from dala.training import baselines, fit, phantom_data
from dala.training.config import Settings, SettingsError
from dala.training.distributed import Ranks, join
from dala.training.fit import Job
from dala.training.networks import Upper

__all__ = ["Settings", "train"]

TITLES = {
    "breakhis": "BreakHis",
    "bach": "BACH",
    "mini_ddsm": "Mini-DDSM",
    "idc": "IDC",
    "folder": "a folder of pictures",
}


def train(settings: Settings) -> dict[str, Any]:
    """Run the whole recipe and return the report that is also written to `report.json`.

    Raises:
        DataError, WeightsError, SettingsError, DeviceError: what cannot be used.
        CheckpointError, DiskError: no room on the disk, or no permission.
    """
    began = time.perf_counter()
    torch.manual_seed(settings.seed)
    torch.use_deterministic_algorithms(settings.deterministic)
    ranks, device = join(find_device(settings.device))
    settings = settings.on(device)
    settings.out.mkdir(parents=True, exist_ok=True)
    settings, dataset = _dataset(settings, ranks)
    split = _split(settings, _scored(settings, dataset.items))
    if ranks.rank == 0:
        _keep(settings, split)
    ranks.wait()
    job = fit.prepare(settings, dataset.items, dataset.class_names, device, ranks)
    parts, digests = [], {}
    for partition, folds in enumerate(split.partitions):
        for fold in range(len(folds)):
            part, digest = _fold(job, split, partition, fold)
            parts.append(part)
            if digest:
                digests[f"{partition}/{fold}"] = digest
    predictions = Predictions.concatenate(parts)
    temperature = _temperature(predictions) if split.protocol == "patient" else 1.0
    report = {
        "title": settings.network,
        "network": settings.network,
        "protocol": split.protocol,
        "inner": settings.inner,
        "provenance": _provenance(job, job.items),
        "sha256": _final(job, split, temperature),
        "fold_sha256": digests,
        "temperature": temperature,
        "skipped": len(dataset.skipped),
        "settings": settings.public(),
        "commands": [_command(settings)],
        "versions": {p.__name__: p.__version__ for p in (torch, torchvision, sklearn, np)},
        "scores": summary.summary(predictions),
        **_speed(settings.out, began),
    }
    if ranks.rank == 0:
        predictions.write(settings.out / "predictions.csv")
        _write_json(settings.out / "report.json", report)
        (settings.out / "final" / "last.pt").unlink(missing_ok=True)
    return report


def _dataset(settings: Settings, ranks: Ranks) -> tuple[Settings, datasets.Dataset]:
    first = ranks.rank == 0
    if phantom_data.asked(settings):
        settings = phantom_data.settle(settings)
        if first:
            phantom_data.draw(settings)
        ranks.wait()
        return settings, datasets.read(settings.data, "folder")
    dataset = datasets.read(
        settings.data,
        settings.format,
        classes=settings.classes,
        magnifications=(*settings.magnification.split(","), *settings.others),
    )
    dataset = datasets.readable(dataset, settings.workers or 0)
    if dataset.skipped and first:
        print(f"{len(dataset.skipped)} files are not used:")
        for file, sentence in dataset.skipped.items():
            print(f"  {file}: {sentence}")
    if not dataset.grouped and settings.split != "image" and first:
        print("The patients are not known: each picture counts as one, and the figures may flatter.")
    if settings.split == "image" and first:
        print("A split by image: pictures of one patient stand on both sides, and the figures flatter.")
    return settings, dataset


def _scored(settings: Settings, items: list[Item]) -> list[Item]:
    return [i for i in items if i.magnification not in settings.others]


def _split(settings: Settings, items: list[Item]) -> Split:
    if settings.split_file:
        return splits.read(settings.split_file, items)
    s = settings
    return splits.make(items, s.split, s.folds, s.partitions, s.held_out, s.seed)


def _keep(settings: Settings, split: Split) -> None:
    file, told = settings.out / "settings.json", settings.public()
    if settings.resume and file.exists():
        if json.loads(file.read_text(encoding="utf-8")) != told:
            raise SettingsError(f"{file} tells of other settings: resume with the same, or choose another --out.")
        if json.loads((settings.out / "split.json").read_text(encoding="utf-8")) != json.loads(split.to_json()):
            raise SettingsError(f"{settings.out / 'split.json'} is another split: the pictures have changed.")
    else:
        for old in [*settings.out.glob("fold-*"), settings.out / "final"]:
            shutil.rmtree(old, ignore_errors=True)
        for name in ("report.json", "predictions.csv"):
            (settings.out / name).unlink(missing_ok=True)
    # The settings come last: where they lie, the split does.
    files.write(settings.out / "split.json", split.to_json())
    _write_json(file, told)


def _fold(job: Job, split: Split, partition: int, fold: int) -> tuple[Predictions, str | None]:
    """Held-out predictions of one fold, and the SHA-256 of its network where that is kept."""
    settings, place = job.settings, {i.path: k for k, i in enumerate(job.items)}
    train, held = split.sides(job.items, partition, fold)
    if settings.inner:
        # The scored fold of the real run takes no part at all: the one after it is scored in its stead.
        _, inner = split.sides(job.items, partition, (fold + 1) % settings.folds)
        train, held = [i for i in train if i not in inner], inner
    held = _scored(settings, held)
    out = job.settings.out / f"fold-{partition}-{fold}"
    done = out / "predictions.csv"
    model_file = out / serialization.FILE
    if not (settings.resume and done.exists()):
        chosen, scored = [place[i.path] for i in train], [place[i.path] for i in held]
        print(f"partition {partition}, fold {fold}: {len(chosen)} pictures to train on, {len(scored)} to score")
        if settings.network in baselines.BASELINES and job.statistics is not None:
            out.mkdir(exist_ok=True)
            told = baselines.log_probabilities(settings.network, job.statistics, job.items, chosen, scored)
        else:
            upper = fit.fit(job, chosen, out, scored)
            told = fit.logits(job, upper, scored)
            # The first partition's networks are for whoever explains pictures that a network never saw.
            if settings.network == "dala" and partition == 0 and not settings.inner and job.ranks.rank == 0:
                _save(job, upper, train, out)
        if job.ranks.rank == 0:
            _predictions(job, held, told, partition, fold).write(done)
        job.ranks.wait()
    if job.ranks.rank == 0:
        (out / "last.pt").unlink(missing_ok=True)
    return Predictions.read(done), serialization.sha256(model_file) if model_file.exists() else None


def _predictions(job: Job, held: list[Item], logits: np.ndarray, partition: int, fold: int) -> Predictions:
    n, names = len(held), data_items.names(job.items)
    return Predictions(
        tuple(job.class_names),
        np.full(n, partition),
        np.full(n, fold),
        np.array([names[i.path] for i in held]),
        np.array([i.label for i in held]),
        np.array([i.patient for i in held]),
        np.array([i.slide for i in held]),
        np.array([i.magnification or "" for i in held]),
        logits.astype(np.float32),
    )


def _temperature(predictions: Predictions) -> float:
    balance = calibration.balanced_weights(predictions.label, predictions.patient)
    return round(calibration.temperature(predictions.logits, predictions.label, balance), 4)


def _final(job: Job, split: Split, temperature: float) -> str | None:
    """Train on everything (or, with a hold-out, on its training side) and save; the SHA-256."""
    settings = job.settings
    if settings.network != "dala" or not settings.final or settings.inner:
        return None
    if settings.resume and (done := _reported(settings.out)):
        return done
    train = job.items if split.protocol != "holdout" else split.sides(job.items, 0, 0)[0]
    place = {i.path: k for k, i in enumerate(job.items)}
    print(f"final network: {len(train)} pictures to train on")
    upper = fit.fit(job, [place[i.path] for i in train], settings.out / "final")
    if job.ranks.rank == 0:
        _save(job, upper, train, settings.out, temperature)
    job.ranks.wait()
    return serialization.sha256(settings.out / serialization.FILE)


def _reported(out: Path) -> str | None:
    """SHA-256 of the network of a run whose report, which comes last, is there; None if either is not."""
    report, file = out / "report.json", out / serialization.FILE
    told = json.loads(report.read_text(encoding="utf-8"))["sha256"] if report.exists() and file.exists() else None
    return told if told and told == serialization.sha256(file) else None


def _save(job: Job, upper: Upper, train: list[Item], folder: Path, temperature: float = 1.0) -> None:
    network = upper.network
    if isinstance(network, DALAResNet50):
        network.provenance, network.temperature = _provenance(job, train), temperature
        serialization.save(network, folder)


def _provenance(job: Job, train: list[Item]) -> dict[str, Any]:
    s, own = job.settings, _scored(job.settings, train)
    also = {"magnification": s.also, "images": len(train) - len(own), "patients": len({i.patient for i in train})}
    return {
        "data": phantom_data.named(s) or TITLES[s.format],
        **({"magnification": s.magnification} if s.format == "breakhis" else {}),
        "images": len(own),
        "patients": len({i.patient for i in own}),
        **({"also": also} if s.also else {}),
        "start": job.started,
    }


def _command(settings: Settings) -> str:
    """What makes the run again, but for the reader's own paths."""
    plain = Settings().on(torch.device("cpu")).public()
    parts = ["python -m dala train --data DATA --init START --out RUN"]
    for name, value in settings.public().items():
        if value != plain[name] and name not in ("precision", "crop" if settings.views and not settings.epochs else ""):
            flag = f"--{name.replace('_', '-')}"
            switch = flag if value is True else f"--no-{flag[2:]}"
            parts.append(switch if isinstance(value, bool) else f"{flag} {value}")
    return " ".join(parts)


def _speed(out: Path, began: float) -> dict[str, Any]:
    rates = []
    for file in out.glob("*/log.csv"):
        with file.open(newline="") as stream:
            rates += [float(r["images_per_second"]) for r in csv.DictReader(stream) if r["images_per_second"]]
    return {
        "images_per_second": round(float(np.median(rates)), 2) if rates else None,
        "seconds": round(time.perf_counter() - began),
    }


def _write_json(file: Path, value: Any) -> None:
    files.write(file, json.dumps(value, indent=2) + "\n")
