"""`python -m dala evaluate`."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dala import files, models
from dala.data import datasets
from dala.data.datasets import Dataset
from dala.evaluation import inference, metrics, plots, summary
from dala.evaluation.predictions import Predictions
from dala.models import device
from dala.publishing import run_report
from dala.publishing.run_report import Publication, PublicationError

__all__ = ["add_arguments", "run"]

ABOUT = """Publish a cross-validated run with everything that belongs beside it:

    python -m dala evaluate runs/dala --beside runs/resnet50 runs/colour --image-wise runs/image \\
        --image-wise-beside runs/image-colour --choice runs/inner-a runs/inner-b --out published

Or score weights on labelled pictures that they were not trained on:

    python -m dala evaluate --model weights --data BreaKHis_v1 --format breakhis --magnification 200X --out scored
"""
DUTY = (
    "The weights do not tell which patients they were trained on: that none of them stands among these pictures is for "
    "whoever cites the figures to make sure."
)
SHOWN = ("auc", "balanced_accuracy", "accuracy", "patient_auc", "patient_score", "brier", "ece")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `run` reads."""
    parser.description, parser.formatter_class = ABOUT, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("run", nargs="?", type=Path, metavar="RUN", help="folder of the run to publish")
    add("--beside", nargs="+", type=Path, default=[], metavar="RUN", help="other networks and baselines, same split")
    add("--image-wise", type=Path, metavar="RUN", help="the same network, dealt out by image")
    add("--image-wise-beside", type=Path, metavar="RUN", help="colour alone, dealt out by image")
    add(
        "--choice",
        nargs="+",
        type=Path,
        default=[],
        metavar="RUN",
        help="runs with `--inner`: candidates of the recipe",
    )
    add("--why", default="", metavar="TEXT", help="what there is to say of the choice")
    add("--model", metavar="WEIGHTS", help="score these instead: a folder, a file, or user/repo[@revision]")
    add("--data", type=Path, help="folder with the pictures")
    add("--format", default="breakhis", choices=list(datasets.FORMATS), help="its layout (default: breakhis)")
    add("--magnification", default="100X", help="of BreakHis, several with commas (default: 100X)")
    add("--classes", default="binary", choices=datasets.CLASSES, help="all: the data set's own (default: binary)")
    add("--device", help="cpu, cuda, mps; default: the best there is")
    add("--workers", type=int, default=0, help="processes that decode pictures (default: 0)")
    add("--bootstrap", type=int, default=1000, metavar="N", help="resamples of patients (default: 1000)")
    add("--out", type=Path, required=True, metavar="FOLDER", help="folder for everything that is written")


def run(args: argparse.Namespace) -> int:
    """Publish a run, or score weights; the exit code.

    Raises:
        PublicationError, PredictionsError, CompareError, WeightsError, DataError: what cannot be used or written.
    """
    if bool(args.run) == bool(args.model):
        raise PublicationError("Give either a RUN to publish, or --model and --data to score weights.")
    if args.model and not args.data:
        raise PublicationError("--model needs --data: a folder with labelled pictures.")
    return _score(args) if args.model else _publish(args)


def _publish(args: argparse.Namespace) -> int:
    runs = Publication(
        run_report.read(args.run),
        [run_report.read(folder) for folder in args.beside],
        run_report.read(args.image_wise) if args.image_wise else None,
        run_report.read(args.image_wise_beside) if args.image_wise_beside else None,
        [run_report.read(folder) for folder in args.choice],
        args.why,
    )
    report = run_report.assemble(runs, args.bootstrap)
    run_report.write(runs, report, args.out)
    _print(report["scores"])
    return 0


def _score(args: argparse.Namespace) -> int:
    loaded = models.load(args.model)
    zooms = tuple(args.magnification.split(","))
    dataset = datasets.read(args.data, args.format, classes=args.classes, magnifications=zooms)
    if tuple(dataset.class_names) != loaded.model.class_names:
        raise PublicationError(
            f"The weights tell {', '.join(loaded.model.class_names)} apart, and the pictures are of "
            f"{', '.join(dataset.class_names)}, in this order."
        )
    dataset = datasets.readable(dataset, args.workers)
    model = loaded.model.to(device.find_device(args.device)).to(memory_format=torch.channels_last)
    raw = _predictions(dataset, args.data, inference.logits(model, dataset.items, args.workers))
    scaled = replace(raw, logits=raw.logits / model.temperature)
    report: dict[str, Any] = {
        "title": loaded.source,
        "network": "dala",
        "protocol": "external",
        "note": DUTY,
        "provenance": _provenance(args, raw),
        "weights": model.provenance,
        "sha256": loaded.sha256,
        "revision": loaded.revision,
        "temperature": model.temperature,
        "skipped": len(dataset.skipped),
        "scores": _scores(raw, scaled, args.bootstrap),
    }
    _write(args.out, raw, scaled, report)
    _print(report["scores"])
    print(DUTY)
    return 0


def _predictions(dataset: Dataset, root: Path, logits: np.ndarray) -> Predictions:
    items = dataset.items
    nought = np.zeros(len(items), int)
    return Predictions(
        tuple(dataset.class_names),
        partition=nought,
        fold=nought,
        # Sub-folders may repeat a file's name.
        picture=np.array([i.path.relative_to(root).as_posix() for i in items]),
        label=np.array([i.label for i in items]),
        patient=np.array([i.patient for i in items]),
        slide=np.array([i.slide for i in items]),
        magnification=np.array([i.magnification or "" for i in items]),
        logits=logits.astype(np.float32),
    )


def _provenance(args: argparse.Namespace, predictions: Predictions) -> dict[str, Any]:
    return {
        "data": args.format,
        **({"magnification": args.magnification} if args.format == "breakhis" else {}),
        "images": len(predictions.picture),
        "patients": len(np.unique(predictions.patient)),
    }


def _scores(raw: Predictions, scaled: Predictions, n: int) -> dict[str, Any]:
    scores = summary.summary(scaled, n)
    before = metrics.report(raw.label, raw.probabilities(), raw.patient)
    # The temperature came with the weights: none was fitted on these pictures.
    scores["temperatures"] = None
    scores["uncalibrated"] = {"brier": round(before.brier, 4), "ece": round(before.ece, 4)}
    return scores


def _write(folder: Path, raw: Predictions, scaled: Predictions, report: dict[str, Any]) -> None:
    scores = report["scores"]
    folder.mkdir(parents=True, exist_ok=True)
    raw.write(folder / "predictions.csv")
    files.write(folder / "report.json", json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    pictures = {
        "roc": plots.roc(scaled),
        "reliability": plots.reliability(raw, scaled),
        "confusion": plots.confusion(scores["confusion"], scores["class_names"]),
    }
    plots.save(pictures, folder)


def _print(scores: dict[str, Any]) -> None:
    print(
        f"{scores['images']} pictures, {scores['patients']} patients; partitions: {scores['partitions']}, "
        f"folds: {scores['folds']}"
    )
    for name in SHOWN:
        value, low, high = scores["figures"][name]
        told = "not defined" if value is None else f"{value:.3f}"
        interval = "" if low is None else f"  [{low:.3f}, {high:.3f}]"
        print(f"{name.replace('_', ' '):18} {told}{interval}")
