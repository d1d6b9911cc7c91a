"""Folders of cross-validated runs, as training leaves them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from dala.evaluation.predictions import Predictions
from dala.models import pretrained, serialization

START = {"name": "start.safetensors", "sha256": "ab" * 32, "loaded": 265, "missing": [], "left_over": []}
PLOTS = ("roc.png", "reliability.png", "confusion.png", "protocols.png")


def predictions(
    quality=1.6, classes=2, partitions=3, folds=4, patients=24, each=4, seed=0, by_image=False, zooms=("100X",)
) -> Predictions:
    """Patients of `each` pictures from two slides; logits that are too sure of themselves, partly by patient."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), each)
    label, m = patient % classes, len(patient)
    parts = []
    for k in range(partitions):
        order = np.random.default_rng(k).permutation(patients // classes)
        noise = (
            random.normal(size=(m, classes)) + 0.7 * np.random.default_rng(99).normal(size=(patients, classes))[patient]
        )
        parts.append(
            Predictions(
                ("benign", "malignant", "other")[:classes],
                partition=np.full(m, k),
                fold=np.arange(m) % folds if by_image else order[patient // classes] % folds,
                picture=np.array([f"{n:03d}.png" for n in range(m)]),
                label=label,
                patient=np.array([f"p{p:02d}" for p in patient]),
                slide=np.array([f"p{p:02d}{'AB'[n % 2]}" for n, p in enumerate(patient)]),
                magnification=np.array([zooms[n // 2 % len(zooms)] for n in range(m)]),
                logits=(2.5 * (quality * np.eye(classes)[label] + noise)).astype(np.float32),
            )
        )
    return Predictions.concatenate(parts)


def save(
    folder: Path,
    run: Predictions,
    network: str = "dala",
    protocol: str = "patient",
    shipped: bool = False,
    inner: bool = False,
    **settings: Any,
) -> Path:
    """Write a run: predictions, report and split, and with `shipped` the shipped weights."""
    folder.mkdir()
    run.write(folder / "predictions.csv")
    if shipped:
        for name in (serialization.FILE, serialization.CONFIG):
            shutil.copyfile(pretrained.SHIPPED / name, folder / name)
    where = {"data": "BreakHis", "magnification": "100X", "images": 96, "patients": 24, "start": START}
    report = {
        "title": network,
        "network": network,
        "protocol": protocol,
        "inner": inner,
        "provenance": where,
        "sha256": serialization.sha256(folder / serialization.FILE) if shipped else None,
        "fold_sha256": {},
        "temperature": 1.25,
        "settings": {"height": 460, "width": 700, "inner": inner, **settings},
        "commands": ["python -m dala train --data BreaKHis_v1"],
    }
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    (folder / "split.json").write_text(json.dumps({"protocol": protocol, "partitions": []}), encoding="utf-8")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Content of every file of a folder, by its path in it."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
