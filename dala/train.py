"""Train a DALAResNet50 on pictures sorted by patient.

    python -m dala train --data BreaKHis_v1 --magnification 100X --init resnet50.safetensors --out runs/one
    python -m dala train --data BreaKHis_v1 --magnification 100X --init resnet50.safetensors --out runs/one --resume
    python -m dala train --data my_patches --format folder --init IMAGENET1K_V2 --train-from stem --epochs 30

First the attention and the head alone are fitted to the frozen start's pooled features (a probe), then the stages from
`--train-from` up are fine-tuned with them: a head that fits already distorts the features less (Kumar et al. 2022,
arXiv 2202.10054). The best epoch is chosen by AUC on held-out patients. Writes to `--out`: `model.safetensors`,
`config.json`, `report.json`, `split.json`, `log.csv`, and `last.pt` for `--resume`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

from dala import data, evaluate, images, start, weights
from dala.data import Item
from dala.engine import find_device
from dala.finetune import Run, load_last
from dala.model import DALAResNet50
from dala.settings import Settings

__all__ = ["SIDES", "Settings", "train"]

SIDES = ("train", "held_out")
TITLES = {"breakhis": "BreakHis", "folder": "a folder of pictures"}


def train(settings: Settings) -> dict[str, Any]:
    """Run the whole recipe and return the report that is also written to `report.json`.

    Raises:
        DataError, WeightsError, ExplainError: data, start or device that cannot be used.
    """
    torch.manual_seed(settings.seed)
    device = find_device(settings.device)
    settings = settings.on(device)
    if settings.format == "breakhis":
        items, names = data.breakhis(settings.data, settings.magnification)
    else:
        items, names = data.folder(settings.data)
    sides = data.split(items, settings.held_out, settings.seed)
    settings.out.mkdir(parents=True, exist_ok=True)
    patients = {name: sorted({i.patient for i in side}) for name, side in zip(SIDES, sides, strict=True)}

    preprocessing = images.Preprocessing(
        settings.height,
        settings.width,
        magnification=settings.magnification if settings.format == "breakhis" else None,
        um_per_pixel=settings.um_per_pixel,
    )
    model = DALAResNet50(names, preprocessing, dropout=settings.dropout)
    started = start.load_imagenet(model, settings.init)
    model.to(memory_format=torch.channels_last).to(device)
    state = load_last(settings, model)
    if state is None:
        start.probe(model, sides[0], settings)
    run = Run(settings, model, sides, state)
    _write_json(settings.out / "split.json", patients)
    while run.epoch < settings.epochs:
        run.one_epoch()
    return _publish(run, sides, started)


def _publish(run: Run, sides: tuple[list[Item], list[Item]], started: dict[str, Any]) -> dict[str, Any]:
    settings, model = run.settings, run.model
    counts = {
        name: {"images": len(side), "patients": len({i.patient for i in side})}
        for name, side in zip(SIDES, sides, strict=True)
    }
    model.load_state_dict(run.best["model"])
    model.provenance = {"data": TITLES[settings.format], **counts, "start": started}
    digest = weights.save(model, settings.out)
    # What is reported is what is shipped: the fp16 file, read back as a user would, in fp32.
    shipped = evaluate.probabilities(weights.load(settings.out).model, sides[1], settings.workers)
    rates = [row["images_per_second"] for row in run.log if row["images_per_second"]]
    report = {
        "sha256": digest,
        "provenance": model.provenance,
        "held_out_patients": {
            name: sorted({i.patient for i in sides[1] if i.label == k}) for k, name in enumerate(model.class_names)
        },
        "held_out": evaluate.report(sides[1], shipped).to_json(),
        "held_out_colour_only": evaluate.report(sides[1], evaluate.colour_probabilities(*sides)).to_json(),
        "chosen": f"epoch {run.best['epoch']}, the best of {len(run.log)} scorings by AUC on these very patients",
        "held_out_before_choosing": run.log[0],
        "log": run.log,
        "images_per_second": round(float(np.median(rates)), 2) if rates else None,
        "settings": settings.public(),
        "versions": {"torch": torch.__version__, "scikit-learn": sklearn.__version__},
    }
    _write_json(settings.out / "report.json", report)
    return report


def _write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
