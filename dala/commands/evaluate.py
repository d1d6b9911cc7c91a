"""`python -m dala evaluate`."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dala import files, models
from dala.commands import report as report_command
from dala.data import class_map, datasets, scales, source_rows, sources, statement
from dala.data.datasets import Dataset
from dala.data.items import DataError
from dala.evaluation import inference, metrics, plots, summary
from dala.evaluation.predictions import Predictions
from dala.hub.layout import PREDICTIONS, REPORT
from dala.hub.report import Provenance, Report
from dala.hub.scores import Scores
from dala.models import device
from dala.models.dala_resnet import DALAResNet50

__all__ = ["add_arguments", "run"]

ABOUT = """Score weights on labelled pictures that they were not trained on:

    python -m dala evaluate --model weights --data BreaKHis_v1 --format breakhis --magnification 200X --out scored
    python -m dala evaluate --model weights --root DIR --data weights/sources/bracs.json --out scored

To report a cross-validated run, use `python -m dala report`.
"""
CAUTION = (
    "The weights do not record which patients they were trained on: before citing these scores, make sure that none of "
    "those patients is among these pictures."
)
UNKNOWN = (
    "The patients are unknown: each picture counts as one, so the intervals may be too narrow. If they are known, list "
    "them in groups.csv."
)
MOVED = "`dala evaluate RUN` is deprecated and will be removed in the next version: use `dala report RUN`."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    report_command.add_run_arguments(parser, hidden=True)
    add = parser.add_argument
    add("--model", metavar="WEIGHTS", help="a folder, a file, or user/repo[@revision]")
    add("--data", metavar="SET", help="folder of labelled pictures, a source file (*.json) or hub:OWNER/NAME")
    add("--root", type=Path, default=Path(), help="of the folder in a source file (default: this one)")
    add("--map", action="append", default=[], metavar="FINEST=CLASS", help="as in `dala train`")
    add("--format", default="breakhis", choices=list(datasets.FORMATS), help="its layout (default: breakhis)")
    add("--magnification", default="100X", help="of BreakHis, several separated by commas (default: 100X)")
    add("--classes", default="binary", choices=datasets.CLASSES, help="all: the data set's own (default: binary)")
    add("--device", help="cpu, cuda, mps; default: the fastest available")
    add("--workers", type=int, default=0, help="processes that decode pictures (default: 0)")
    add("--bootstrap", type=int, default=1000, metavar="N", help="bootstrap resamples of the patients (default: 1000)")
    add("--out", type=Path, required=True, metavar="FOLDER", help="output folder")


def run(args: argparse.Namespace) -> int:
    """Score weights on labelled pictures; the exit code.

    Raises:
        WeightsError, DataError, DiskError: input that cannot be used, or output that cannot be written.
    """
    if args.run and not args.model:
        print(MOVED, file=sys.stderr)
        return report_command.run(args)
    if args.run or not (args.model and args.data):
        raise DataError("Give --model and --data to score weights, or use `dala report RUN` to report a run.")
    loaded = models.load(args.model)
    dataset = _read(args, loaded.model)
    model = loaded.model.to(device.find_device(args.device)).to(memory_format=torch.channels_last)
    raw = _predictions(dataset, inference.logits(model, dataset.items, args.workers))
    scaled = replace(raw, logits=raw.logits / model.temperature)
    report = _report(args, loaded, dataset, raw, scaled)
    report["skipped"] = len(dataset.skipped)
    _write(args.out, raw, scaled, report)
    report_command.print_scores(report["scores"])
    if not dataset.grouped:
        print(UNKNOWN)
    print(CAUTION)
    return 0


def _read(args: argparse.Namespace, model: DALAResNet50) -> Dataset:
    """The pictures; those of a source file at the scale of the weights, others fitted as in the app."""
    classes = class_map.parse(args.map) or args.classes
    opened = sources.open_all([args.data], args.root, args.format, classes, args.magnification.split(","))
    described = opened[0].described
    dataset = sources.read(
        opened,
        class_names=model.class_names if described else None,
        reference=scales.of_weights(model.preprocessing) if described else None,
        training=False,
    )
    if tuple(dataset.class_names) != model.class_names:
        raise DataError(
            f"The weights distinguish {', '.join(model.class_names)}, but the pictures are of "
            f"{', '.join(dataset.class_names)}: names and order of the classes must be the same.",
            f"--map {dataset.class_names[0]}={model.class_names[0]} and so on",
        )
    dataset = sources.readable(dataset, args.workers)
    print("\n".join(statement.lines(dataset)))
    return dataset


def _report(
    args: argparse.Namespace, loaded: models.LoadedModel, dataset: Dataset, raw: Predictions, scaled: Predictions
) -> Report:
    return {
        "title": loaded.source,
        "network": "dala",
        "protocol": "external",
        "note": CAUTION,
        "provenance": _provenance(dataset, raw),
        "weights": loaded.model.provenance,
        "sha256": loaded.sha256,
        "revision": loaded.revision,
        "temperature": loaded.model.temperature,
        "scores": _scores(raw, scaled, args.bootstrap, dataset.grouped),
    }


def _predictions(dataset: Dataset, logits: np.ndarray) -> Predictions:
    items = dataset.items
    zeros = np.zeros(len(items), int)
    return Predictions(
        tuple(dataset.class_names),
        partition=zeros,
        fold=zeros,
        # Sub-folders may repeat a file's name.
        picture=np.array([sources.name(i.path, dataset) for i in items]),
        label=np.array([i.label for i in items]),
        patient=np.array([i.patient for i in items]),
        slide=np.array([i.slide for i in items]),
        magnification=np.array([i.magnification or "" for i in items]),
        logits=logits.astype(np.float32),
    )


def _provenance(dataset: Dataset, predictions: Predictions) -> Provenance:
    source = dataset.sources[0]
    provenance: Provenance = {"data": source.title if source.described else source.hub or source.format}
    if source.magnifications:
        provenance["magnification"] = ",".join(source.magnifications)
    patients = len(np.unique(predictions.patient)) if dataset.grouped else None
    provenance |= {"images": len(predictions.picture), "patients": patients}
    if rows := source_rows.rows(dataset, dataset.items):
        provenance["sources"] = rows
    return provenance


def _scores(raw: Predictions, scaled: Predictions, n: int, grouped: bool) -> Scores:
    scores = summary.summary(scaled, n)
    if not grouped:
        scores = summary.without_patients(scores)
    before = metrics.report(raw.label, raw.probabilities(), raw.patient)
    # The temperature came with the weights: none was fitted on these pictures.
    scores["temperatures"] = None
    scores["uncalibrated"] = {"brier": round(before.brier, 4), "ece": round(before.ece, 4)}
    return scores


def _write(folder: Path, raw: Predictions, scaled: Predictions, report: Report) -> None:
    scores = report["scores"]
    folder.mkdir(parents=True, exist_ok=True)
    raw.write(folder / PREDICTIONS)
    files.write(folder / REPORT, json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    pictures = {
        "roc": plots.roc(scaled),
        "reliability": plots.reliability(raw, scaled),
        "confusion": plots.confusion(scores["confusion"], scores["class_names"]),
    }
    plots.save(pictures, folder)
