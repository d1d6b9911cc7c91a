"""Which input size tells benign from malignant best? A linear probe on frozen ImageNet features, patient-wise.

    python tests/benchmarks/input_size.py --data BreaKHis_v1 --init resnet50.safetensors --out weights/input_size.json

Five patient-wise folds, logistic regression on the pooled layer4 features, classes and patients weighted equally; AUC
of the pictures over all folds together, balanced accuracy at 0.5. Colour alone stands beside it.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dala import data, evaluate, fitting, formats, images, metrics
from dala.settings import Settings


def cross_validated(features: np.ndarray, items: list[data.Item], strength: float, seed: int = 0) -> metrics.Report:
    """Report on all pictures, each scored by the fold that never saw its patient."""
    labels = np.array([i.label for i in items])
    patients = np.array([i.patient for i in items])
    predicted = np.zeros((len(items), labels.max() + 1))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for train, test in folds.split(features, labels, patients):
        data.assert_disjoint([items[i] for i in train], [items[i] for i in test])
        weight = data.balanced_weights([items[i] for i in train]) * len(train)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000))
        model.fit(features[train], labels[train], logisticregression__sample_weight=weight)
        predicted[test] = model.predict_proba(features[test])
    return metrics.report(labels, predicted, patients)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", default=["460x700", "345x525", "230x350"], help="HEIGHTxWIDTH")
    args = parser.parse_args()
    dataset, rows = formats.read(args.data, "breakhis"), {}
    items, cpu = dataset.items, torch.device("cpu")
    for size in args.sizes:
        height, width = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as cache:
            settings = Settings(height=height, width=width, init=args.init, network="probe", views=1, cache=Path(cache))
            job = fitting.prepare(settings.on(cpu), items, dataset.class_names, cpu)
            features = job.pooled["layer4"][:, 0].numpy()
        rows[f"{width}x{height}"] = cross_validated(features, items, strength=1e-3).to_json()
    pixels = (np.asarray(images.read(i.path)) for i in items)
    rows["colour only"] = cross_validated(np.stack([evaluate.colour_features(p) for p in pixels]), items, 1.0).to_json()
    for name, row in rows.items():
        print(name.ljust(12), *(f"{key} {row[key]:.3f}" for key in ("auc", "patient_auc", "balanced_accuracy")))
    args.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
